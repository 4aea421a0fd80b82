// Who takes part: one row each with the command that mounts a stack. The rows are data; mounting.ts runs
// them. A competitor whose program is not there is left out with a reason, never silently.

import { join } from 'node:path';
import type { Family } from './cases/case.js';
import { type Command, isInstalled } from './process.js';
import { type ImageJobs, imageTools, stratafsJobs } from './tools.js';

/** One union to mount: the lowers from top to bottom, a fresh upper and workdir or none, and where it goes. */
export interface Stack {
  readonly layersDirectory: string;
  /** Names inside layersDirectory, top first. */
  readonly layers: readonly string[];
  readonly upper: string;
  readonly work: string;
  /** false: mounted without them. */
  readonly writable: boolean;
  readonly mountpoint: string;
  /** What the layers need to be shown in full (redirect_dir=on), for those who know it; often empty. */
  readonly options: string;
}

/** host: no union at all. kernel, peer: what ratios are taken against. subject: stratafs as it ships. */
export type Role = 'host' | 'kernel' | 'peer' | 'subject' | 'variant' | 'extra';

export interface Competitor {
  readonly id: string;
  readonly role: Role;
  readonly about: string;
  /** What must exist for it to run; a bare name is looked up in PATH. */
  readonly program?: string;
  /** Prints the version, where the program can. */
  readonly version?: readonly string[];
  readonly mount?: (stack: Stack) => Command;
  /** Shows directories that were renamed in a lower. */
  readonly redirects?: boolean;
  /** How it does the jobs of images; who has these and mounts nothing takes part in those rows only. */
  readonly jobs?: ImageJobs;
  /** Takes part in rows that change nothing. */
  readonly readsOnly?: boolean;
  /** Takes part in these families only: elsewhere it is the same as another one. */
  readonly families?: readonly Family[];
}

const root = process.getuid?.() === 0;
const everyone = root ? ',allow_other' : '';

function absoluteLowers(stack: Stack): string[] {
  return stack.layers.map((name) => join(stack.layersDirectory, name));
}

function overlayOptions(stack: Stack, lowers = absoluteLowers(stack)): string {
  const lowerdir = `lowerdir=${lowers.join(':')}`;
  return stack.writable ? `${lowerdir},upperdir=${stack.upper},workdir=${stack.work}` : lowerdir;
}

/** As unionfs and mergerfs name them. */
function branches(stack: Stack): string {
  const lowers = absoluteLowers(stack).map((lower) => `${lower}=RO`);
  return [...(stack.writable ? [`${stack.upper}=RW`] : []), ...lowers].join(':');
}

/** Those who follow the kernel's options get what the layers need. */
function withFeatures(stack: Stack, list: string): string {
  return stack.options === '' ? list : `${list},${stack.options}`;
}

/** mount(2) takes one page of options, so the kernel gets short names relative to its working directory. */
function kernelOverlay(stack: Stack): Command {
  const options = withFeatures(stack, overlayOptions(stack, [...stack.layers]));
  return {
    file: 'mount',
    args: ['-t', 'overlay', 'overlay', '-o', options, stack.mountpoint],
    cwd: stack.layersDirectory,
  };
}

function likeFuseOverlayfs(program: string): (stack: Stack) => Command {
  return (stack) => ({ file: program, args: ['-o', overlayOptions(stack), stack.mountpoint] });
}

function unionfs(stack: Stack): Command {
  return { file: 'unionfs', args: ['-o', `cow${everyone}`, branches(stack), stack.mountpoint] };
}

/** Only for rows that read: it has no copy-up, so a lower that is changed is changed itself. */
function mergerfs(stack: Stack): Command {
  return { file: 'mergerfs', args: ['-o', `category.create=ff${everyone}`, branches(stack), stack.mountpoint] };
}

/** By the Node.js that runs the harness, whichever the program would find by itself. */
function stratafs(program: string, extraOptions: string, flags: readonly string[]): (stack: Stack) => Command {
  return (stack) => ({
    file: program,
    args: ['mount', ...flags, '-o', withFeatures(stack, `${overlayOptions(stack)}${extraOptions}`), stack.mountpoint],
    environment: { STRATAFS_NODE: process.execPath },
  });
}

function stratafsRows(program: string): Competitor[] {
  const row = (id: string, role: Role, about: string, options: string, flags: readonly string[]): Competitor => ({
    id,
    role,
    about,
    program,
    redirects: true,
    mount: stratafs(program, options, flags),
  });
  return [
    {
      ...row('stratafs', 'subject', 'stratafs as it ships (passthrough where the kernel allows it)', '', []),
      jobs: stratafsJobs(program),
    },
    row(
      'stratafs-nopt',
      'variant',
      'stratafs as a rootless user gets it: passthrough=off, wakeups=plain',
      ',passthrough=off,wakeups=plain',
      [],
    ),
    {
      ...row('stratafs-vol', 'variant', 'stratafs with -o volatile: copies not ordered before names', ',volatile', []),
      families: ['copy-up', 'namespace'],
    },
    row('stratafs-fn', 'variant', 'stratafs over the npm package fuse-native', '', ['--channel=fuse-native']),
  ];
}

/** All rows, in the order of the table's columns. `program` is the installed command, by its own name. */
export function competitors(program: string, extra: ReadonlyMap<string, string>): Competitor[] {
  return [
    { id: 'host', role: 'host', about: 'the host filesystem, no union: the floor' },
    {
      id: 'overlayfs',
      role: 'kernel',
      about: 'kernel overlayfs',
      program: 'mount',
      redirects: true,
      mount: kernelOverlay,
    },
    {
      id: 'fuse-overlayfs',
      role: 'peer',
      about: 'fuse-overlayfs as installed',
      program: 'fuse-overlayfs',
      version: ['--version'],
      mount: likeFuseOverlayfs('fuse-overlayfs'),
    },
    {
      id: 'unionfs',
      role: 'peer',
      about: 'unionfs-fuse with -o cow',
      program: 'unionfs',
      version: ['--version'],
      mount: unionfs,
    },
    {
      id: 'mergerfs',
      role: 'peer',
      about: 'mergerfs with its defaults, in rows that read',
      program: 'mergerfs',
      version: ['--version'],
      readsOnly: true,
      mount: mergerfs,
    },
    ...[...extra].map(([id, path]): Competitor => {
      return { id, role: 'extra', about: `${path} (--with)`, program: path, mount: likeFuseOverlayfs(path) };
    }),
    ...stratafsRows(program),
    ...imageTools.map((tool): Competitor => ({ ...tool, role: 'peer' })),
  ];
}

/** Why a competitor cannot even be tried, or undefined. */
export function absence(competitor: Competitor): string | undefined {
  if (competitor.role === 'kernel' && !root) return 'needs root';
  if (competitor.program === undefined || isInstalled(competitor.program)) return undefined;
  const built = competitor.role === 'subject' || competitor.role === 'variant';
  return `${built ? 'not built' : 'not installed'}: ${competitor.program}`;
}
