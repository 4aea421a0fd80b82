// What a case is: a row of data (name, unit, direction, what it needs) and a body that drives the client and
// returns one figure. Bodies see a Bench and never a competitor, so that a case cannot favour one.

import type { Timing } from '../client.js';

/**
 * tree: the read-only grid · edit: the grid that is changed · big: a big file in the bottom lower · data: a big
 * file in the upper · many: the nodes of the memory rows · upper: it writes · union: senseless without layers ·
 * server: a server process is measured.
 */
export type Need = 'tree' | 'edit' | 'big' | 'data' | 'many' | 'upper' | 'union' | 'server';

export type Unit = 'us/op' | 'ms' | 'MB/s' | 'MB';

/** How much of everything; --quick has a smaller one. */
export interface Scale {
  readonly directories: number;
  readonly filesPerDirectory: number;
  readonly edits: number;
  readonly warmEdits: number;
  readonly creations: number;
  readonly fileBytes: number;
  readonly randomOps: number;
  readonly nodes: number;
}

export interface Bench {
  readonly scale: Scale;
  /** Runs the native client inside the mount. */
  client(command: string, ...args: readonly (string | number)[]): Promise<Timing>;
  /** Path of a list of names made by tree.ts. */
  list(name: string): string;
  /** Empties the host's and the mount's caches of names and inodes. */
  cold(): Promise<void>;
  /** Resident bytes of the server's processes. */
  memory(): number;
}

export interface Case {
  readonly name: string;
  readonly family: string;
  readonly unit: Unit;
  readonly better: 'lower' | 'higher';
  readonly needs: readonly Need[];
  readonly run: (bench: Bench) => Promise<number>;
}

export const FULL: Scale = {
  directories: 400,
  filesPerDirectory: 50,
  edits: 1000,
  warmEdits: 200,
  creations: 5000,
  fileBytes: 256 << 20,
  randomOps: 20_000,
  nodes: 100_000,
};

export const QUICK: Scale = { ...FULL, directories: 80, edits: 300, warmEdits: 100, creations: 1000, randomOps: 5000 };

export function microsecondsPerOp(timing: Timing): number {
  return timing.ns / timing.ops / 1000;
}

export function milliseconds(timing: Timing): number {
  return timing.ns / 1e6;
}

/** Decimal megabytes a second for `ops` blocks of `block` bytes. */
export function megabytesPerSecond(timing: Timing, block: number): number {
  return (timing.ops * block * 1000) / timing.ns;
}
