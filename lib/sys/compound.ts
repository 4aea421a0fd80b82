// The compound calls, put together from single ones: for whoever changes what a single call does. The addon's are
// quicker, and do the same.

import { errno } from '../errno.js';
import type { CompoundCalls, SingleCalls } from './calls.js';
import { O_DIRECTORY, O_NOATIME, O_NONBLOCK, O_RDONLY, O_RDWR, O_TMPFILE, S_IFLNK, S_IFMT } from './constants.js';
import { E, type Examined } from './examined.js';
import { type Stat, W } from './stat.js';

function examine(sys: SingleCalls, dirfd: number, name: string, out: Examined): number {
  const told = sys.statAt(dirfd, name, out.stat);
  if (told < 0) return told;
  const opens = name !== '' && out.stat.isRegular;
  const fd = opens ? sys.openAt(dirfd, name, O_RDONLY | O_NONBLOCK, 0) : -errno.EBADF;
  const asked = name === '' ? dirfd : fd;
  const list = sys.listXattr(dirfd, name);
  const handle = sys.nameToHandle(dirfd, name);
  const { words } = out;
  words[E.opened] = fd;
  words[E.flags] = asked < 0 ? -errno.EBADF : sys.getFlags(asked);
  words[E.listed] = typeof list === 'number' ? list : list.length;
  words[E.handleLength] = typeof handle === 'number' ? handle : handle.bytes.length;
  if (typeof handle === 'number') return 0;
  words[E.handleType] = handle.type;
  new Uint8Array(words.buffer, words.byteOffset + 4 * E.handle).set(handle.bytes);
  return 0;
}

/** Words of a directory that was read. */
export const READ = { fd: 0, to: 1, count: 2, words: 3 } as const;

const told = new Uint32Array(2);

/** Reading a directory for its names is no user's listing of it. Only its owner may say so. */
export function openQuietly(sys: Pick<SingleCalls, 'openAt'>, parent: number, name: string): number {
  const fd = sys.openAt(parent, name, O_RDONLY | O_DIRECTORY | O_NOATIME, 0);
  return fd === -errno.EPERM ? sys.openAt(parent, name, O_RDONLY | O_DIRECTORY, 0) : fd;
}

/** How many bytes of records; -1 where the directory is not plain. */
function readPlain(
  sys: SingleCalls,
  fd: number,
  ...[into, at, mark, part]: [Uint8Array, number, string, string]
): number {
  const bytes = sys.readNames(fd, into, at, mark, told);
  if (bytes < 0 || told[1] !== 0) return -1;
  const list = sys.listXattr(fd, '');
  if (typeof list === 'number') return list === -errno.EOPNOTSUPP ? bytes : -1;
  return list.some((key) => key.includes(part)) ? -1 : bytes;
}

function readDirectories(
  sys: SingleCalls,
  ...[parents, name, into, at, mark, part, out]: Parameters<CompoundCalls['readDirectories']>
): number {
  let end = at;
  for (const [done, parent] of parents.entries()) {
    const fd = openQuietly(sys, parent, name);
    out[READ.words * done + READ.fd] = fd;
    const bytes = fd < 0 ? -1 : readPlain(sys, fd, into, end, mark, part);
    if (bytes < 0) return done;
    end += bytes;
    out[READ.words * done + READ.to] = end;
    out[READ.words * done + READ.count] = told[0] as number;
  }
  return parents.length;
}

function copyUnnamed(sys: SingleCalls, dirfd: number, from: number, size: number, writeBack: boolean): number {
  const fd = sys.openAt(dirfd, '', O_TMPFILE | O_RDWR, 0o600);
  if (fd < 0) return fd;
  const copied = sys.copyData(from, fd, size);
  if (copied < 0) sys.close(fd);
  else if (writeBack) sys.startWriteBack(fd);
  return copied < 0 ? copied : fd;
}

/** Access and modification time. */
export function takeTimes(sys: Pick<SingleCalls, 'utimensAt'>, fd: number, name: string, from: Stat): number {
  const w = from.words;
  const seconds = (word: number): number => ((w[word + 1] as number) | 0) * 0x1_0000_0000 + (w[word] as number);
  const [atimeNsec, mtimeNsec] = [w[W.atimeNsec] as number, w[W.mtimeNsec] as number];
  return sys.utimensAt(fd, name, seconds(W.atime), atimeNsec, seconds(W.mtime), mtimeNsec);
}

function takeAttributes(sys: SingleCalls, fd: number, name: string, from: Stat, owner: boolean): number {
  const owned = owner ? sys.chownAt(fd, name, from.uid, from.gid) : 0;
  if (owned < 0) return owned;
  const isLink = (from.mode & S_IFMT) === S_IFLNK;
  const changed = isLink ? 0 : sys.chmodAt(fd, name, from.mode & 0o7777);
  return changed < 0 ? changed : takeTimes(sys, fd, name, from);
}

/** `give` puts something at `name`. */
function quietly(
  sys: SingleCalls,
  give: () => number,
  at: { readonly dirfd: number; readonly name: string },
  stats: readonly [before: Stat, after: Stat, made: Stat],
): number {
  const [before, after, made] = stats;
  const told = sys.statAt(at.dirfd, '', before);
  const given = told < 0 ? told : give();
  if (given < 0) return given;
  takeTimes(sys, at.dirfd, '', before);
  if (sys.statAt(at.dirfd, '', after) < 0) after.words.fill(0);
  if (sys.statAt(at.dirfd, at.name, made) < 0) made.words.fill(0);
  return 0;
}

export function compound(sys: SingleCalls): CompoundCalls {
  return {
    examine: (dirfd, name, out) => examine(sys, dirfd, name, out),
    readDirectories: (...args) => readDirectories(sys, ...args),
    copyUnnamed: (dirfd, from, size, _solid, writeBack) => copyUnnamed(sys, dirfd, from, size, writeBack),
    takeAttributes: (fd, name, from, owner) => takeAttributes(sys, fd, name, from, owner),
    linkQuietly: (oldFd, oldName, dirfd, name, before, after, made) =>
      quietly(sys, () => sys.linkAt(oldFd, oldName, dirfd, name), { dirfd, name }, [before, after, made]),
    renameQuietly: (oldFd, oldName, dirfd, name, before, after, made) =>
      quietly(sys, () => sys.renameAt(oldFd, oldName, dirfd, name, 0), { dirfd, name }, [before, after, made]),
  };
}
