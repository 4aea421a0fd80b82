// Making one object of a tree that is being unpacked, with its contents and all its metadata. Where it may be made is not
// decided here.

import { Buffer } from 'node:buffer';
import { write } from 'node:fs';
import { ErrnoError, errno } from '../errno.js';
import { log } from '../log.js';
import { check } from '../sys/check.js';
import { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY, S_IFBLK, S_IFCHR, S_IFIFO } from '../sys/constants.js';
import { OwnedFd } from '../sys/fd.js';
import { shown } from '../sys/name.js';
import type { Syscalls } from '../sys/syscalls.js';
import { storedSize, type TarEntry } from './tar/entry.js';
import type { Member } from './tar/reader.js';
import { refuse } from './unpack-place.js';
import { storedAs } from './xattrs.js';

/** Zeros are left out by pieces of a file of this size, which streams may cut into smaller ones. */
const HOLE = { block: 64 << 10, least: 512 };
const ZEROS = Buffer.alloc(HOLE.block);

/** Pieces up to this size are written on this thread, bytes: handing them over costs more. */
const SMALL = 64 << 10;

/** An object's place: a directory's descriptor and a name in it, or '' for the directory itself. */
export interface Spot {
  readonly fd: number;
  readonly name: string;
}

function writePiece(fd: number, from: Uint8Array, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    write(fd, from, 0, from.length, position, (error, count) => (error === null ? resolve(count) : reject(error)));
  });
}

async function writeAll(sys: Syscalls, fd: number, from: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < from.length; ) {
    const rest = from.subarray(at);
    const small = rest.length <= SMALL;
    at += small ? check(sys.pwrite(fd, rest, position + at), 'write') : await writePiece(fd, rest, position + at);
  }
}

/** Whether a file has nothing but zeros from `at` to `end` of this part of it. */
function isHole(part: Uint8Array, at: number, end: number): boolean {
  if (part[at] !== 0 || part[end - 1] !== 0 || end - at < HOLE.least) return false;
  return ZEROS.compare(part, at, end, 0, end - at) === 0;
}

/** Where the block of a file ends in which byte `at` of a part lies that begins at `position`. */
const blockEnd = (at: number, length: number, position: number): number =>
  Math.min(length, at + HOLE.block - ((position + at) % HOLE.block));

/** Where so much of a file ends when all of it is written. */
async function writeWhole({ sys, stores }: Maker, fd: number, part: Uint8Array, position: number): Promise<number> {
  stores(part.length);
  await writeAll(sys, fd, part, position);
  return position + part.length;
}

/** Writes what is not zero; the file behind `fd` is new. Returns where the last of it ends in the file, 0 for nothing. */
async function writeWithHoles(maker: Maker, fd: number, part: Uint8Array, position: number): Promise<number> {
  let last = 0;
  const flush = async (from: number, to: number): Promise<void> => {
    if (from < to) last = await writeWhole(maker, fd, part.subarray(from, to), position + from);
  };
  let from = 0;
  for (let at = 0; at < part.length; ) {
    const end = blockEnd(at, part.length, position);
    if (isHole(part, at, end)) {
      await flush(from, at);
      from = end;
    }
    at = end;
  }
  await flush(from, part.length);
  return last;
}

/** Writes the data of a file where its extents say. */
async function writeData(maker: Maker, fd: number, { entry, data }: Member): Promise<void> {
  const extents = entry.extents ?? [{ offset: 0, length: entry.size }];
  let [index, done] = [0, 0];
  let end = 0;
  const put = entry.size < HOLE.block ? writeWhole : writeWithHoles;
  for await (const piece of data) {
    for (let at = 0; at < piece.length; ) {
      const extent = extents[index];
      if (extent === undefined) refuse(entry.path, 'more data than its size');
      const part = piece.subarray(at, at + extent.length - done);
      end = (await put(maker, fd, part, extent.offset + done)) || end;
      at += part.length;
      done += part.length;
      if (done < extent.length) continue;
      index += 1;
      done = 0;
    }
  }
  if (end < entry.size) check(maker.sys.ftruncate(fd, entry.size), 'truncate');
}

export interface Maker {
  readonly sys: Syscalls;
  /** Owners are kept; a plain user cannot. */
  readonly owners: boolean;
  /** What the host cannot hold was left out: told once, counted. */
  readonly leftOut: (what: string) => void;
  /** Told before bytes take room on the disk; throws when there is none. */
  readonly stores: (bytes: number) => void;
}

export function counted(count: () => void): (what: string) => void {
  return (what) => {
    count();
    log.once('warn', `unpack ${what}`, `an archive: ${what} is left out`);
  };
}

function setXattrs({ sys, leftOut }: Maker, { fd, name }: Spot, { path, xattrs }: TarEntry): void {
  for (const [key, value] of xattrs) {
    const stored = storedAs(key);
    if (stored === undefined) {
      leftOut(`xattr ${shown(key)}`);
      continue;
    }
    const result = sys.setXattr(fd, name, stored, value, 0);
    if (result === -errno.EOPNOTSUPP || result === -errno.EPERM) leftOut(`xattr ${shown(key)}`);
    else if (result < 0) throw new ErrnoError(-result, `${shown(path)}: xattr ${shown(key)}`);
  }
}

/** Owner, mode, xattrs and times, in the order in which none undoes another. */
export function describe(maker: Maker, spot: Spot, entry: TarEntry): void {
  const { sys } = maker;
  const { fd, name } = spot;
  const path = shown(entry.path);
  if (maker.owners) check(sys.chownAt(fd, name, entry.uid, entry.gid), `chown ${path}`);
  if (entry.type !== 'symlink') check(sys.chmodAt(fd, name, entry.mode), `chmod ${path}`);
  if (entry.xattrs.size > 0) setXattrs(maker, spot, entry);
  const { seconds, nanoseconds } = entry.mtime;
  check(sys.utimensAt(fd, name, seconds, nanoseconds, seconds, nanoseconds), `times of ${path}`);
}

/** A regular file where nothing is yet; -EEXIST where something is. */
export async function makeFile(maker: Maker, { fd: dir, name }: Spot, member: Member): Promise<number> {
  const { sys } = maker;
  const fd = sys.openAt(dir, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0o600);
  if (fd < 0) return fd;
  const file = new OwnedFd(sys, fd);
  try {
    if (member.entry.size > 0 || storedSize(member.entry) > 0) await writeData(maker, fd, member);
    describe(maker, { fd, name: '' }, member.entry);
  } finally {
    file.close();
  }
  return 0;
}

const formats = { char: S_IFCHR, block: S_IFBLK, fifo: S_IFIFO } as const;

/** The 32 bits in which the kernel and FUSE know a device. */
function deviceOf({ path, major, minor }: TarEntry): number {
  if (major > 0xfff || minor > 0xfffff) refuse(path, `no device has the numbers ${major}:${minor}`);
  return ((minor & 0xff) | (major << 8) | ((minor & 0xfff00) << 12)) >>> 0;
}

/** A device or fifo where nothing is yet: 0 or -errno. */
export function makeNode({ sys }: Maker, { fd, name }: Spot, entry: TarEntry): number {
  if (entry.type !== 'char' && entry.type !== 'block' && entry.type !== 'fifo') return -errno.EINVAL;
  return sys.mknodAt(fd, name, formats[entry.type] | 0o600, entry.type === 'fifo' ? 0 : deviceOf(entry));
}
