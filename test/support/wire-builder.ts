// An independent encoder of kernel requests and decoder of replies, written from <linux/fuse.h>
// alone. It shares no code and no table with lib/wire: where the two disagree, one of them is wrong.
// 64-bit numbers are BigInt here, so that nothing is lost by accident.

import { Buffer } from 'node:buffer';

export type Int = number | bigint;

/** Appends little-endian fields. */
export class Bytes {
  readonly #parts: Buffer[] = [];

  #number(size: number, write: (buffer: Buffer) => void): this {
    const buffer = Buffer.alloc(size);
    write(buffer);
    this.#parts.push(buffer);
    return this;
  }

  u16(value: number): this {
    return this.#number(2, (b) => b.writeUInt16LE(value));
  }

  u32(...values: number[]): this {
    for (const value of values) this.#number(4, (b) => b.writeUInt32LE(value));
    return this;
  }

  u64(...values: Int[]): this {
    for (const value of values) this.#number(8, (b) => b.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value))));
    return this;
  }

  /** A byte string and its NUL. */
  string(text: string): this {
    this.#parts.push(Buffer.from(`${text}\0`, 'latin1'));
    return this;
  }

  raw(data: Uint8Array): this {
    this.#parts.push(Buffer.from(data));
    return this;
  }

  done(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

export const bytes = (): Bytes => new Bytes();

export interface Caller {
  unique?: Int;
  nodeid?: Int;
  uid?: number;
  gid?: number;
  pid?: number;
}

/** struct fuse_in_header, then `body`, then `extensions` (a multiple of 8 bytes). */
export function request(opcode: number, body: Bytes, caller: Caller = {}, extensions: Bytes = bytes()): Buffer {
  const payload = body.done();
  const extra = extensions.done();
  const head = bytes()
    .u32(40 + payload.byteLength + extra.byteLength, opcode)
    .u64(caller.unique ?? 2, caller.nodeid ?? 1)
    .u32(caller.uid ?? 0, caller.gid ?? 0, caller.pid ?? 1)
    .u16(extra.byteLength / 8)
    .u16(0);
  return head.raw(payload).raw(extra).done();
}

interface Attributes {
  valid?: number;
  fh?: Int;
  size?: Int;
  lockOwner?: Int;
  atime?: Int;
  mtime?: Int;
  ctime?: Int;
  atimeNsec?: number;
  mtimeNsec?: number;
  ctimeNsec?: number;
  mode?: number;
  uid?: number;
  gid?: number;
}

/** One function per body layout, named after the C struct or the request. */
export const build = {
  empty: (): Bytes => bytes(),
  names: (...names: string[]): Bytes => names.reduce((b, name) => b.string(name), bytes()),
  forget: (nlookup: Int): Bytes => bytes().u64(nlookup),
  batchForget: (items: readonly { nodeid: Int; nlookup: Int }[], count = items.length): Bytes =>
    items.reduce((b, item) => b.u64(item.nodeid, item.nlookup), bytes().u32(count, 0)),
  getattr: (flags: number, fh: Int): Bytes => bytes().u32(flags, 0).u64(fh),
  setattr: (a: Attributes): Bytes =>
    bytes()
      .u32(a.valid ?? 0, 0)
      .u64(a.fh ?? 0, a.size ?? 0, a.lockOwner ?? 0, a.atime ?? 0, a.mtime ?? 0, a.ctime ?? 0)
      .u32(a.atimeNsec ?? 0, a.mtimeNsec ?? 0, a.ctimeNsec ?? 0, a.mode ?? 0, 0, a.uid ?? 0, a.gid ?? 0, 0),
  mknod: (mode: number, rdev: number, umask: number, name: string): Bytes =>
    bytes().u32(mode, rdev, umask, 0).string(name),
  mkdir: (mode: number, umask: number, name: string): Bytes => bytes().u32(mode, umask).string(name),
  rename: (newDir: Int, name: string, newName: string): Bytes => bytes().u64(newDir).string(name).string(newName),
  rename2: (newDir: Int, flags: number, name: string, newName: string): Bytes =>
    bytes().u64(newDir).u32(flags, 0).string(name).string(newName),
  link: (oldNodeid: Int, name: string): Bytes => bytes().u64(oldNodeid).string(name),
  open: (flags: number, openFlags = 0): Bytes => bytes().u32(flags, openFlags),
  create: (flags: number, mode: number, umask: number, openFlags: number, name: string): Bytes =>
    bytes().u32(flags, mode, umask, openFlags).string(name),
  read: (fh: Int, offset: Int, size: number, readFlags = 0, flags = 0, lockOwner: Int = 0): Bytes =>
    bytes().u64(fh, offset).u32(size, readFlags).u64(lockOwner).u32(flags, 0),
  write: (fh: Int, offset: Int, data: Uint8Array, writeFlags = 0, flags = 0, size = data.byteLength): Bytes =>
    bytes().u64(fh, offset).u32(size, writeFlags).u64(0).u32(flags, 0).raw(data),
  release: (fh: Int, flags: number, releaseFlags: number): Bytes => bytes().u64(fh).u32(flags, releaseFlags).u64(0),
  fsync: (fh: Int, flags: number): Bytes => bytes().u64(fh).u32(flags, 0),
  flush: (fh: Int): Bytes => bytes().u64(fh).u32(0, 0).u64(0),
  setxattr: (name: string, value: Uint8Array, flags: number, size = value.byteLength): Bytes =>
    bytes().u32(size, flags).string(name).raw(value),
  setxattrExt: (name: string, value: Uint8Array, flags: number, extFlags: number): Bytes =>
    bytes().u32(value.byteLength, flags, extFlags, 0).string(name).raw(value),
  getxattr: (size: number, name: string): Bytes => bytes().u32(size, 0).string(name),
  listxattr: (size: number): Bytes => bytes().u32(size, 0),
  init: (major: number, minor: number, maxReadahead: number, flags: number, flags2: number): Bytes =>
    bytes()
      .u32(major, minor, maxReadahead, flags, flags2)
      .u32(...new Array<number>(11).fill(0)),
  initOld: (major: number, minor: number, maxReadahead: number, flags: number): Bytes =>
    bytes().u32(major, minor, maxReadahead, flags),
  lock: (fh: Int, owner: Int, start: Int, end: Int, type: number, pid: number, flags: number): Bytes =>
    bytes().u64(fh, owner, start, end).u32(type, pid, flags, 0),
  access: (mask: number): Bytes => bytes().u32(mask, 0),
  interrupt: (unique: Int): Bytes => bytes().u64(unique),
  bmap: (block: Int, blockSize: number): Bytes => bytes().u64(block).u32(blockSize, 0),
  ioctl: (fh: Int, flags: number, cmd: number, arg: Int, outSize: number, data: Uint8Array): Bytes =>
    bytes().u64(fh).u32(flags, cmd).u64(arg).u32(data.byteLength, outSize).raw(data),
  poll: (fh: Int, kh: Int, flags: number, events: number): Bytes => bytes().u64(fh, kh).u32(flags, events),
  notifyReply: (offset: Int, data: Uint8Array): Bytes =>
    bytes().u64(0, offset).u32(data.byteLength, 0).u64(0, 0).raw(data),
  fallocate: (fh: Int, offset: Int, length: Int, mode: number): Bytes => bytes().u64(fh, offset, length).u32(mode, 0),
  lseek: (fh: Int, offset: Int, whence: number): Bytes => bytes().u64(fh, offset).u32(whence, 0),
  copyFileRange: (fhIn: Int, offIn: Int, nodeidOut: Int, fhOut: Int, offOut: Int, length: Int, flags: Int): Bytes =>
    bytes().u64(fhIn, offIn, nodeidOut, fhOut, offOut, length, flags),
  setupMapping: (fh: Int, fileOffset: Int, length: Int, flags: Int, memoryOffset: Int): Bytes =>
    bytes().u64(fh, fileOffset, length, flags, memoryOffset),
  removeMapping: (items: readonly { memoryOffset: Int; length: Int }[]): Bytes =>
    items.reduce((b, item) => b.u64(item.memoryOffset, item.length), bytes().u32(items.length)),
  syncfs: (): Bytes => bytes().u64(0),
  statx: (flags: number, fh: Int, sxFlags: number, mask: number): Bytes =>
    bytes().u32(flags, 0).u64(fh).u32(sxFlags, mask),
};

/** struct fuse_ext_header of type FUSE_EXT_GROUPS around struct fuse_supp_groups, padded to 8 bytes. */
export function groupExtension(...groups: number[]): Bytes {
  const content = 8 + 4 + groups.length * 4;
  const size = Math.ceil(content / 8) * 8;
  return bytes()
    .u32(size, 32, groups.length, ...groups)
    .raw(new Uint8Array(size - content));
}

/** struct fuse_secctx_header with one struct fuse_secctx, its name and its context. */
export function securityExtension(name: string, context: string): Bytes {
  const one = bytes().u32(context.length, 0).string(name).raw(Buffer.from(context, 'latin1')).done();
  const padded = Math.ceil(one.byteLength / 8) * 8;
  return bytes()
    .u32(8 + padded, 1)
    .raw(one)
    .raw(new Uint8Array(padded - one.byteLength));
}

export interface DecodedAttr {
  ino: bigint;
  size: bigint;
  blocks: bigint;
  atime: bigint;
  mtime: bigint;
  ctime: bigint;
  atimeNsec: number;
  mtimeNsec: number;
  ctimeNsec: number;
  mode: number;
  nlink: number;
  uid: number;
  gid: number;
  rdev: number;
  blksize: number;
  flags: number;
}

export interface DecodedEntry {
  nodeid: bigint;
  generation: bigint;
  entryValid: bigint;
  attrValid: bigint;
  entryValidNsec: number;
  attrValidNsec: number;
  attr: DecodedAttr;
}

export interface DecodedDirent {
  ino: bigint;
  off: bigint;
  type: number;
  name: string;
  entry?: DecodedEntry;
}

/** Reads fields one after another and throws beyond the end. */
export class Fields {
  #at = 0;

  constructor(readonly buffer: Buffer) {}

  get left(): number {
    return this.buffer.byteLength - this.#at;
  }

  u16(): number {
    this.#at += 2;
    return this.buffer.readUInt16LE(this.#at - 2);
  }

  u32(): number {
    this.#at += 4;
    return this.buffer.readUInt32LE(this.#at - 4);
  }

  i32(): number {
    this.#at += 4;
    return this.buffer.readInt32LE(this.#at - 4);
  }

  u64(): bigint {
    this.#at += 8;
    return this.buffer.readBigUInt64LE(this.#at - 8);
  }

  i64(): bigint {
    this.#at += 8;
    return this.buffer.readBigInt64LE(this.#at - 8);
  }

  bytes(length: number): Buffer {
    if (length > this.left) throw new Error(`${length} bytes wanted, ${this.left} left`);
    this.#at += length;
    return this.buffer.subarray(this.#at - length, this.#at);
  }

  attr(): DecodedAttr {
    return {
      ino: this.u64(),
      size: this.u64(),
      blocks: this.u64(),
      atime: this.u64(),
      mtime: this.u64(),
      ctime: this.u64(),
      atimeNsec: this.u32(),
      mtimeNsec: this.u32(),
      ctimeNsec: this.u32(),
      mode: this.u32(),
      nlink: this.u32(),
      uid: this.u32(),
      gid: this.u32(),
      rdev: this.u32(),
      blksize: this.u32(),
      flags: this.u32(),
    };
  }

  entry(): DecodedEntry {
    return {
      nodeid: this.u64(),
      generation: this.u64(),
      entryValid: this.u64(),
      attrValid: this.u64(),
      entryValidNsec: this.u32(),
      attrValidNsec: this.u32(),
      attr: this.attr(),
    };
  }

  /** FUSE_DIRENT_SIZE and FUSE_DIRENTPLUS_SIZE both pad the whole record to 8 bytes. */
  dirents(plus: boolean): DecodedDirent[] {
    const found: DecodedDirent[] = [];
    while (this.left > 0) {
      const entry = plus ? { entry: this.entry() } : {};
      const ino = this.u64();
      const off = this.u64();
      const length = this.u32();
      const type = this.u32();
      const name = this.bytes(length).toString('latin1');
      const pad = this.bytes((8 - (length % 8)) % 8);
      if (pad.some((byte) => byte !== 0)) throw new Error(`padding after ${name} is not clear`);
      found.push({ ino, off, type, name, ...entry });
    }
    return found;
  }
}

export interface DecodedReply {
  length: number;
  error: number;
  unique: bigint;
  payload: Fields;
}

/** struct fuse_out_header; the payload is what follows it. */
export function reply(message: Uint8Array): DecodedReply {
  const buffer = Buffer.from(message);
  const length = buffer.readUInt32LE(0);
  if (length !== buffer.byteLength) throw new Error(`the header says ${length} bytes, ${buffer.byteLength} are here`);
  return {
    length,
    error: buffer.readInt32LE(4),
    unique: buffer.readBigUInt64LE(8),
    payload: new Fields(buffer.subarray(16)),
  };
}
