// Owner, mode and type of a file as an xattr says them, for hosts where the server may not set its own:
// the text in three dialects, and how security.* names are kept beside it. Pure.

import { Buffer } from 'node:buffer';
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK } from '../sys/constants.js';

/** Who writes it: fuse-overlayfs with privileges, containers/storage, fuse-overlayfs before 1.13 without. */
export type OverrideDialect = 'security' | 'containers' | 'legacy';

/** The xattr of each dialect, the one that wins first. */
export const overrideNames: Readonly<Record<OverrideDialect, string>> = {
  security: 'security.fuseoverlayfs.override_stat',
  containers: 'user.containers.override_stat',
  legacy: 'user.fuseoverlayfs.override_stat',
};

export const overrideDialects = Object.keys(overrideNames) as OverrideDialect[];

export interface Override {
  readonly uid: number;
  readonly gid: number;
  /** Without S_IFMT. */
  readonly mode: number;
  /** S_IFMT bits; null: the host's. */
  readonly format: number | null;
  /** The kernel's encoding. */
  readonly rdev: number;
}

const formats: Readonly<Record<string, number>> = {
  dir: S_IFDIR,
  file: S_IFREG,
  symlink: S_IFLNK,
  pipe: S_IFIFO,
  socket: S_IFSOCK,
  block: S_IFBLK,
  char: S_IFCHR,
};

const shape = /^(\d{1,10}):(\d{1,10}):([0-7]{1,6})(?::([a-z]+)(?:-*(\d{1,7})[-:](\d{1,7}))?)?$/;
const LARGEST_ID = 0xfffffffe;

function encodeDevice(major: number, minor: number): number {
  return ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
}

/** null when the text is none. `char-1-3` is containers/storage's, `char1:3` fuse-overlayfs 2's. */
export function parseOverride(value: Uint8Array): Override | null {
  const match = shape.exec(Buffer.from(value).toString('latin1'));
  if (match === null) return null;
  const [, uid, gid, mode, type, major, minor] = match;
  const format = type === undefined ? null : (Object.hasOwn(formats, type) && formats[type]) || undefined;
  const isDevice = format === S_IFBLK || format === S_IFCHR;
  if (format === undefined || isDevice !== (major !== undefined)) return null;
  const owner = { uid: Number(uid), gid: Number(gid) };
  if (owner.uid > LARGEST_ID || owner.gid > LARGEST_ID) return null;
  const rdev = isDevice ? encodeDevice(Number(major), Number(minor)) : 0;
  return { ...owner, mode: Number.parseInt(mode as string, 8) & 0o7777, format, rdev };
}

function typeOf(format: number, rdev: number): string {
  const word = Object.keys(formats).find((each) => formats[each] === format) ?? 'file';
  const isDevice = format === S_IFBLK || format === S_IFCHR;
  return isDevice ? `${word}-${(rdev >>> 8) & 0xfff}-${(rdev & 0xff) | ((rdev >>> 12) & 0xfff00)}` : word;
}

/** `mode` with S_IFMT. The two dialects of fuse-overlayfs name a type only where the host's file has another. */
export function formatOverride(dialect: OverrideDialect, uid: number, gid: number, mode: number, rdev: number): Buffer {
  const format = mode & S_IFMT;
  const plain = format === S_IFREG || format === S_IFDIR || format === S_IFLNK;
  if (dialect !== 'containers' && plain) return Buffer.from(`${uid}:${gid}:${mode.toString(8)}`, 'latin1');
  const bits = (mode & 0o7777).toString(8).padStart(4, '0');
  return Buffer.from(`${uid}:${gid}:${bits}:${typeOf(format, rdev)}`, 'latin1');
}

/** Whether the host's file can be another one by its override: no override makes or unmakes a directory. */
export function fits(override: Override, host: number): boolean {
  if (override.format === null || override.format === host) return true;
  return host === S_IFREG && override.format !== S_IFDIR && override.format !== S_IFLNK;
}

const KEPT = 'user.containers.override_';
const HIDDEN = 'security.';
const XATTR_NAME_MAX = 255;

/** Where a layer of `dialect` keeps xattr `key`; undefined where the name would be too long. */
export function keptName(dialect: OverrideDialect, key: string): string | undefined {
  if (dialect !== 'containers' || !key.startsWith(HIDDEN)) return key;
  return KEPT.length + key.length > XATTR_NAME_MAX ? undefined : KEPT + key;
}

/** The opposite; undefined for the host's own security.* names. */
export function givenName(dialect: OverrideDialect, kept: string): string | undefined {
  if (dialect !== 'containers') return kept;
  if (kept.startsWith(KEPT + HIDDEN)) return kept.slice(KEPT.length);
  return kept.startsWith(HIDDEN) ? undefined : kept;
}
