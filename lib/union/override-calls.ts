// The calls as a union makes them over layers whose owners, modes and types are kept in xattrs. Which
// layer a descriptor belongs to is known from the descriptor it was opened by. Only made where a
// layer's root has such an xattr, or the mount's options ask for it.

import { errno } from '../errno.js';
import type { DirScan, Syscalls } from '../sys/calls.js';
import { compound } from '../sys/compound.js';
import {
  AT_REMOVEDIR,
  O_CREAT,
  O_TMPFILE,
  S_IFCHR,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_ISGID,
  S_ISUID,
} from '../sys/constants.js';
import { STAT_WORDS, Stat, W } from '../sys/stat.js';
import { NO_ID, OVERFLOW_ID } from './ids-mapping.js';
import {
  fits,
  formatOverride,
  givenName,
  keptName,
  type OverrideDialect,
  overrideNames,
  parseOverride,
} from './override-stat.js';

const DT_REG = S_IFREG >>> 12;

/** What the host's own files and directories are made with: the server and its readers can use them. */
const HOST_MODE = 0o755;

/** The calls, and the descriptors they know. */
export class OverrideCalls {
  readonly #sys: Syscalls;
  /** By descriptor; one that is not here belongs to a layer without overrides. */
  readonly #dialects = new Map<number, OverrideDialect>();
  /** As whom things are made, and without which mode bits. */
  #maker: { uid: number; gid: number };
  #mask = 0;
  readonly #stat = new Stat();

  constructor(
    sys: Syscalls,
    /** What is made in the upper gets an override; null: the upper is an ordinary one. */
    readonly writes: OverrideDialect | null,
    /** The server's user namespace maps not all ids, and shows those as 65534. */
    readonly overflow: boolean,
  ) {
    this.#sys = sys;
    this.#maker = { uid: sys.geteuid(), gid: sys.getegid() };
  }

  /** `fd`, and what is opened by it from now on, belongs to a layer of `dialect`. */
  mark(fd: number, dialect: OverrideDialect): void {
    this.#dialects.set(fd, dialect);
  }

  /** The same for what belongs to the upper without being in it. */
  markUpper(fd: number): void {
    if (this.writes !== null) this.mark(fd, this.writes);
  }

  #inherit(fd: number, from: number): number {
    const dialect = this.#dialects.get(from);
    if (dialect === undefined) this.#dialects.delete(fd);
    else if (fd >= 0) this.#dialects.set(fd, dialect);
    return fd;
  }

  get calls(): Syscalls {
    const writing = this.writes === null ? {} : this.#writing();
    const single = { ...this.#sys, ...this.#opening(), ...this.#reading(), ...writing };
    return { ...single, ...compound(single) };
  }

  #opening(): Pick<Syscalls, 'openPath' | 'openAt' | 'reopen' | 'dup' | 'openHandle' | 'close'> {
    const sys = this.#sys;
    return {
      openPath: (path, flags) => this.#inherit(sys.openPath(path, flags), -1),
      openAt: (dirfd, name, flags, mode) => this.#inherit(sys.openAt(dirfd, name, flags, mode), dirfd),
      reopen: (fd, flags) => this.#inherit(sys.reopen(fd, flags), fd),
      dup: (fd) => this.#inherit(sys.dup(fd), fd),
      openHandle: (mountFd, handle, flags) => this.#inherit(sys.openHandle(mountFd, handle, flags), mountFd),
      close: (fd) => {
        this.#dialects.delete(fd);
        return sys.close(fd);
      },
    };
  }

  #reading(): Pick<Syscalls, 'statAt' | 'statMany' | 'scanDir' | 'scanOn' | 'readNames' | 'getXattr' | 'listXattr'> {
    const sys = this.#sys;
    return {
      statAt: (dirfd, name, out) => {
        const result = sys.statAt(dirfd, name, out);
        return result === 0 ? this.#show(dirfd, name, out.words, 0) : result;
      },
      statMany: (dirfd, names, out, results) => {
        const result = sys.statMany(dirfd, names, out, results);
        for (const [at, name] of names.entries()) {
          if (results[at] === 0) results[at] = this.#show(dirfd, name, out, at * STAT_WORDS);
        }
        return result;
      },
      scanDir: (fd, most) => this.#showScan(fd, sys.scanDir(fd, most)),
      readNames: (fd, into, at, mark, told) =>
        this.#dialects.has(fd) ? -errno.EOPNOTSUPP : sys.readNames(fd, into, at, mark, told),
      scanOn: (fd, most) => this.#showScan(fd, sys.scanOn(fd, most)),
      getXattr: (dirfd, name, key) => {
        const kept = this.#kept(dirfd, key);
        return kept === undefined ? -errno.ENODATA : sys.getXattr(dirfd, name, kept);
      },
      listXattr: (dirfd, name) => {
        const names = sys.listXattr(dirfd, name);
        const dialect = this.#dialects.get(dirfd);
        if (typeof names === 'number' || dialect === undefined) return names;
        return names.map((each) => givenName(dialect, each)).filter((each) => each !== undefined);
      },
    };
  }

  #showScan(fd: number, scan: DirScan | number): DirScan | number {
    const dialect = this.#dialects.get(fd);
    return typeof scan === 'number' || dialect === undefined ? scan : this.#showTypes(fd, scan, dialect);
  }

  #writing(): Partial<Syscalls> {
    const sys = this.#sys;
    return {
      openAt: (dirfd, name, flags, mode) => this.#inherit(this.#open(dirfd, name, flags, mode), dirfd),
      mkdirAt: (dirfd, name, mode) => this.#make(dirfd, name, S_IFDIR | mode, 0),
      mknodAt: (dirfd, name, mode, rdev) => this.#make(dirfd, name, mode & S_IFMT ? mode : S_IFREG | mode, rdev),
      symlinkAt: (target, dirfd, name) => {
        const made = sys.symlinkAt(target, dirfd, name);
        return made === 0 ? this.#finish(dirfd, name, S_IFLNK | 0o777, 0) : made;
      },
      chmodAt: (dirfd, name, mode) => this.#change(dirfd, name, NO_ID, NO_ID, mode),
      chownAt: (dirfd, name, uid, gid) => this.#change(dirfd, name, uid, gid, null),
      setXattr: (dirfd, name, key, value, flags) => {
        const kept = this.#kept(dirfd, key);
        return kept === undefined ? -errno.ERANGE : sys.setXattr(dirfd, name, kept, value, flags);
      },
      removeXattr: (dirfd, name, key) => {
        const kept = this.#kept(dirfd, key);
        return kept === undefined ? -errno.ENODATA : sys.removeXattr(dirfd, name, kept);
      },
      setFsIds: (uid, gid) => {
        this.#maker = { uid, gid };
        return 0;
      },
      umask: (mask) => {
        const before = this.#mask;
        this.#mask = mask;
        sys.umask(0);
        return before;
      },
    };
  }

  #kept(fd: number, key: string): string | undefined {
    const dialect = this.#dialects.get(fd);
    return dialect === undefined ? key : keptName(dialect, key);
  }

  /** user.* names are for files and directories only. */
  #carries(dialect: OverrideDialect, format: number): boolean {
    return format === S_IFREG || format === S_IFDIR || (format === S_IFLNK && dialect === 'security');
  }

  /** Puts the override of `name` into the record that begins at word `at`. 0 or -errno. */
  #show(dirfd: number, name: string, words: Uint32Array, at: number): number {
    const host = (words[at + W.mode] as number) & S_IFMT;
    const dialect = this.#dialects.get(dirfd);
    const value =
      dialect !== undefined && this.#carries(dialect, host)
        ? this.#sys.getXattr(dirfd, name, overrideNames[dialect])
        : -errno.ENODATA;
    if (typeof value === 'number') {
      const foreign = words[at + W.uid] === OVERFLOW_ID || words[at + W.gid] === OVERFLOW_ID;
      if (this.overflow && foreign) words[at + W.unmapped] = 1;
      return value === -errno.ENODATA || value === -errno.EOPNOTSUPP ? 0 : value;
    }
    const override = parseOverride(value);
    // The host's owner and mode would be somebody else's rights.
    if (override === null || !fits(override, host)) return -errno.EIO;
    words[at + W.uid] = override.uid;
    words[at + W.gid] = override.gid;
    words[at + W.mode] = (override.format ?? host) | override.mode;
    words[at + W.rdev] = override.rdev;
    return 0;
  }

  /** A regular file of the host may be any other kind but a directory. */
  #showTypes(fd: number, scan: DirScan, dialect: OverrideDialect): DirScan {
    for (const [at, name] of scan.names.entries()) {
      if (scan.types[at] !== DT_REG) continue;
      const value = this.#sys.getXattr(fd, name, overrideNames[dialect]);
      const override = typeof value === 'number' ? null : parseOverride(value);
      if (override?.format != null && fits(override, S_IFREG)) scan.types[at] = override.format >>> 12;
    }
    return scan;
  }

  #open(dirfd: number, name: string, flags: number, mode: number): number {
    const unnamed = (flags & O_TMPFILE) === O_TMPFILE;
    const makes = unnamed || (flags & O_CREAT) !== 0;
    if (!makes || !this.#dialects.has(dirfd)) return this.#sys.openAt(dirfd, name, flags, mode);
    const fd = this.#sys.openAt(dirfd, name, flags, HOST_MODE);
    if (fd < 0) return fd;
    this.#inherit(fd, dirfd);
    const finished = this.#write(fd, '', dirfd, S_IFREG | mode, 0);
    if (finished === 0) return fd;
    this.#sys.close(fd);
    if (!unnamed) this.#sys.unlinkAt(dirfd, name, 0);
    return finished;
  }

  #make(dirfd: number, name: string, mode: number, rdev: number): number {
    const sys = this.#sys;
    const format = mode & S_IFMT;
    const whiteout = format === S_IFCHR && rdev === 0;
    if (whiteout || !this.#dialects.has(dirfd)) {
      return format === S_IFDIR ? sys.mkdirAt(dirfd, name, mode & 0o7777) : sys.mknodAt(dirfd, name, mode, rdev);
    }
    const made =
      format === S_IFDIR ? sys.mkdirAt(dirfd, name, HOST_MODE) : sys.mknodAt(dirfd, name, S_IFREG | HOST_MODE, 0);
    return made === 0 ? this.#finish(dirfd, name, mode, rdev) : made;
  }

  /** What was just made gets its override, or goes again. */
  #finish(dirfd: number, name: string, mode: number, rdev: number): number {
    const dialect = this.#dialects.get(dirfd);
    const isLink = (mode & S_IFMT) === S_IFLNK;
    if (dialect === undefined || (isLink && !this.#carries(dialect, S_IFLNK))) return 0;
    const finished = this.#write(dirfd, name, dirfd, mode, rdev);
    if (finished < 0) this.#sys.unlinkAt(dirfd, name, (mode & S_IFMT) === S_IFDIR ? AT_REMOVEDIR : 0);
    return finished;
  }

  /** Owner and mode of something new in `parent`, as Linux gives them. */
  #write(fd: number, name: string, parent: number, mode: number, rdev: number): number {
    const { uid } = this.#maker;
    let { gid } = this.#maker;
    let bits = (mode & S_IFMT) === S_IFLNK ? mode : mode & ~this.#mask;
    const stat = this.#stat;
    const told = this.#sys.statAt(parent, '', stat) || this.#show(parent, '', stat.words, 0);
    if (told < 0) return told;
    if ((stat.mode & S_ISGID) !== 0) {
      gid = stat.gid;
      if ((mode & S_IFMT) === S_IFDIR) bits |= S_ISGID;
    }
    return this.#store(fd, name, uid, gid, bits, rdev);
  }

  #store(fd: number, name: string, uid: number, gid: number, mode: number, rdev: number): number {
    const dialect = this.#dialects.get(fd) as OverrideDialect;
    return this.#sys.setXattr(fd, name, overrideNames[dialect], formatOverride(dialect, uid, gid, mode, rdev), 0);
  }

  /** chmod (`mode` given) or chown: the override is written anew, the host's file stays as it is. */
  #change(dirfd: number, name: string, uid: number, gid: number, mode: number | null): number {
    const sys = this.#sys;
    const dialect = this.#dialects.get(dirfd);
    const stat = this.#stat;
    const told = dialect === undefined ? 0 : sys.statAt(dirfd, name, stat);
    if (told < 0) return told;
    const host = stat.mode & S_IFMT;
    if (dialect === undefined || !this.#carries(dialect, host)) {
      // A symlink cannot say who owns it, and nobody asks a symlink.
      if (dialect !== undefined && host === S_IFLNK) return mode === null ? 0 : -errno.EOPNOTSUPP;
      return mode === null ? sys.chownAt(dirfd, name, uid, gid) : sys.chmodAt(dirfd, name, mode);
    }
    const shown = this.#show(dirfd, name, stat.words, 0);
    if (shown < 0) return shown;
    const bits = mode === null ? keptByChown(stat.mode) : (stat.mode & S_IFMT) | (mode & 0o7777);
    if (mode === null && !stat.isDirectory)
      sys.removeXattr(dirfd, name, keptName(dialect, 'security.capability') ?? '');
    const owner = { uid: uid === NO_ID ? stat.uid : uid, gid: gid === NO_ID ? stat.gid : gid };
    return this.#store(dirfd, name, owner.uid, owner.gid, bits, stat.rdev);
  }
}

/** A new owner does not get the old one's setuid and setgid. */
function keptByChown(mode: number): number {
  if ((mode & S_IFMT) === S_IFDIR) return mode;
  return mode & ~S_ISUID & ((mode & 0o010) === 0 ? ~0 : ~S_ISGID);
}
