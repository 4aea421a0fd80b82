// The calls a client can make, typed. Results are the kernel's: >= 0 or -errno; names and data are
// byte strings (latin1). Nothing here judges a result.

import { AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, STATX_BTIME } from './linux.js';
import { decode } from './tokens.js';

export interface Answer {
  readonly result: number;
  readonly values: readonly string[];
}

/** What statx said; numbers that may pass 2^53 stay text, times are ns as bigint. */
export interface FileStat {
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly ino: string;
  readonly size: number;
  readonly blocks: number;
  readonly blksize: number;
  readonly dev: string;
  readonly rdev: string;
  readonly atime: bigint;
  readonly mtime: bigint;
  readonly ctime: bigint;
  readonly btime: bigint | undefined;
}

export interface Dirent {
  readonly name: string;
  readonly type: number;
  readonly ino: string;
  readonly off: string;
}

export interface StatFs {
  readonly type: number;
  readonly bsize: number;
  readonly blocks: number;
  readonly bfree: number;
  readonly files: number;
  readonly namelen: number;
}

type Argument = string | number | Uint8Array;

function nanoseconds(values: readonly string[], at: number): bigint {
  return BigInt(values[at] as string) * 1_000_000_000n + BigInt(values[at + 1] as string);
}

function parseStat(values: readonly string[]): FileStat {
  const n = (i: number): number => Number(values[i]);
  return {
    mode: n(0),
    nlink: n(1),
    uid: n(2),
    gid: n(3),
    ino: values[4] as string,
    size: n(5),
    blocks: n(6),
    blksize: n(7),
    dev: values[8] as string,
    rdev: values[9] as string,
    atime: nanoseconds(values, 11),
    mtime: nanoseconds(values, 13),
    ctime: nanoseconds(values, 15),
    btime: n(10) & STATX_BTIME ? nanoseconds(values, 17) : undefined,
  };
}

/** Seconds and nanoseconds of a time in ns. */
export function splitTime(ns: bigint): [number, number] {
  const rest = ((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  return [Number((ns - rest) / 1_000_000_000n), Number(rest)];
}

/** Everything a client can do; `call` is the transport. */
export abstract class AgentCalls {
  abstract call(name: string, ...args: readonly Argument[]): Promise<Answer>;

  async #n(name: string, ...args: readonly Argument[]): Promise<number> {
    return (await this.call(name, ...args)).result;
  }

  async #data(name: string, ...args: readonly Argument[]): Promise<string | number> {
    const { result, values } = await this.call(name, ...args);
    return result < 0 ? result : decode(values[0]);
  }

  async #list(name: string, ...args: readonly Argument[]): Promise<string[] | number> {
    const { result, values } = await this.call(name, ...args);
    return result < 0 ? result : values.map(decode).sort();
  }

  async #stat(dirfd: number, path: string, flags: number): Promise<FileStat | number> {
    const { result, values } = await this.call('statat', dirfd, path, flags);
    return result < 0 ? result : parseStat(values);
  }

  chdir = (path: string) => this.#n('chdir', path);
  setids = (uid: number, gid: number) => this.#n('setids', uid, gid);
  setgroup = (gid: number) => this.#n('setgroup', gid);
  /** Another user, with supplementary groups. */
  becomes = (uid: number, gid: number, ...groups: readonly number[]) => this.#n('becomes', uid, gid, ...groups);
  /** RLIMIT_FSIZE, SIGXFSZ ignored. */
  fsize = (bytes: number) => this.#n('fsize', bytes);
  umask = (mask: number) => this.#n('umask', mask);
  pid = () => this.#n('pid');
  fsids = (uid: number, gid: number) => this.#n('fsids', uid, gid);
  mount = (source: string, target: string, type: string, flags: number, data: string) =>
    this.#n('mount', source, target, type, flags, data);
  umount = (target: string, flags = 0) => this.#n('umount', target, flags);

  open = (path: string, flags: number, mode = 0o644) => this.#n('open', path, flags, mode);
  openat = (dir: number, path: string, flags: number, mode = 0o644) => this.#n('openat', dir, path, flags, mode);
  close = (fd: number) => this.#n('close', fd);
  dup = (fd: number) => this.#n('dup', fd);
  stat = (path: string) => this.#stat(AT_FDCWD, path, 0);
  lstat = (path: string) => this.#stat(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW);
  fstat = (fd: number) => this.#stat(fd, '', AT_EMPTY_PATH);

  mkdir = (path: string, mode = 0o755) => this.#n('mkdir', path, mode);
  mknod = (path: string, mode: number, major = 0, minor = 0) => this.#n('mknod', path, mode, major, minor);
  symlink = (target: string, path: string) => this.#n('symlink', target, path);
  link = (from: string, to: string, flags = 0) => this.#n('link', from, to, flags);
  unlink = (path: string) => this.#n('unlink', path);
  rmdir = (path: string) => this.#n('rmdir', path);
  rename = (from: string, to: string, flags = 0) => this.#n('rename', from, to, flags);
  readlink = (path: string) => this.#data('readlink', path);
  chmod = (path: string, mode: number) => this.#n('chmod', path, mode);
  /** Binds `source` to `target` with other ids; a map is `FILESYSTEM SHOWN COUNT`. */
  idmapbind = (source: string, target: string, uids: string, gids: string) =>
    this.#n('idmapbind', source, target, uids, gids);
  chown = (path: string, uid: number, gid: number) => this.#n('chown', path, uid, gid);
  truncate = (path: string, size: number) => this.#n('truncate', path, size);
  access = (path: string, mode: number) => this.#n('access', path, mode);
  exec = (...argv: string[]) => this.#n('exec', ...argv);
  bindunix = (path: string) => this.#n('bindunix', path);
  connectunix = (path: string) => this.#n('connectunix', path);

  utimens = (path: string, atime: bigint, mtime: bigint) =>
    this.#n('utimens', path, ...splitTime(atime), ...splitTime(mtime));
  futimens = (fd: number, atime: bigint, mtime: bigint) =>
    this.#n('futimens', fd, ...splitTime(atime), ...splitTime(mtime));
  /** utimensat with the raw nanosecond fields, for UTIME_NOW and UTIME_OMIT. */
  utimensRaw = (path: string, ansec: number, mnsec: number) => this.#n('utimens', path, 0, ansec, 0, mnsec);

  setxattr = (path: string, key: string, value: string, flags = 0) => this.#n('setxattr', path, key, value, flags);
  getxattr = (path: string, key: string, room = 0) => this.#data('getxattr', path, key, room);
  xattrsize = (path: string, key: string) => this.#n('xattrsize', path, key);
  listxattr = (path: string) => this.#list('listxattr', path);
  removexattr = (path: string, key: string) => this.#n('removexattr', path, key);
  fsetxattr = (fd: number, key: string, value: string, flags = 0) => this.#n('fsetxattr', fd, key, value, flags);
  fgetxattr = (fd: number, key: string) => this.#data('fgetxattr', fd, key);
  flistxattr = (fd: number) => this.#list('flistxattr', fd);
  fremovexattr = (fd: number, key: string) => this.#n('fremovexattr', fd, key);

  read = (fd: number, length: number) => this.#data('read', fd, length);
  pread = (fd: number, length: number, offset: number) => this.#data('pread', fd, length, offset);
  write = (fd: number, data: string | Uint8Array) => this.#n('write', fd, data);
  pwrite = (fd: number, data: string | Uint8Array, offset: number) => this.#n('pwrite', fd, data, offset);
  fill = (fd: number, byte: number, offset: number, length: number) => this.#n('fill', fd, byte, offset, length);
  direct = (fd: number, offset: number, length: number) => this.#data('direct', fd, offset, length);
  directwrite = (fd: number, offset: number, length: number, byte: number) =>
    this.#n('directwrite', fd, offset, length, byte);
  lseek = (fd: number, offset: number, whence: number) => this.#n('lseek', fd, offset, whence);
  ftruncate = (fd: number, size: number) => this.#n('ftruncate', fd, size);
  fallocate = (fd: number, mode: number, offset: number, length: number) =>
    this.#n('fallocate', fd, mode, offset, length);
  fsync = (fd: number, dataOnly = false) => this.#n('fsync', fd, dataOnly ? 1 : 0);
  fchmod = (fd: number, mode: number) => this.#n('fchmod', fd, mode);
  fchown = (fd: number, uid: number, gid: number) => this.#n('fchown', fd, uid, gid);
  copyrange = (from: number, fromOffset: number, to: number, toOffset: number, length: number) =>
    this.#n('copyrange', from, fromOffset, to, toOffset, length);
  sendfile = (from: number, offset: number, to: number, length: number) =>
    this.#n('sendfile', from, offset, to, length);
  flock = (fd: number, operation: number) => this.#n('flock', fd, operation);
  getfl = (fd: number) => this.#n('getfl', fd);
  setfl = (fd: number, flags: number) => this.#n('setfl', fd, flags);
  getflags = (fd: number) => this.#n('getflags', fd);
  setflags = (fd: number, flags: number) => this.#n('setflags', fd, flags);

  /** fcntl lock calls; for F_GETLK the answer is `[type, pid]`. */
  async lock(fd: number, cmd: number, type: number, start: number, length: number): Promise<number | number[]> {
    const { result, values } = await this.call('lock', fd, cmd, type, start, length);
    return result < 0 || cmd !== 5 ? result : values.map(Number);
  }

  mmap = (fd: number, length: number, prot: number, flags: number, offset = 0) =>
    this.#n('mmap', fd, length, prot, flags, offset);
  mapread = (map: number, offset: number, length: number) => this.#data('mapread', map, offset, length);
  mapwrite = (map: number, offset: number, data: string) => this.#n('mapwrite', map, offset, data);
  msync = (map: number) => this.#n('msync', map);
  munmap = (map: number) => this.#n('munmap', map);

  async statfs(path: string): Promise<StatFs | number> {
    const { result, values } = await this.call('statfs', path);
    if (result < 0) return result;
    const [type, bsize, blocks, bfree, files, namelen] = values.map(Number) as [
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    return { type, bsize, blocks, bfree, files, namelen };
  }

  opendir = (path: string) => this.#n('opendir', path);
  closedir = (stream: number) => this.#n('closedir', stream);
  rewinddir = (stream: number) => this.#n('rewinddir', stream);
  dirfd = (stream: number) => this.#n('dirfd', stream);
  seekdir = (stream: number, offset: string) => this.#n('seekdir', stream, offset);

  async telldir(stream: number): Promise<string> {
    return (await this.call('telldir', stream)).values[0] as string;
  }

  /** The next entries of a stream, at most `max`; `.` and `..` are among them. */
  async readdir(stream: number, max = 1e9): Promise<Dirent[] | number> {
    const { result, values } = await this.call('readdir', stream, max);
    if (result < 0) return result;
    const entries: Dirent[] = [];
    for (let i = 0; i < values.length; i += 4) {
      entries.push({
        name: decode(values[i]),
        type: Number(values[i + 1]),
        ino: values[i + 2] as string,
        off: values[i + 3] as string,
      });
    }
    return entries;
  }

  /** The sorted names of a directory without `.` and `..`, or -errno. */
  async list(path: string): Promise<string[] | number> {
    const stream = await this.opendir(path);
    if (stream < 0) return stream;
    const entries = await this.readdir(stream);
    await this.closedir(stream);
    if (typeof entries === 'number') return entries;
    const names = entries.map((entry) => entry.name).filter((name) => name !== '.' && name !== '..');
    return names.sort();
  }

  /** The whole content of a file, or -errno. */
  async cat(path: string, flags = 0): Promise<string | number> {
    const fd = await this.open(path, flags);
    if (fd < 0) return fd;
    const data = await this.pread(fd, 1 << 22, 0);
    await this.close(fd);
    return data;
  }

  /** Makes or replaces a file's content; 0 or -errno. */
  async put(path: string, content: string, flags = 0o1101, mode = 0o644): Promise<number> {
    const fd = await this.open(path, flags, mode);
    if (fd < 0) return fd;
    const wrote = content === '' ? 0 : await this.write(fd, content);
    await this.close(fd);
    return Math.min(wrote, 0);
  }

  rmtree = (path: string) => this.#n('rmtree', path);
}
