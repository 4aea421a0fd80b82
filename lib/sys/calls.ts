// The mechanism the driver stands on: Linux calls with ints in and >= 0 or -errno out, nothing
// thrown for an errno. Names are latin1 byte strings, one component, relative to a directory fd.

import type { Examined } from './examined.js';
import type { Stat } from './stat.js';

/** Names of a directory; `-errno` instead when it could not be read. */
export interface DirScan {
  /** Byte names, `.` and `..` left out, in host order. */
  readonly names: string[];
  /** d_type of each name. */
  readonly types: Uint8Array;
  /** d_ino of each name, two words each, low first. */
  readonly inos: Uint32Array;
}

/** Filesystem numbers as FUSE wants them: blocks in frsize units. */
export interface FsStat {
  readonly type: number;
  readonly bsize: number;
  readonly frsize: number;
  readonly blocks: number;
  readonly bfree: number;
  readonly bavail: number;
  readonly files: number;
  readonly ffree: number;
  readonly namelen: number;
  /** ST_* of the mount behind the descriptor. */
  readonly flags: number;
}

/** A host file handle (name_to_handle_at). */
export interface HostHandle {
  readonly type: number;
  readonly bytes: Uint8Array;
}

/**
 * The calls. `name` may be '' where noted: the descriptor itself (AT_EMPTY_PATH). All opens are
 * O_CLOEXEC; none follows a final symlink; `openAt` refuses to cross a mount (EXDEV).
 */
export interface SingleCalls {
  /** By path; for layer roots and the mountpoint only. Follows symlinks. */
  openPath(path: string, flags: number): number;
  /** Private clone of the mount at `path`, submounts left out: open_tree(2) + MS_PRIVATE, with MOUNT_ATTR_* set and cleared. */
  cloneMount(path: string, set: number, clear: number): number;
  openAt(dirfd: number, name: string, flags: number, mode: number): number;
  /** A new open file of the inode behind `fd` (O_PATH allowed), by /proc/self/fd. */
  reopen(fd: number, flags: number): number;
  close(fd: number): number;
  dup(fd: number): number;
  /** statx of `name` ('' allowed) without following; fills `out`. */
  statAt(dirfd: number, name: string, out: Stat): number;
  /** Fills `out` with one record of STAT_WORDS per name; results[i] is 0 or -errno. */
  statMany(dirfd: number, names: readonly string[], out: Uint32Array, results: Int32Array): number;
  /** From the start, to the end, or until there are `most` names and some more. */
  scanDir(fd: number, most?: number): DirScan | number;
  /** From where the last one ended; no names: that was the end. */
  scanOn(fd: number, most?: number): DirScan | number;
  /**
   * All records of getdents64 into `into` from `at` on, for mergeNames, and how many bytes these are; E2BIG when they do not
   * fit, EOPNOTSUPP where what the host says is not what is shown. `told`: how many names, and whether one of them is `mark`.
   */
  readNames(fd: number, into: Uint8Array, at: number, mark: string, told: Uint32Array): number;
  statFs(fd: number): FsStat | number;
  readlinkAt(dirfd: number, name: string): string | number;
  mkdirAt(dirfd: number, name: string, mode: number): number;
  mknodAt(dirfd: number, name: string, mode: number, rdev: number): number;
  symlinkAt(target: string, dirfd: number, name: string): number;
  /** `oldName` '' links the inode behind `oldFd` (AT_EMPTY_PATH, else /proc/self/fd). */
  linkAt(oldFd: number, oldName: string, dirfd: number, name: string): number;
  unlinkAt(dirfd: number, name: string, flags: number): number;
  renameAt(oldFd: number, oldName: string, newFd: number, newName: string, flags: number): number;
  /** Never follows; a symlink gives EOPNOTSUPP. `name` '' allowed (O_PATH too). */
  chmodAt(dirfd: number, name: string, mode: number): number;
  /** `uid`, `gid` 0xffffffff leave that one alone. `name` '' allowed. */
  chownAt(dirfd: number, name: string, uid: number, gid: number): number;
  /** Seconds may be negative; nanoseconds may be UTIME_NOW or UTIME_OMIT. `name` '' allowed. */
  utimensAt(dirfd: number, name: string, asec: number, ansec: number, msec: number, mnsec: number): number;
  ftruncate(fd: number, size: number): number;
  fallocate(fd: number, mode: number, offset: number, length: number): number;
  lseek(fd: number, offset: number, whence: number): number;
  pread(fd: number, into: Uint8Array, offset: number): number;
  pwrite(fd: number, from: Uint8Array, offset: number): number;
  fsync(fd: number, dataOnly: boolean): number;
  /** Begins to write a file's data out, and does not wait (sync_file_range). */
  startWriteBack(fd: number): number;
  /** Writes a file's data out and waits for the device, not for the journal (sync_file_range). */
  orderData(fd: number): number;
  syncfs(fd: number): number;
  flock(fd: number, operation: number): number;
  /** A shared lock of one byte that lasts as long as `fd` (F_OFD_SETLK). */
  lockByte(fd: number, at: number): number;
  /** 1 if another open file holds that byte locked, else 0. */
  isByteLocked(fd: number, at: number): number;
  /** FICLONE: shares all of `from`'s extents with `to`. */
  clone(from: number, to: number): number;
  copyRange(from: number, fromOffset: number, to: number, toOffset: number, length: number): number;
  /** Copies `size` bytes of data, holes kept, on this thread. 0 or -errno. */
  copyData(from: number, to: number, size: number): number;
  /** Reads FS_IOC_GETFLAGS bits, or -errno. */
  getFlags(fd: number): number;
  setFlags(fd: number, flags: number): number;
  /** FS_IOC_FSGETXATTR raw struct (28 bytes), or -errno. */
  getFsx(fd: number): Uint8Array | number;
  setFsx(fd: number, raw: Uint8Array): number;
  /** The value, or -errno. `name` is the file ('' allowed), never followed. */
  getXattr(dirfd: number, name: string, key: string): Uint8Array | number;
  setXattr(dirfd: number, name: string, key: string, value: Uint8Array, flags: number): number;
  removeXattr(dirfd: number, name: string, key: string): number;
  listXattr(dirfd: number, name: string): string[] | number;
  nameToHandle(dirfd: number, name: string): HostHandle | number;
  /** Opens by handle inside the filesystem of `mountFd`; needs CAP_DAC_READ_SEARCH. */
  openHandle(mountFd: number, handle: HostHandle, flags: number): number;
  /** 16 bytes of the filesystem's uuid (FS_IOC_GETFSUUID), or -errno. */
  fsUuid(fd: number): Uint8Array | number;
  umask(mask: number): number;
  /** Sets fsuid and fsgid of this thread; later calls create and check as that user. */
  setFsIds(uid: number, gid: number): number;
  /** 1 when thread `pid` has `gid` among its supplementary groups, 0 when not or not to be seen. */
  inGroup(pid: number, gid: number): number;
  /** fsuid and fsgid of thread `pid`; -ENOENT when it is not to be seen. */
  idsOf(pid: number): Uint32Array | number;
  geteuid(): number;
  getegid(): number;
  /** Raises RLIMIT_NOFILE's soft limit to the hard one; returns the new limit. */
  raiseFileLimit(): number;
  mount(source: string, target: string, type: string, flags: number, data: string): number;
  umount(target: string, flags: number): number;
  /** Mounts through fusermount3; returns the /dev/fuse descriptor, or text of its complaint. */
  fusermount(target: string, options: string): number | string;
}

/**
 * Gives the file at `oldName` ('' is the descriptor itself) the name `name`, and `dirfd` its access and modification time from before.
 * What `dirfd` was is in `before`, what it now is in `after`, and what lies at `name` in `made`; all zeros where that could not be told.
 */
type GiveQuietly = (
  oldFd: number,
  oldName: string,
  dirfd: number,
  name: string,
  before: Stat,
  after: Stat,
  made: Stat,
) => number;

/** Several calls in one, where each way to the addon and back would cost as much as the call. */
export interface CompoundCalls {
  /** All that a copy must know of `name` ('' allowed): statx, an open for reading of a regular file, flags, xattrs, handle. */
  examine(dirfd: number, name: string, out: Examined): number;
  /**
   * Opens directory `name` of each of `parents` for reading, and puts its records into `into` from `at` on, in their order and as
   * readNames does. Goes as far as they are plain: none of the names is `mark`, and no xattr has `part` in its name. Returns how many are.
   * `out` has READ.words for each (sys/compound.ts): the descriptor, where its records end, how many names. Of the first that
   * is not plain too the descriptor is there, if it could be opened. Descriptors are the caller's.
   */
  readDirectories(
    parents: Int32Array,
    name: string,
    into: Uint8Array,
    at: number,
    mark: string,
    part: string,
    out: Int32Array,
  ): number;
  /**
   * A new unnamed file in `dirfd` with `size` bytes of `from`, open: its descriptor. `solid`: without looking for holes.
   * `writeBack`: on its way to the disk.
   */
  copyUnnamed(dirfd: number, from: number, size: number, solid: boolean, writeBack: boolean): number;
  /** Gives `name` ('' allowed) the mode, access and modification time of `from`, and before these the owner. */
  takeAttributes(fd: number, name: string, from: Stat, owner: boolean): number;
  /** By linkAt. */
  readonly linkQuietly: GiveQuietly;
  /** By renameAt without flags. */
  readonly renameQuietly: GiveQuietly;
}

export interface Syscalls extends SingleCalls, CompoundCalls {}

/** Work that runs off the JavaScript thread; each settles with >= 0 or -errno, never rejects. */
export interface Jobs {
  /**
   * Data copy with holes kept; `cancel` word non-zero stops it with -EINTR at the next chunk. `writeBack` lets the disk
   * begin meanwhile: half the time where the caller is going to wait for it.
   */
  copyData(from: number, to: number, size: number, cancel: Int32Array, writeBack: boolean): Promise<number>;
  copyRange(from: number, fromOffset: number, to: number, toOffset: number, length: number): Promise<number>;
  fsync(fd: number, dataOnly: boolean): Promise<number>;
  orderData(fd: number): Promise<number>;
  syncfs(fd: number): Promise<number>;
  close(fd: number): Promise<number>;
  fallocate(fd: number, mode: number, offset: number, length: number): Promise<number>;
}
