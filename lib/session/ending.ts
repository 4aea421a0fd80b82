// How `umount` knows that a server has ended: for as long as it holds its layers the server keeps a lock on one byte of
// /dev/fuse, at the device number of its mount. The lock asks nothing of the server, and goes with it however it ends.

import { readFileSync } from 'node:fs';
import type { Syscalls } from '../sys/calls.js';
import { O_RDWR } from '../sys/constants.js';

/** The minor device number of what FUSE has mounted at `mountpoint`, a path without symlinks, by /proc/self/mountinfo. */
export function minorOf(mountinfo: string, mountpoint: string): number | null {
  const written = mountpoint.replaceAll(/[ \t\n\\]/g, (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`);
  const top = mountinfo
    .split('\n')
    .map((line) => line.split(' '))
    .findLast((fields) => fields[4] === written);
  if (top?.[top.indexOf('-') + 1]?.startsWith('fuse') !== true) return null;
  const [major, minor] = (top[2] as string).split(':');
  return major === '0' ? Number(minor) : null;
}

/** Mounts in this namespace whose device is 0:`minor`. */
export function isShown(mountinfo: string, minor: number): boolean {
  return mountinfo.split('\n').some((line) => line.split(' ')[2] === `0:${minor}`);
}

/** The mount table of this namespace, as bytes. */
export function mountTable(): string {
  return readFileSync('/proc/self/mountinfo', 'latin1');
}

/** Locks the byte of the mount at `mountpoint`; the descriptor that holds it, or -1. Without it nobody waits, that is all. */
export function announce(sys: Syscalls, mountpoint: string): number {
  const minor = minorOf(mountTable(), mountpoint);
  const fd = minor === null ? -1 : sys.openPath('/dev/fuse', O_RDWR);
  if (minor !== null && fd >= 0) sys.lockByte(fd, minor);
  return fd;
}

/** The layers are closed. */
export function releaseAnnounced(sys: Syscalls, announced: number): void {
  if (announced >= 0) sys.close(announced);
}

/** Longest wait for a server that has been unmounted, and how often it is looked for, milliseconds. */
const PATIENCE = 3000;
const PAUSE = 5;

/**
 * Waits until the server of what was mounted with device 0:`minor` has closed its layers. A mount that goes on elsewhere
 * (a bind mount, another namespace) keeps its server.
 */
export function awaitEnd(sys: Syscalls, minor: number): void {
  const fd = sys.openPath('/dev/fuse', O_RDWR);
  if (fd < 0) return;
  const clock = new Int32Array(new SharedArrayBuffer(4));
  for (let left = PATIENCE; left > 0 && sys.isByteLocked(fd, minor) === 1; left -= PAUSE) {
    Atomics.wait(clock, 0, 0, PAUSE);
  }
  sys.close(fd);
}
