// What a case is: a row of data (name, unit, the layers it stands on) and a body that drives the client and returns one
// figure. Bodies see a Bench and never a competitor, so that a case cannot favour one.

import type { ClientWord, Timing } from '../client.js';
import type { Recipe } from '../recipes/recipe.js';
import type { ImageJob, ToolRun } from '../tools.js';

export const families = [
  'lookup',
  'listing',
  'open',
  'copy-up',
  'namespace',
  'data',
  'jobs',
  'growth',
  'latency',
  'start',
  'image',
] as const;
export type Family = (typeof families)[number];

export const units = {
  'us/op': 'lower',
  us: 'lower',
  ms: 'lower',
  s: 'lower',
  MB: 'lower',
  'MB/s': 'higher',
  'ops/s': 'higher',
} as const;
export type Unit = keyof typeof units;

/** Rows of one line differ in one number only, and are drawn together. */
export interface Axis {
  readonly line: string;
  readonly of: string;
  readonly value: number;
}

export type Filesystem = 'ext4' | 'xfs' | 'btrfs';

/** A process of the client that has reported and waits. */
export interface Held {
  readonly timing: Timing;
  release(): Promise<void>;
}

export interface AnotherMount {
  /** From starting the command until the mount was there, in milliseconds. */
  readonly ms: number;
  /** Unmounts and waits for the server to be gone; milliseconds. */
  end(): Promise<number>;
}

export interface Bench {
  /** The mount, or the host's directory. */
  readonly root: string;
  /** Runs the native client inside the mount. */
  client(command: string, ...words: readonly ClientWord[]): Promise<Timing>;
  /** The same; the process stays until it is released. */
  hold(command: string, ...words: readonly ClientWord[]): Promise<Held>;
  /** Runs a shell script in the mount, with $INPUTS naming what the recipe put beside the layers. */
  script(text: string): Promise<Timing>;
  /** The competitor's own way of doing an image's job, with an empty directory for what comes of it. */
  tool(job: ImageJob, environment?: Readonly<Record<string, string>>): Promise<ToolRun>;
  /** What the recipe put beside the layers. */
  readonly inputs: string;
  /** Path of a list of names that the recipe wrote. */
  list(name: string): string;
  /** Empties the host's and the mount's caches of names and inodes. */
  cold(): Promise<void>;
  /** Resident bytes of the servers of all mounts of this sample. */
  memory(): number;
  /** One more mount of the same layers, with an upper of its own. */
  another(): Promise<AnotherMount>;
}

export interface Case {
  readonly name: string;
  readonly family: Family;
  readonly unit: Unit;
  readonly recipe: Recipe;
  readonly run: (bench: Bench) => Promise<number>;
  readonly axis?: Axis;
  /** Belongs to --quick. */
  readonly quick?: boolean;
  /** Takes long: one sample, whatever --repeat says. */
  readonly once?: boolean;
  /** It changes the mount; who can only read is left out, and the host gets a copy. */
  readonly writes?: boolean;
  /** The unions are mounted without an upper. */
  readonly upperless?: boolean;
  /** union: senseless without layers. server: a server process is measured. */
  readonly of?: 'union' | 'server';
  /** Runs on an image of this filesystem instead of the run's own place. */
  readonly filesystem?: Filesystem;
  /** Programs that must be installed. */
  readonly tools?: readonly string[];
  /** About images: for those who do this job; nothing is mounted. */
  readonly job?: ImageJob;
  /** Only for those who know renamed directories of lowers. */
  readonly redirects?: boolean;
}

/** How much of everything; --quick has a smaller one. */
export interface Scale {
  readonly quick: boolean;
  /** Lowers where a row does not say how many. */
  readonly layers: number;
  readonly directories: number;
  readonly filesPerDirectory: number;
  readonly edits: number;
  readonly creations: number;
  readonly bigBytes: number;
  readonly randomOps: number;
}

export function scaleFor(quick: boolean, layers: number): Scale {
  const full = {
    quick,
    layers,
    directories: 400,
    filesPerDirectory: 50,
    edits: 1000,
    creations: 5000,
    bigBytes: 256 << 20,
    randomOps: 20_000,
  };
  return quick ? { ...full, directories: 40, edits: 200, creations: 1000, bigBytes: 64 << 20, randomOps: 5000 } : full;
}

export function microsecondsPerOp(timing: Timing): number {
  return timing.ns / timing.ops / 1000;
}

export function milliseconds(timing: Timing): number {
  return timing.ns / 1e6;
}

export function seconds(timing: Timing): number {
  return timing.ns / 1e9;
}

export function opsPerSecond(timing: Timing): number {
  return (timing.ops * 1e9) / timing.ns;
}

/** Decimal megabytes a second for `ops` blocks of `block` bytes. */
export function megabytesPerSecond(timing: Timing, block: number): number {
  return (timing.ops * block * 1000) / timing.ns;
}

/** `4 KiB`, `256 MiB`. */
export function sizeName(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  return `${bytes / 1024 ** power} ${units[power]}`;
}

/** `1 layer`, `10,000 entries`. */
export function plural(count: number, what: string): string {
  const one = count === 1;
  const many = what.endsWith('y') ? `${what.slice(0, -1)}ies` : `${what}s`;
  return `${count.toLocaleString('en')} ${one ? what : many}`;
}

/** Reads of small files, before others are measured. */
export async function warmReads(bench: Bench): Promise<void> {
  await bench.client('open-read', bench.list('warm'));
}

/** Writes to a file of their own: the measured one is as it was. */
export async function warmWrites(bench: Bench): Promise<void> {
  await bench.client('write', 'warm-written', 4096, 100, 'create');
}
