// Getting a /dev/fuse descriptor mounted somewhere and gone again: mount(2) where it is allowed,
// fusermount3 where it is not.

import { Buffer } from 'node:buffer';
import { errno } from '../errno.js';
import { log } from '../log.js';
import type { Syscalls } from '../sys/calls.js';
import {
  MNT_DETACH,
  MS_NOATIME,
  MS_NODEV,
  MS_NODIRATIME,
  MS_NOEXEC,
  MS_NOSUID,
  MS_RDONLY,
  MS_RELATIME,
  MS_STRICTATIME,
  O_RDWR,
  UMOUNT_NOFOLLOW,
} from '../sys/constants.js';
import { shown } from '../sys/name.js';
import { explain, MountError } from '../union/layers.js';

export interface MountRequest {
  readonly mountpoint: string;
  readonly source: string;
  /** Subtype: `fuse.<subtype>` in the mount table. */
  readonly subtype: string;
  readonly readOnly: boolean;
  readonly allowOther: boolean;
  readonly uid: number;
  readonly gid: number;
  /** Flag words as given: nodev, noexec, ... */
  readonly flags: readonly string[];
}

const MS_SYNCHRONOUS = 16;
const MS_DIRSYNC = 128;
const setBits: Record<string, number> = {
  nodev: MS_NODEV,
  nosuid: MS_NOSUID,
  noexec: MS_NOEXEC,
  noatime: MS_NOATIME,
  nodiratime: MS_NODIRATIME,
  relatime: MS_RELATIME,
  strictatime: MS_STRICTATIME,
  sync: MS_SYNCHRONOUS,
  dirsync: MS_DIRSYNC,
};
const clearBits: Record<string, number> = {
  dev: MS_NODEV,
  suid: MS_NOSUID,
  exec: MS_NOEXEC,
  atime: MS_NOATIME,
  relatime: MS_NOATIME | MS_STRICTATIME,
  strictatime: MS_NOATIME | MS_RELATIME,
  nostrictatime: MS_STRICTATIME,
  noatime: MS_RELATIME | MS_STRICTATIME,
  diratime: MS_NODIRATIME,
  async: MS_SYNCHRONOUS,
};

/** mount(2) flags of the words, over the defaults (nodev, noatime). */
function mountFlags(request: MountRequest): number {
  return flagsOf(request.flags, MS_NODEV | MS_NOATIME) | (request.readOnly ? MS_RDONLY : 0);
}

/** `flags` of mount(2), changed by words. */
function flagsOf(words: readonly string[], flags: number): number {
  return words.reduce((bits, word) => (bits & ~(clearBits[word] ?? 0)) | (setBits[word] ?? 0), flags);
}

/** What a remount asks of what is mounted at `mountpoint` with `flags`: words, access times apart. */
export interface Remount {
  readonly mountpoint: string;
  readonly flags: number;
  readonly words: readonly string[];
  readonly readOnly: boolean;
}

const MS_REMOUNT = 32;
const ACCESS_TIMES = MS_NOATIME | MS_NODIRATIME | MS_RELATIME | MS_STRICTATIME;

/** Changes the flags of a mount and of its filesystem. Access times that no flag tells of stay. Throws MountError. */
export function remountFuse(sys: Syscalls, request: Remount): void {
  const flags = flagsOf(request.words, request.flags) & ~(ACCESS_TIMES | MS_RDONLY);
  const result = sys.mount('', request.mountpoint, '', flags | MS_REMOUNT | (request.readOnly ? MS_RDONLY : 0), '');
  if (result === 0) return;
  const why = result === -errno.EBUSY ? 'files are open for writing' : explain(-result);
  throw new MountError(`mountpoint ${shown(request.mountpoint)}: ${why}`);
}

/** Mounts and returns the connection's descriptor. Throws MountError. */
export function mountFuse(sys: Syscalls, request: MountRequest): number {
  const fd = sys.openPath('/dev/fuse', O_RDWR);
  const direct = fd < 0 ? fd : mountDirectly(sys, fd, request);
  if (direct === 0) return fd;
  if (fd >= 0) sys.close(fd);
  const allowed = direct !== -errno.EPERM && direct !== -errno.EACCES;
  if (allowed && fd < 0) throw new MountError(`/dev/fuse: ${explain(-fd)}`);
  if (allowed) throw new MountError(`mountpoint ${shown(request.mountpoint)}: ${explain(-direct)}`);
  return mountThroughHelper(sys, request, `${fd < 0 ? '/dev/fuse' : 'mount(2)'}: ${explain(-direct)}`);
}

function mountDirectly(sys: Syscalls, fd: number, request: MountRequest): number {
  const data = [
    `fd=${fd}`,
    'rootmode=40000',
    `user_id=${request.uid}`,
    `group_id=${request.gid}`,
    'default_permissions',
    ...(request.allowOther ? ['allow_other'] : []),
  ];
  const type = `fuse.${request.subtype}`;
  return sys.mount(request.source, request.mountpoint, type, mountFlags(request), data.join(','));
}

/** fusermount3 is the one program that mounts for users. */
export const NOT_INSTALLED = 'not found, install it (Debian: fuse3) or mount as root';

/** Flag words that are passed to it as they are: it refuses others, and users may not have dev and suid. */
const helperWords = new Set(['nodev', 'nosuid', 'exec', 'noexec', 'sync', 'async', 'dirsync']);

/** `refusal`: why it was not mounted directly. */
function mountThroughHelper(sys: Syscalls, request: MountRequest, refusal: string): number {
  const escaped = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll(',', '\\,');
  const words = request.flags.filter((word) => helperWords.has(word));
  const options = [
    'default_permissions',
    `fsname=${escaped(request.source)}`,
    `subtype=${request.subtype}`,
    request.readOnly ? 'ro' : 'rw',
    ...(request.allowOther ? ['allow_other'] : []),
    (mountFlags(request) & MS_NOATIME) === 0 ? 'atime' : 'noatime',
    ...words,
  ];
  const result = sys.fusermount(request.mountpoint, options.join(','));
  if (typeof result === 'number' && result >= 0) return result;
  const missing = result === -errno.ENOENT;
  const why =
    typeof result === 'string'
      ? result.trim().replace(/^fusermount3: /, '')
      : missing
        ? NOT_INSTALLED
        : explain(-result);
  throw new MountError(`mountpoint ${shown(request.mountpoint)}: ${refusal}; fusermount3: ${why}`);
}

/** Takes the mount away; a busy one goes from the tree now and ends when its last user does. */
export function unmountFuse(sys: Syscalls, mountpoint: string): void {
  const first = sys.umount(mountpoint, UMOUNT_NOFOLLOW);
  if (first === -errno.EBUSY) sys.umount(mountpoint, MNT_DETACH | UMOUNT_NOFOLLOW);
  if (first === -errno.EPERM) void unmountThroughHelper(mountpoint);
}

/** This process serves the mount: it goes on answering while the helper works. */
async function unmountThroughHelper(mountpoint: string): Promise<void> {
  // Loaded here, as most mounts never need it.
  const { spawn } = await import('node:child_process');
  const failed = (why: string): void => log.error(`unmount ${shown(mountpoint)}: fusermount3: ${why}`);
  const argv = ['-u', '-z', '--', Buffer.from(mountpoint, 'latin1').toString()];
  const helper = spawn('fusermount3', argv, { stdio: ['ignore', 'ignore', 'pipe'] });
  helper.on('error', (error) => failed(error.message));
  helper.stderr.on('data', (text: Buffer) => failed(text.toString().trim()));
}
