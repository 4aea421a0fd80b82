// How each request body is read: its smallest size and its parser, one row per opcode.
// Owns field order; knows neither headers nor answers. A parser returns undefined for a body
// whose fields contradict each other; reading too far is the reader's `short`.

import { EXT_GROUPS, EXT_HEADER_SIZE, laterStructs, Opcode, structs } from './abi.js';
import type {
  BatchForgetBody,
  Bodies,
  CopyFileRangeBody,
  CreateBody,
  Creating,
  Empty,
  FallocateBody,
  FsyncBody,
  GetattrBody,
  GetxattrBody,
  InitBody,
  IoctlBody,
  LinkBody,
  LockBody,
  MkdirBody,
  MknodBody,
  NameBody,
  NotifyReplyBody,
  OpenBody,
  ReadBody,
  ReleaseBody,
  RemoveMappingBody,
  RenameBody,
  SetattrBody,
  SetupMappingBody,
  SetxattrBody,
  StatxBody,
  SymlinkBody,
  WriteBody,
} from './bodies.js';
import type { Reader } from './reader.js';

interface Layout {
  readonly setxattrExt: boolean;
}

export interface Row {
  /** Bytes after the header below which no parser is tried. */
  readonly minimum: number;
  body(reader: Reader, layout: Layout): unknown;
  /** Reads the extensions that creating requests carry behind their fields. */
  extend?(body: unknown, reader: Reader): void;
}

type TypedRow<T> = {
  readonly minimum: number;
  body(reader: Reader, layout: Layout): T | undefined;
  extend?(body: T, reader: Reader): void;
};

const empty: Empty = {};
const S = structs;

/** A name: present, terminated, not empty. */
function nonEmpty(text: string): boolean {
  return text !== '';
}

function name(r: Reader): NameBody | undefined {
  const text = r.cstring();
  return nonEmpty(text) ? { name: text } : undefined;
}

/** Parses `fuse_getattr_in` and the like, which begin with a flag word, padding and a handle. */
function getattr(r: Reader): GetattrBody {
  const flags = r.u32();
  r.skip(4);
  return { flags, fh: r.u64() };
}

function setattr(r: Reader): SetattrBody {
  const valid = r.u32();
  r.skip(4);
  const fh = r.u64();
  const size = r.u64();
  const lockOwnerLow = r.u32();
  const lockOwnerHigh = r.u32();
  const atime = r.i64();
  const mtime = r.i64();
  const ctime = r.i64();
  const atimeNsec = r.u32();
  const mtimeNsec = r.u32();
  const ctimeNsec = r.u32();
  const mode = r.u32();
  r.skip(4);
  const uid = r.u32();
  const gid = r.u32();
  return {
    valid,
    fh,
    size,
    lockOwnerLow,
    lockOwnerHigh,
    atime,
    mtime,
    ctime,
    atimeNsec,
    mtimeNsec,
    ctimeNsec,
    mode,
    uid,
    gid,
  };
}

function symlink(r: Reader): SymlinkBody | undefined {
  const body = { name: r.cstring(), target: r.cstring(), suppGroup: undefined };
  return nonEmpty(body.name) && nonEmpty(body.target) ? body : undefined;
}

function mknod(r: Reader): MknodBody | undefined {
  const mode = r.u32();
  const rdev = r.u32();
  const umask = r.u32();
  r.skip(4);
  const text = r.cstring();
  return nonEmpty(text) ? { name: text, mode, rdev, umask, suppGroup: undefined } : undefined;
}

function mkdir(r: Reader): MkdirBody | undefined {
  const mode = r.u32();
  const umask = r.u32();
  const text = r.cstring();
  return nonEmpty(text) ? { name: text, mode, umask, suppGroup: undefined } : undefined;
}

function names(r: Reader, newDir: number, flags: number): RenameBody | undefined {
  const body = { newDir, flags, name: r.cstring(), newName: r.cstring() };
  return nonEmpty(body.name) && nonEmpty(body.newName) ? body : undefined;
}

function rename2(r: Reader): RenameBody | undefined {
  const newDir = r.u64();
  const flags = r.u32();
  r.skip(4);
  return names(r, newDir, flags);
}

function link(r: Reader): LinkBody | undefined {
  const body = { oldNodeid: r.u64(), name: r.cstring() };
  return nonEmpty(body.name) ? body : undefined;
}

function open(r: Reader): OpenBody {
  return { flags: r.u32(), openFlags: r.u32() };
}

function create(r: Reader): CreateBody | undefined {
  const body = {
    flags: r.u32(),
    mode: r.u32(),
    umask: r.u32(),
    openFlags: r.u32(),
    name: r.cstring(),
    suppGroup: undefined,
  };
  return nonEmpty(body.name) ? body : undefined;
}

function read(r: Reader): ReadBody {
  const fh = r.u64();
  const offset = r.u64();
  const size = r.u32();
  const readFlags = r.u32();
  r.skip(8);
  return { fh, offset, size, readFlags, flags: r.u32() };
}

function write(r: Reader): WriteBody {
  const fh = r.u64();
  const offset = r.u64();
  const size = r.u32();
  const writeFlags = r.u32();
  r.skip(8);
  const flags = r.u32();
  r.skip(4);
  return { fh, offset, size, writeFlags, flags, data: r.bytes(size) };
}

function release(r: Reader): ReleaseBody {
  return { fh: r.u64(), flags: r.u32(), releaseFlags: r.u32() };
}

function fsync(r: Reader): FsyncBody {
  return { fh: r.u64(), fsyncFlags: r.u32() };
}

function setxattr(r: Reader, layout: Layout): SetxattrBody | undefined {
  const size = r.u32();
  const flags = r.u32();
  const extFlags = layout.setxattrExt ? r.u32() : 0;
  if (layout.setxattrExt) r.skip(4);
  const text = r.cstring();
  const value = r.bytes(size);
  return nonEmpty(text) ? { name: text, value, flags, extFlags } : undefined;
}

function getxattr(r: Reader): GetxattrBody | undefined {
  const size = r.u32();
  r.skip(4);
  const text = r.cstring();
  return nonEmpty(text) ? { name: text, size } : undefined;
}

/** Grew with the protocol: a kernel sends as many fields as it knows. */
function init(r: Reader): InitBody {
  const major = r.u32();
  const minor = r.u32();
  const maxReadahead = r.remaining >= 4 ? r.u32() : 0;
  const flags = r.remaining >= 4 ? r.u32() : 0;
  const flags2 = r.remaining >= 4 ? r.u32() : 0;
  return { major, minor, maxReadahead, flags, flags2 };
}

function lock(r: Reader): LockBody {
  return {
    fh: r.u64(),
    ownerLow: r.u32(),
    ownerHigh: r.u32(),
    start: r.u64Saturated(),
    end: r.u64Saturated(),
    type: r.u32(),
    pid: r.u32(),
    lockFlags: r.u32(),
  };
}

function ioctl(r: Reader): IoctlBody {
  const fh = r.u64();
  const flags = r.u32();
  const cmd = r.u32();
  const arg = r.u64Saturated();
  const inSize = r.u32();
  const outSize = r.u32();
  return { fh, flags, cmd, arg, inSize, outSize, data: r.bytes(inSize) };
}

function notifyReply(r: Reader): NotifyReplyBody {
  r.skip(8);
  const offset = r.u64();
  const size = r.u32();
  r.skip(20);
  return { offset, size, data: r.bytes(size) };
}

/** The count is believed only as far as there are bytes behind it. */
function batchForget(r: Reader): BatchForgetBody {
  const count = r.u32();
  r.skip(4);
  const items: { nodeid: number; nlookup: number }[] = [];
  if (count * S.fuse_forget_one.size > r.remaining) r.short = true;
  else for (let i = 0; i < count; i += 1) items.push({ nodeid: r.u64(), nlookup: r.u64() });
  return { items };
}

function removeMapping(r: Reader): RemoveMappingBody {
  const count = r.u32();
  const items: { memoryOffset: number; length: number }[] = [];
  if (count * S.fuse_removemapping_one.size > r.remaining) r.short = true;
  else for (let i = 0; i < count; i += 1) items.push({ memoryOffset: r.u64Saturated(), length: r.u64Saturated() });
  return { items };
}

function fallocate(r: Reader): FallocateBody {
  return { fh: r.u64(), offset: r.u64(), length: r.u64Saturated(), mode: r.u32() };
}

function copyFileRange(r: Reader): CopyFileRangeBody {
  return {
    fhIn: r.u64(),
    offIn: r.u64(),
    nodeidOut: r.u64(),
    fhOut: r.u64(),
    offOut: r.u64(),
    length: r.u64Saturated(),
    flags: r.u32(),
  };
}

function setupMapping(r: Reader): SetupMappingBody {
  return {
    fh: r.u64(),
    fileOffset: r.u64(),
    length: r.u64Saturated(),
    flags: r.u64Saturated(),
    memoryOffset: r.u64Saturated(),
  };
}

function statx(r: Reader): StatxBody {
  const flags = r.u32();
  r.skip(4);
  return { flags, fh: r.u64(), sxFlags: r.u32(), mask: r.u32() };
}

/**
 * Walks {size, type} records, each padded to 8 bytes. Security contexts come first and are
 * skipped: their type is a count. The kernel sends at most one supplementary group.
 */
function extensions(body: Creating, r: Reader): void {
  while (r.remaining >= EXT_HEADER_SIZE && !r.short) {
    const size = r.u32();
    const type = r.u32();
    const rest = ((size + 7) & ~7) - EXT_HEADER_SIZE;
    if (size < EXT_HEADER_SIZE || rest > r.remaining) {
      r.short = true;
      return;
    }
    const next = r.at + rest;
    if (type === EXT_GROUPS && rest >= 8 && r.u32() > 0) body.suppGroup = r.u32();
    r.skip(next - r.at);
  }
}

const nothing = (): Empty => empty;

/** One row per opcode. The smallest sizes count the fixed part and, per name, one byte and its NUL. */
const rows: { readonly [K in keyof Bodies]: TypedRow<Bodies[K]> } = {
  [Opcode.LOOKUP]: { minimum: 1, body: name },
  [Opcode.FORGET]: { minimum: S.fuse_forget_in.size, body: (r) => ({ nlookup: r.u64() }) },
  [Opcode.GETATTR]: { minimum: S.fuse_getattr_in.size, body: getattr },
  [Opcode.SETATTR]: { minimum: S.fuse_setattr_in.size, body: setattr },
  [Opcode.READLINK]: { minimum: 0, body: nothing },
  [Opcode.SYMLINK]: { minimum: 2, body: symlink, extend: extensions },
  [Opcode.MKNOD]: { minimum: S.fuse_mknod_in.size + 1, body: mknod, extend: extensions },
  [Opcode.MKDIR]: { minimum: S.fuse_mkdir_in.size + 1, body: mkdir, extend: extensions },
  [Opcode.UNLINK]: { minimum: 1, body: name },
  [Opcode.RMDIR]: { minimum: 1, body: name },
  [Opcode.RENAME]: { minimum: S.fuse_rename_in.size + 2, body: (r) => names(r, r.u64(), 0) },
  [Opcode.LINK]: { minimum: S.fuse_link_in.size + 1, body: link },
  [Opcode.OPEN]: { minimum: S.fuse_open_in.size, body: open },
  [Opcode.READ]: { minimum: S.fuse_read_in.size, body: read },
  [Opcode.WRITE]: { minimum: S.fuse_write_in.size, body: write },
  [Opcode.STATFS]: { minimum: 0, body: nothing },
  [Opcode.RELEASE]: { minimum: S.fuse_release_in.size, body: release },
  [Opcode.FSYNC]: { minimum: S.fuse_fsync_in.size, body: fsync },
  [Opcode.SETXATTR]: { minimum: 8, body: setxattr },
  [Opcode.GETXATTR]: { minimum: S.fuse_getxattr_in.size + 1, body: getxattr },
  [Opcode.LISTXATTR]: { minimum: S.fuse_getxattr_in.size, body: (r) => ({ size: r.u32() }) },
  [Opcode.REMOVEXATTR]: { minimum: 1, body: name },
  [Opcode.FLUSH]: { minimum: S.fuse_flush_in.size, body: (r) => ({ fh: r.u64() }) },
  [Opcode.INIT]: { minimum: 8, body: init },
  [Opcode.OPENDIR]: { minimum: S.fuse_open_in.size, body: open },
  [Opcode.READDIR]: { minimum: S.fuse_read_in.size, body: read },
  [Opcode.RELEASEDIR]: { minimum: S.fuse_release_in.size, body: release },
  [Opcode.FSYNCDIR]: { minimum: S.fuse_fsync_in.size, body: fsync },
  [Opcode.GETLK]: { minimum: S.fuse_lk_in.size, body: lock },
  [Opcode.SETLK]: { minimum: S.fuse_lk_in.size, body: lock },
  [Opcode.SETLKW]: { minimum: S.fuse_lk_in.size, body: lock },
  [Opcode.ACCESS]: { minimum: S.fuse_access_in.size, body: (r) => ({ mask: r.u32() }) },
  [Opcode.CREATE]: { minimum: S.fuse_create_in.size + 1, body: create, extend: extensions },
  [Opcode.INTERRUPT]: {
    minimum: S.fuse_interrupt_in.size,
    body: (r) => ({ targetLow: r.u32(), targetHigh: r.u32() }),
  },
  [Opcode.BMAP]: { minimum: S.fuse_bmap_in.size, body: (r) => ({ block: r.u64(), blockSize: r.u32() }) },
  [Opcode.DESTROY]: { minimum: 0, body: nothing },
  [Opcode.IOCTL]: { minimum: S.fuse_ioctl_in.size, body: ioctl },
  [Opcode.POLL]: {
    minimum: S.fuse_poll_in.size,
    body: (r) => ({ fh: r.u64(), khLow: r.u32(), khHigh: r.u32(), flags: r.u32(), events: r.u32() }),
  },
  [Opcode.NOTIFY_REPLY]: { minimum: S.fuse_notify_retrieve_in.size, body: notifyReply },
  [Opcode.BATCH_FORGET]: { minimum: S.fuse_batch_forget_in.size, body: batchForget },
  [Opcode.FALLOCATE]: { minimum: S.fuse_fallocate_in.size, body: fallocate },
  [Opcode.READDIRPLUS]: { minimum: S.fuse_read_in.size, body: read },
  [Opcode.RENAME2]: { minimum: S.fuse_rename2_in.size + 2, body: rename2 },
  [Opcode.LSEEK]: {
    minimum: S.fuse_lseek_in.size,
    body: (r) => ({ fh: r.u64(), offset: r.i64(), whence: r.u32() }),
  },
  [Opcode.COPY_FILE_RANGE]: { minimum: S.fuse_copy_file_range_in.size, body: copyFileRange },
  [Opcode.SETUPMAPPING]: { minimum: S.fuse_setupmapping_in.size, body: setupMapping },
  [Opcode.REMOVEMAPPING]: { minimum: S.fuse_removemapping_in.size, body: removeMapping },
  [Opcode.SYNCFS]: { minimum: S.fuse_syncfs_in.size, body: nothing },
  [Opcode.TMPFILE]: { minimum: S.fuse_create_in.size + 1, body: create, extend: extensions },
  [Opcode.STATX]: { minimum: laterStructs.fuse_statx_in.size, body: statx },
  [Opcode.COPY_FILE_RANGE_64]: { minimum: S.fuse_copy_file_range_in.size, body: copyFileRange },
};

function byOpcode(): readonly (Row | undefined)[] {
  const table: (Row | undefined)[] = [];
  for (const [opcode, row] of Object.entries(rows)) table[Number(opcode)] = row as Row;
  return table;
}

/** The rows by opcode number. */
export const parsers = byOpcode();
