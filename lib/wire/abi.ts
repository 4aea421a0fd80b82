// The FUSE kernel protocol up to 7.45 as tables: opcodes, flags, struct layouts, limits.
// Owns numbers only; knows nothing of what a request means or of how it is answered.
// Struct and field names are those of <linux/fuse.h>, so that a C program can check every row.

export const MAJOR = 7;
export const MINOR = 45;
/** Before 7.12 mknod and create have no umask, before 7.9 most structs are smaller; refused at INIT. */
export const OLDEST_MINOR = 12;

export const ROOT_NODEID = 1;
/** The uid or gid the kernel sends for "no caller id" (idmapped mounts, requests of its own). */
export const INVALID_ID = 0xffff_ffff;

export const Opcode = {
  LOOKUP: 1,
  FORGET: 2,
  GETATTR: 3,
  SETATTR: 4,
  READLINK: 5,
  SYMLINK: 6,
  MKNOD: 8,
  MKDIR: 9,
  UNLINK: 10,
  RMDIR: 11,
  RENAME: 12,
  LINK: 13,
  OPEN: 14,
  READ: 15,
  WRITE: 16,
  STATFS: 17,
  RELEASE: 18,
  FSYNC: 20,
  SETXATTR: 21,
  GETXATTR: 22,
  LISTXATTR: 23,
  REMOVEXATTR: 24,
  FLUSH: 25,
  INIT: 26,
  OPENDIR: 27,
  READDIR: 28,
  RELEASEDIR: 29,
  FSYNCDIR: 30,
  GETLK: 31,
  SETLK: 32,
  SETLKW: 33,
  ACCESS: 34,
  CREATE: 35,
  INTERRUPT: 36,
  BMAP: 37,
  DESTROY: 38,
  IOCTL: 39,
  POLL: 40,
  NOTIFY_REPLY: 41,
  BATCH_FORGET: 42,
  FALLOCATE: 43,
  READDIRPLUS: 44,
  RENAME2: 45,
  LSEEK: 46,
  COPY_FILE_RANGE: 47,
  SETUPMAPPING: 48,
  REMOVEMAPPING: 49,
  SYNCFS: 50,
  TMPFILE: 51,
  STATX: 52,
  COPY_FILE_RANGE_64: 53,
} as const;

export type OpcodeName = keyof typeof Opcode;
export type OpcodeValue = (typeof Opcode)[OpcodeName];

const opcodeNames = new Map<number, OpcodeName>(
  Object.entries(Opcode).map(([name, code]) => [code, name as OpcodeName]),
);

/** `LOOKUP` for 1; `OP99` for a number this protocol version does not know. */
export function opcodeName(opcode: number): string {
  return opcodeNames.get(opcode) ?? `OP${opcode}`;
}

/** One INIT flag: `bit` within `flags` (word 0) or within `flags2` (word 1, bits 32..63). */
export interface FlagBit {
  readonly word: 0 | 1;
  readonly bit: number;
}

function flag(position: number): FlagBit {
  return { word: position < 32 ? 0 : 1, bit: (1 << (position % 32)) >>> 0 };
}

export const InitFlag = {
  ASYNC_READ: flag(0),
  POSIX_LOCKS: flag(1),
  FILE_OPS: flag(2),
  ATOMIC_O_TRUNC: flag(3),
  EXPORT_SUPPORT: flag(4),
  BIG_WRITES: flag(5),
  DONT_MASK: flag(6),
  SPLICE_WRITE: flag(7),
  SPLICE_MOVE: flag(8),
  SPLICE_READ: flag(9),
  FLOCK_LOCKS: flag(10),
  HAS_IOCTL_DIR: flag(11),
  AUTO_INVAL_DATA: flag(12),
  DO_READDIRPLUS: flag(13),
  READDIRPLUS_AUTO: flag(14),
  ASYNC_DIO: flag(15),
  WRITEBACK_CACHE: flag(16),
  NO_OPEN_SUPPORT: flag(17),
  PARALLEL_DIROPS: flag(18),
  HANDLE_KILLPRIV: flag(19),
  POSIX_ACL: flag(20),
  ABORT_ERROR: flag(21),
  MAX_PAGES: flag(22),
  CACHE_SYMLINKS: flag(23),
  NO_OPENDIR_SUPPORT: flag(24),
  EXPLICIT_INVAL_DATA: flag(25),
  MAP_ALIGNMENT: flag(26),
  SUBMOUNTS: flag(27),
  HANDLE_KILLPRIV_V2: flag(28),
  SETXATTR_EXT: flag(29),
  INIT_EXT: flag(30),
  INIT_RESERVED: flag(31),
  SECURITY_CTX: flag(32),
  HAS_INODE_DAX: flag(33),
  CREATE_SUPP_GROUP: flag(34),
  HAS_EXPIRE_ONLY: flag(35),
  DIRECT_IO_ALLOW_MMAP: flag(36),
  PASSTHROUGH: flag(37),
  NO_EXPORT_SUPPORT: flag(38),
  HAS_RESEND: flag(39),
  ALLOW_IDMAP: flag(40),
  OVER_IO_URING: flag(41),
  REQUEST_TIMEOUT: flag(42),
} as const satisfies Record<string, FlagBit>;

export type InitFlagName = keyof typeof InitFlag;

/** Bits of `fuse_open_out.open_flags`. */
export const OpenFlag = {
  DIRECT_IO: 1 << 0,
  KEEP_CACHE: 1 << 1,
  NONSEEKABLE: 1 << 2,
  CACHE_DIR: 1 << 3,
  STREAM: 1 << 4,
  NOFLUSH: 1 << 5,
  PARALLEL_DIRECT_WRITES: 1 << 6,
  PASSTHROUGH: 1 << 7,
} as const;

/** Bits of `fuse_setattr_in.valid`. */
export const SetattrValid = {
  MODE: 1,
  UID: 2,
  GID: 4,
  SIZE: 8,
  ATIME: 16,
  MTIME: 32,
  FH: 64,
  ATIME_NOW: 128,
  MTIME_NOW: 256,
  LOCKOWNER: 512,
  CTIME: 1024,
  KILL_SUIDGID: 2048,
} as const;

/** The small per-request flag words. */
export const GETATTR_FH = 1;
export const RELEASE_FLUSH = 1;
export const RELEASE_FLOCK_UNLOCK = 2;
export const LK_FLOCK = 1;
export const WRITE_CACHE = 1;
export const WRITE_LOCKOWNER = 2;
export const WRITE_KILL_SUIDGID = 4;
export const READ_LOCKOWNER = 2;
export const FSYNC_FDATASYNC = 1;
export const OPEN_KILL_SUIDGID = 1;
export const SETXATTR_ACL_KILL_SGID = 1;
export const EXPIRE_ONLY = 1;
export const POLL_SCHEDULE_NOTIFY = 1;

export const IoctlFlag = {
  COMPAT: 1 << 0,
  UNRESTRICTED: 1 << 1,
  RETRY: 1 << 2,
  BITS32: 1 << 3,
  DIR: 1 << 4,
  COMPAT_X32: 1 << 5,
} as const;

export const NotifyCode = {
  POLL: 1,
  INVAL_INODE: 2,
  INVAL_ENTRY: 3,
  STORE: 4,
  RETRIEVE: 5,
  DELETE: 6,
  RESEND: 7,
  INC_EPOCH: 8,
  PRUNE: 9,
} as const;

/** `fuse_ext_header.type`: up to MAX_NR_SECCTX it is the number of security contexts that follow. */
export const EXT_MAX_NR_SECCTX = 31;
export const EXT_GROUPS = 32;
export const EXT_HEADER_SIZE = 8;

/** Bit 63 of `unique`, here bit 31 of its high word: this request was sent before (NOTIFY_RESEND). */
export const UNIQUE_RESEND_HIGH = 0x8000_0000;

export const IN_HEADER_SIZE = 40;
export const OUT_HEADER_SIZE = 16;
export const PAGE_SIZE = 4096;
/** What the kernel assumes for a request when MAX_PAGES is not agreed. */
export const DEFAULT_MAX_PAGES = 32;
/** The kernel's default `fs.fuse.max_pages_limit`; a larger wish is cut down by the kernel. */
export const MAX_MAX_PAGES = 256;
export const MIN_READ_BUFFER = 8192;
/** Longer names in a directory listing must never reach the kernel (CVE-2026-31694). */
export const NAME_MAX = 255;
/** More levels of stacked filesystems below a passthrough mount than the kernel accepts. */
export const MAX_STACK_DEPTH = 2;

/** Layouts that /usr/include/linux/fuse.h 7.38 also has: `size`, then the offset of each field. */
export const structs = {
  fuse_in_header: { size: 40, len: 0, opcode: 4, unique: 8, nodeid: 16, uid: 24, gid: 28, pid: 32, total_extlen: 36 },
  fuse_out_header: { size: 16, len: 0, error: 4, unique: 8 },
  fuse_attr: {
    size: 88,
    ino: 0,
    size_: 8,
    blocks: 16,
    atime: 24,
    mtime: 32,
    ctime: 40,
    atimensec: 48,
    mtimensec: 52,
    ctimensec: 56,
    mode: 60,
    nlink: 64,
    uid: 68,
    gid: 72,
    rdev: 76,
    blksize: 80,
    flags: 84,
  },
  fuse_entry_out: {
    size: 128,
    nodeid: 0,
    generation: 8,
    entry_valid: 16,
    attr_valid: 24,
    entry_valid_nsec: 32,
    attr_valid_nsec: 36,
    attr: 40,
  },
  fuse_attr_out: { size: 104, attr_valid: 0, attr_valid_nsec: 8, attr: 16 },
  fuse_kstatfs: {
    size: 80,
    blocks: 0,
    bfree: 8,
    bavail: 16,
    files: 24,
    ffree: 32,
    bsize: 40,
    namelen: 44,
    frsize: 48,
  },
  fuse_file_lock: { size: 24, start: 0, end: 8, type: 16, pid: 20 },
  fuse_forget_in: { size: 8, nlookup: 0 },
  fuse_forget_one: { size: 16, nodeid: 0, nlookup: 8 },
  fuse_batch_forget_in: { size: 8, count: 0 },
  fuse_getattr_in: { size: 16, getattr_flags: 0, fh: 8 },
  fuse_mknod_in: { size: 16, mode: 0, rdev: 4, umask: 8 },
  fuse_mkdir_in: { size: 8, mode: 0, umask: 4 },
  fuse_rename_in: { size: 8, newdir: 0 },
  fuse_rename2_in: { size: 16, newdir: 0, flags: 8 },
  fuse_link_in: { size: 8, oldnodeid: 0 },
  fuse_setattr_in: {
    size: 88,
    valid: 0,
    fh: 8,
    size_: 16,
    lock_owner: 24,
    atime: 32,
    mtime: 40,
    ctime: 48,
    atimensec: 56,
    mtimensec: 60,
    ctimensec: 64,
    mode: 68,
    uid: 76,
    gid: 80,
  },
  fuse_open_in: { size: 8, flags: 0, open_flags: 4 },
  fuse_create_in: { size: 16, flags: 0, mode: 4, umask: 8, open_flags: 12 },
  fuse_open_out: { size: 16, fh: 0, open_flags: 8 },
  fuse_release_in: { size: 24, fh: 0, flags: 8, release_flags: 12, lock_owner: 16 },
  fuse_flush_in: { size: 24, fh: 0, lock_owner: 16 },
  fuse_read_in: { size: 40, fh: 0, offset: 8, size_: 16, read_flags: 20, lock_owner: 24, flags: 32 },
  fuse_write_in: { size: 40, fh: 0, offset: 8, size_: 16, write_flags: 20, lock_owner: 24, flags: 32 },
  fuse_write_out: { size: 8, size_: 0 },
  fuse_statfs_out: { size: 80, st: 0 },
  fuse_fsync_in: { size: 16, fh: 0, fsync_flags: 8 },
  fuse_setxattr_in: { size: 16, size_: 0, flags: 4, setxattr_flags: 8 },
  fuse_getxattr_in: { size: 8, size_: 0 },
  fuse_getxattr_out: { size: 8, size_: 0 },
  fuse_lk_in: { size: 48, fh: 0, owner: 8, lk: 16, lk_flags: 40 },
  fuse_lk_out: { size: 24, lk: 0 },
  fuse_access_in: { size: 8, mask: 0 },
  fuse_init_in: { size: 64, major: 0, minor: 4, max_readahead: 8, flags: 12, flags2: 16 },
  fuse_init_out: {
    size: 64,
    major: 0,
    minor: 4,
    max_readahead: 8,
    flags: 12,
    max_background: 16,
    congestion_threshold: 18,
    max_write: 20,
    time_gran: 24,
    max_pages: 28,
    map_alignment: 30,
    flags2: 32,
  },
  fuse_interrupt_in: { size: 8, unique: 0 },
  fuse_bmap_in: { size: 16, block: 0, blocksize: 8 },
  fuse_bmap_out: { size: 8, block: 0 },
  fuse_ioctl_in: { size: 32, fh: 0, flags: 8, cmd: 12, arg: 16, in_size: 24, out_size: 28 },
  fuse_ioctl_out: { size: 16, result: 0, flags: 4, in_iovs: 8, out_iovs: 12 },
  fuse_poll_in: { size: 24, fh: 0, kh: 8, flags: 16, events: 20 },
  fuse_poll_out: { size: 8, revents: 0 },
  fuse_fallocate_in: { size: 32, fh: 0, offset: 8, length: 16, mode: 24 },
  fuse_lseek_in: { size: 24, fh: 0, offset: 8, whence: 16 },
  fuse_lseek_out: { size: 8, offset: 0 },
  fuse_copy_file_range_in: {
    size: 56,
    fh_in: 0,
    off_in: 8,
    nodeid_out: 16,
    fh_out: 24,
    off_out: 32,
    len: 40,
    flags: 48,
  },
  fuse_setupmapping_in: { size: 40, fh: 0, foffset: 8, len: 16, flags: 24, moffset: 32 },
  fuse_removemapping_in: { size: 4, count: 0 },
  fuse_removemapping_one: { size: 16, moffset: 0, len: 8 },
  fuse_syncfs_in: { size: 8 },
  fuse_secctx: { size: 8, size_: 0 },
  fuse_secctx_header: { size: 8, size_: 0, nr_secctx: 4 },
  fuse_ext_header: { size: 8, size_: 0, type: 4 },
  fuse_dirent: { size: 24, ino: 0, off: 8, namelen: 16, type: 20, name: 24 },
  fuse_direntplus: { size: 152, entry_out: 0, dirent: 128 },
  fuse_notify_inval_inode_out: { size: 24, ino: 0, off: 8, len: 16 },
  fuse_notify_inval_entry_out: { size: 16, parent: 0, namelen: 8, flags: 12 },
  fuse_notify_delete_out: { size: 24, parent: 0, child: 8, namelen: 16 },
  fuse_notify_store_out: { size: 24, nodeid: 0, offset: 8, size_: 16 },
  fuse_notify_retrieve_out: { size: 32, notify_unique: 0, nodeid: 8, offset: 16, size_: 24 },
  fuse_notify_retrieve_in: { size: 40, offset: 8, size_: 16 },
} as const;

/** Layouts, and fields of the layouts above, that came with 7.39 and later. */
export const laterStructs = {
  fuse_init_out: { size: 64, max_stack_depth: 36, request_timeout: 40 },
  fuse_open_out: { size: 16, backing_id: 12 },
  fuse_supp_groups: { size: 4, nr_groups: 0, groups: 4 },
  fuse_statx_in: { size: 24, getattr_flags: 0, fh: 8, sx_flags: 16, sx_mask: 20 },
  fuse_statx_out: { size: 288, attr_valid: 0, attr_valid_nsec: 8, flags: 12, stat: 32 },
  fuse_statx: {
    size: 256,
    mask: 0,
    blksize: 4,
    attributes: 8,
    nlink: 16,
    uid: 20,
    gid: 24,
    mode: 28,
    ino: 32,
    size_: 40,
    blocks: 48,
    attributes_mask: 56,
    atime: 64,
    btime: 80,
    ctime: 96,
    mtime: 112,
    rdev_major: 128,
    rdev_minor: 132,
    dev_major: 136,
    dev_minor: 140,
  },
  fuse_copy_file_range_out: { size: 8, bytes_copied: 0 },
  fuse_notify_prune_out: { size: 16, count: 0 },
} as const;
