// The layers of a running mount, as its server tells them. Believes only servers of the same user: any other could name
// directories that are not his to read.

import { Buffer } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { errno } from '../errno.js';
import { check } from '../sys/check.js';
import { O_DIRECTORY, O_RDONLY } from '../sys/constants.js';
import { shown } from '../sys/name.js';
import { Stat } from '../sys/stat.js';
import type { Syscalls } from '../sys/syscalls.js';
import { MountError } from '../union/layers.js';
import { TRUSTED_LAYERS, USER_LAYERS } from '../union/told-layers.js';
import type { LayerSource } from './view.js';

const FUSE = 0x65735546;

/** Who mounted the filesystem with the device number `dev`; null when the mount table does not say. */
function mounterOf(table: string, dev: number): number | null {
  const [major, minor] = [(dev >>> 8) & 0xfff, (dev & 0xff) | ((dev >>> 12) & 0xfff00)];
  const line = table.split('\n').find((candidate) => candidate.split(' ')[2] === `${major}:${minor}`);
  const id = line === undefined ? null : /[ ,]user_id=(\d+)/.exec(line);
  return id === null ? null : Number(id[1]);
}

/** The layers of a mount, which need not have an upper. */
export type Stack = Omit<LayerSource, 'upper'> & { readonly upper: string | null };

function parse(value: Uint8Array): Stack {
  const fields = Buffer.from(value).toString('latin1').split('\0').filter(Boolean);
  const all = (option: string): string[] =>
    fields.filter((field) => field.startsWith(`${option}=`)).map((field) => field.slice(option.length + 1));
  const [upper = null] = all('upperdir');
  const [workdir = null] = all('workdir');
  return { upper, workdir, lowers: all('lowerdir'), dataLowers: all('datadir') };
}

/** The layers of the stratafs mount whose root is `path`; null when it is the root of none. */
export function stackOfMount(sys: Syscalls, path: string): Stack | null {
  const fd = check(sys.openPath(path, O_RDONLY | O_DIRECTORY), shown(path));
  try {
    const numbers = sys.statFs(fd);
    if (typeof numbers === 'number' || numbers.type !== FUSE) return null;
    const value = [TRUSTED_LAYERS, USER_LAYERS].map((key) => sys.getXattr(fd, '', key)).find(isValue);
    if (value === undefined) return null;
    const stat = new Stat();
    check(sys.statAt(fd, '', stat), shown(path));
    if (mounterOf(readFileSync('/proc/self/mountinfo', 'latin1'), stat.dev) !== sys.geteuid()) {
      throw new MountError(`${shown(path)} was mounted by another user: name its upper and its lowers instead`);
    }
    return parse(value);
  } finally {
    sys.close(fd);
  }
}

/** The same for what looks at an upper: throws MountError for a mount that has none. */
export function layersOfMount(sys: Syscalls, path: string): LayerSource | null {
  const stack = stackOfMount(sys, path);
  if (stack === null) return null;
  const { upper } = stack;
  if (upper === null) throw new MountError(`${shown(path)} is mounted without an upper: nothing has changed`);
  return { ...stack, upper };
}

function isValue(value: Uint8Array | number): value is Uint8Array {
  if (value === -errno.E2BIG) throw new MountError('the mount has too many layers to tell them');
  return typeof value !== 'number';
}
