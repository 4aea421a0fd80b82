// Who takes part: one row each with the command that mounts a stack. The rows are data; mounting.ts runs
// them. A competitor whose program is not there is left out with a reason, never silently.

import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Command } from './process.js';

/** One union to mount: the lowers from top to bottom, a fresh upper and workdir, and where it goes. */
export interface Stack {
  readonly layersDirectory: string;
  /** Names inside layersDirectory, top first. */
  readonly layers: readonly string[];
  readonly upper: string;
  readonly work: string;
  readonly mountpoint: string;
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
}

const root = process.getuid?.() === 0;
const everyone = root ? ',allow_other' : '';

function absoluteLowers(stack: Stack): string[] {
  return stack.layers.map((name) => join(stack.layersDirectory, name));
}

function overlayOptions(stack: Stack): string {
  return `lowerdir=${absoluteLowers(stack).join(':')},upperdir=${stack.upper},workdir=${stack.work}`;
}

/** mount(2) takes one page of options, so the kernel gets short names relative to its working directory. */
function kernelOverlay(stack: Stack): Command {
  const options = `lowerdir=${stack.layers.join(':')},upperdir=${stack.upper},workdir=${stack.work}`;
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
  const branches = [`${stack.upper}=RW`, ...absoluteLowers(stack).map((lower) => `${lower}=RO`)].join(':');
  return { file: 'unionfs', args: ['-o', `cow${everyone}`, branches, stack.mountpoint] };
}

function stratafs(program: string, extraOptions: string, flags: readonly string[]): (stack: Stack) => Command {
  return (stack) => ({
    file: process.execPath,
    args: [program, 'mount', ...flags, '-o', `${overlayOptions(stack)}${extraOptions}`, stack.mountpoint],
  });
}

function stratafsRows(program: string): Competitor[] {
  const row = (id: string, role: Role, about: string, options: string, flags: readonly string[]): Competitor => ({
    id,
    role,
    about,
    program,
    mount: stratafs(program, options, flags),
  });
  return [
    row('stratafs', 'subject', 'stratafs as it ships (passthrough where the kernel allows it)', '', []),
    row(
      'stratafs-nopt',
      'variant',
      'stratafs with passthrough=off, as a rootless user gets it',
      ',passthrough=off',
      [],
    ),
    row('stratafs-fn', 'variant', 'stratafs over the npm package fuse-native', '', ['--channel=fuse-native']),
  ];
}

/** All rows, in the order of the table's columns. `project` is the package's root. */
export function competitors(project: string, extra: ReadonlyMap<string, string>): Competitor[] {
  return [
    { id: 'host', role: 'host', about: 'the host filesystem, no union: the floor' },
    { id: 'overlayfs', role: 'kernel', about: 'kernel overlayfs', program: 'mount', mount: kernelOverlay },
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
    ...[...extra].map(([id, path]): Competitor => {
      return { id, role: 'extra', about: `${path} (--with)`, program: path, mount: likeFuseOverlayfs(path) };
    }),
    ...stratafsRows(join(project, 'dist/lib/cli/main.js')),
  ];
}

function present(program: string): boolean {
  const places = program.includes('/')
    ? [program]
    : (process.env.PATH ?? '').split(delimiter).map((directory) => join(directory, program));
  return places.some((place) => {
    try {
      accessSync(place, constants.R_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Why a competitor cannot even be tried, or undefined. */
export function absence(competitor: Competitor): string | undefined {
  if (competitor.role === 'kernel' && !root) return 'needs root';
  if (competitor.program === undefined || present(competitor.program)) return undefined;
  const built = competitor.role === 'subject' || competitor.role === 'variant';
  return built ? `does not mount: ${competitor.program} is not built` : `not installed: ${competitor.program}`;
}
