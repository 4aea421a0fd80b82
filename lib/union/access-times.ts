// What reading does to the access times of the upper. The mount's words decide, by default nothing. Upper and workdir are
// reached through a private clone of their mount that has those words as its own, so that reads in passthrough, which no
// open flag of the server reaches, follow them too. Lowers keep their access times in any case.

import type { Syscalls } from '../sys/calls.js';
import {
  MOUNT_ATTR_ATIME,
  MOUNT_ATTR_NOATIME,
  MOUNT_ATTR_NODIRATIME,
  MOUNT_ATTR_STRICTATIME,
  O_DIRECTORY,
  O_PATH,
  O_RDONLY,
} from '../sys/constants.js';
import { Stat } from '../sys/stat.js';
import type { DirNode } from './inode.js';
import type { Union } from './union.js';

/** MOUNT_ATTR_* of the words, the last of each kind counts; 0 is relatime. */
export function accessTimes(words: readonly string[]): number {
  let times = MOUNT_ATTR_NOATIME;
  let directories = 0;
  for (const word of words) {
    if (word === 'noatime') times = MOUNT_ATTR_NOATIME;
    else if (word === 'strictatime') times = MOUNT_ATTR_STRICTATIME;
    else if (word === 'atime' || word === 'relatime') times = 0;
    else if (word === 'nostrictatime') times &= ~MOUNT_ATTR_STRICTATIME;
    else if (word === 'nodiratime') directories = MOUNT_ATTR_NODIRATIME;
    else if (word === 'diratime') directories = 0;
  }
  return times | directories;
}

/** Whether reading a file of the upper may change its access time. */
export function readingCounts(u: Union): boolean {
  return (u.accessTimes & MOUNT_ATTR_NOATIME) === 0;
}

/** Whether listing a directory may change its access time. */
export function listingsCount(u: Union): boolean {
  return (u.accessTimes & (MOUNT_ATTR_NOATIME | MOUNT_ATTR_NODIRATIME)) === 0;
}

/** `dir` is listed from its start: the host is read once more, as its names come from the index. */
export function noteListing(u: Union, dir: DirNode): void {
  if (!listingsCount(u) || dir.upper === null || dir.dead) return;
  const fd = u.sys.openAt(u.dirFds.fd(dir.upper), '.', O_RDONLY | O_DIRECTORY, 0);
  if (fd < 0) return;
  u.sys.scanDir(fd, 1);
  u.sys.close(fd);
}

/** The components that two absolute paths begin with in common. */
function commonAncestor(a: readonly string[], b: readonly string[]): string[] {
  const differs = a.findIndex((component, at) => component !== b[at]);
  return a.slice(0, differs < 0 ? a.length : differs);
}

/** Opens `components` below `from`, one at a time. */
function descend(sys: Syscalls, from: number, components: readonly string[]): number {
  let fd = sys.reopen(from, O_PATH | O_DIRECTORY);
  for (const [at, component] of components.entries()) {
    const flags = at === components.length - 1 ? O_RDONLY | O_DIRECTORY : O_PATH | O_DIRECTORY;
    const next = fd < 0 ? fd : sys.openAt(fd, component, flags, 0);
    if (fd >= 0) sys.close(fd);
    fd = next;
  }
  return fd;
}

/** Upper and workdir, open. */
export interface Roots {
  readonly upper: number;
  readonly workdir: number;
}

/** The same, and the directory that the upper lies in. */
export interface ClonedRoots extends Roots {
  readonly home: number;
}

function sameFile(sys: Syscalls, a: number, b: number): boolean {
  const [first, second] = [new Stat(), new Stat()];
  if (a < 0 || b < 0 || sys.statAt(a, '', first) < 0 || sys.statAt(b, '', second) < 0) return false;
  return first.identity() === second.identity();
}

/**
 * The same two directories through one private clone of their mount; null where mounts cannot be cloned, or the two lie
 * on different ones. A rename from one to the other works only within one mount.
 */
export function throughClone(
  sys: Syscalls,
  plain: Roots,
  paths: { readonly upper: string; readonly workdir: string },
  attributes: number,
): ClonedRoots | null {
  const [upperPath, workPath] = [paths.upper.split('/'), paths.workdir.split('/')];
  const common = commonAncestor(upperPath, workPath);
  const clear = MOUNT_ATTR_ATIME | MOUNT_ATTR_NODIRATIME;
  const clone = sys.cloneMount(common.join('/') || '/', attributes, clear);
  if (clone < 0) return null;
  const upper = descend(sys, clone, upperPath.slice(common.length));
  const workdir = descend(sys, clone, workPath.slice(common.length));
  const home = descend(sys, clone, upperPath.slice(common.length, -1));
  sys.close(clone);
  if (sameFile(sys, upper, plain.upper) && sameFile(sys, workdir, plain.workdir)) return { upper, workdir, home };
  for (const fd of [upper, workdir, home]) if (fd >= 0) sys.close(fd);
  return null;
}
