// Linux numbers that the tests speak and the driver's own constants do not hold, and the names of
// the errnos. Independent of lib/ on purpose: a wrong constant there must not hide itself here.

import { constants } from 'node:os';

export const AT_FDCWD = -100;
export const AT_SYMLINK_NOFOLLOW = 0x100;
export const AT_SYMLINK_FOLLOW = 0x400;
export const AT_EMPTY_PATH = 0x1000;

export const O = {
  RDONLY: 0,
  WRONLY: 1,
  RDWR: 2,
  CREAT: 0o100,
  EXCL: 0o200,
  TRUNC: 0o1000,
  APPEND: 0o2000,
  NONBLOCK: 0o4000,
  DIRECT: process.arch === 'arm64' ? 0o200000 : 0o40000,
  DIRECTORY: process.arch === 'arm64' ? 0o40000 : 0o200000,
  NOFOLLOW: process.arch === 'arm64' ? 0o100000 : 0o400000,
  NOATIME: 0o1000000,
  CLOEXEC: 0o2000000,
  SYNC: 0o4010000,
  PATH: 0o10000000,
  TMPFILE: 0o20000000 | (process.arch === 'arm64' ? 0o40000 : 0o200000),
} as const;

export const S = {
  IFMT: 0o170000,
  IFSOCK: 0o140000,
  IFLNK: 0o120000,
  IFREG: 0o100000,
  IFBLK: 0o060000,
  IFDIR: 0o040000,
  IFCHR: 0o020000,
  IFIFO: 0o010000,
} as const;

export const RENAME = { NOREPLACE: 1, EXCHANGE: 2, WHITEOUT: 4 } as const;
export const XATTR = { CREATE: 1, REPLACE: 2 } as const;
export const FALLOC = { KEEP_SIZE: 1, PUNCH_HOLE: 2, COLLAPSE: 8, ZERO_RANGE: 16, INSERT: 32 } as const;
export const SEEK = { SET: 0, CUR: 1, END: 2, DATA: 3, HOLE: 4 } as const;
export const LOCK = { SH: 1, EX: 2, NB: 4, UN: 8 } as const;
export const F = { GETLK: 5, SETLK: 6, SETLKW: 7, RDLCK: 0, WRLCK: 1, UNLCK: 2 } as const;
export const F_OFD_SETLK = 37;
export const PROT = { READ: 1, WRITE: 2, EXEC: 4 } as const;
export const MAP = { SHARED: 1, PRIVATE: 2 } as const;
export const UTIME = { NOW: 0x3fffffff, OMIT: 0x3ffffffe } as const;
export const ACCESS = { F: 0, X: 1, W: 2, R: 4 } as const;
export const FS_FLAGS = { IMMUTABLE: 0x10, APPEND: 0x20, NODUMP: 0x40, NOATIME: 0x80 } as const;
export const STATX_BTIME = 0x800;

const byCode = new Map<number, string>();
for (const [name, code] of Object.entries(constants.errno)) {
  if (!byCode.has(code)) byCode.set(code, name);
}
byCode.set(95, 'EOPNOTSUPP');
byCode.set(11, 'EAGAIN');
byCode.set(116, 'ESTALE');

/** A syscall's result as people read it: the number, or the errno's name. */
export function shownResult(result: number): string | number {
  return result < 0 ? (byCode.get(-result) ?? `E${-result}`) : result;
}
