// New names: files, directories, devices, symlinks, links. Where the upper has nothing, the object
// is made in place by one call; over a whiteout it is prepared in the workdir and renamed there.

import { ErrnoError, errno, fail } from '../errno.js';
import { check } from '../sys/check.js';
import {
  AT_REMOVEDIR,
  O_ACCMODE,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_SYNC,
  O_TMPFILE,
  RENAME_EXCHANGE,
  S_IFCHR,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_ISGID,
} from '../sys/constants.js';
import { OwnedFd } from '../sys/fd.js';
import { isComponent, NAME_MAX } from '../sys/name.js';
import type { Stat } from '../sys/stat.js';
import { asCaller, asServer } from './caller.js';
import { markImpure } from './copy-metadata.js';
import { copyUp, upperOf, writableWork } from './copy-up.js';
import type { LayerDir } from './dir-fds.js';
import { addName, identify, readopt } from './hard-links.js';
import { NO_ID } from './ids-mapping.js';
import { DirIndex, type DirNode, Entry, FileNode, type Inode, takeNumber, WHITEOUT } from './inode.js';
import { writeExtraLinks } from './link-counts.js';
import { attach, namesIn, nodeOf, visibleEntry } from './lookup.js';
import { WH } from './marks.js';
import { makeNested, markAsHolder, markHolder, unmark } from './nested-whiteout.js';
import { refuseProtected } from './protection.js';
import { noteName } from './readdir.js';
import { keepDataFound } from './redirect.js';
import type { Caller, Union } from './union.js';
import { setOpaque, WH_NAME_MAX } from './whiteout.js';
import type { Workdir } from './workdir.js';

/** What is to be made; `make` acts in the directory `fd` under `name`. */
export interface Recipe {
  /** S_IFMT bits. */
  readonly format: number;
  readonly make: (fd: number, name: string) => number;
  /** `make` takes several steps: nobody may see the object before the last one. */
  readonly composed?: true;
}

/** Throws unless `name` may be given to something new. */
export function refuseBadName(u: Union, name: string): void {
  if (name.length > NAME_MAX) throw fail('ENAMETOOLONG', 'name');
  if (!isComponent(name)) throw fail('EINVAL', 'name');
  if (name.startsWith(WH)) throw fail('EINVAL', 'a name that begins with .wh.');
  if (!u.features.deviceWhiteout && name.length > WH_NAME_MAX) throw fail('ENAMETOOLONG', 'name');
}

/** The upper directory for a new `name`, and the whiteout that stands there now, if one does. */
export function vacant(u: Union, dir: DirNode, name: string): { upper: LayerDir; whiteout: boolean } {
  writableWork(u);
  refuseBadName(u, name);
  const entry = namesIn(u, dir).entries.get(name);
  if (entry !== undefined && entry.kind !== WHITEOUT) throw fail('EEXIST', 'name');
  refuseProtected(u, dir, true);
  const upper = upperOf(u, dir);
  return { upper, whiteout: entry?.kind === WHITEOUT && entry.dir.layer.writable };
}

/** Adds `name`, which the upper now has, to the directory's index. */
export function enter(
  u: Union,
  dir: DirNode,
  name: string,
  kind: number,
  upper: LayerDir,
  overWhiteout: boolean,
): Entry {
  const index = namesIn(u, dir);
  const entry = new Entry(kind, upper, 0, 0);
  entry.beneath = overWhiteout;
  entry.closed = true;
  entry.ours = true;
  dir.keptCtime = null;
  index.entries.set(name, entry);
  noteName(u, index, name);
  return entry;
}

/** Makes an object as `caller` and returns its node; attributes in `out`. */
export function createObject(u: Union, dir: DirNode, name: string, recipe: Recipe, caller: Caller, out: Stat): Inode {
  const { upper, whiteout } = vacant(u, dir, name);
  const fd = u.dirFds.fd(upper);
  const aside = whiteout || u.features.overrides || recipe.composed;
  if (aside) createAside(u, writableWork(u), { fd, name, whiteout }, recipe, caller);
  else
    check(
      asCaller(u, caller, () => recipe.make(fd, name)),
      'create',
    );
  return entered(u, dir, name, recipe.format, upper, whiteout, out);
}

function entered(
  u: Union,
  dir: DirNode,
  name: string,
  format: number,
  upper: LayerDir,
  whiteout: boolean,
  out: Stat,
): Inode {
  const entry = enter(u, dir, name, format >>> 12, upper, whiteout);
  const node = nodeOf(u, dir, name, entry, out);
  takeNumber(entry, node);
  return node;
}

/** Where something new is to be. */
interface Vacancy {
  readonly fd: number;
  readonly name: string;
  readonly whiteout: boolean;
}

/** Prepared aside, published by one rename: a crash leaves what was there or the whole object. */
function createAside(u: Union, work: Workdir, to: Vacancy, recipe: Recipe, caller: Caller): void {
  const stage = openStage(u, work, to.fd);
  const temporary = work.temporary();
  const isDirectory = recipe.format === S_IFDIR;
  try {
    check(
      asCaller(u, caller, () => recipe.make(stage.fd, temporary)),
      'create',
    );
    if (isDirectory && to.whiteout) setOpaque(u, stage.fd, temporary);
    if (to.whiteout) publishOverWhiteout(u, stage.fd, temporary, to.fd, to.name, isDirectory);
    else check(u.sys.renameAt(stage.fd, temporary, to.fd, to.name, 0), 'create');
  } catch (error) {
    u.sys.unlinkAt(stage.fd, temporary, isDirectory ? AT_REMOVEDIR : 0);
    throw error;
  } finally {
    stage.close();
  }
}

/** Moves `temporary` to `name`, where a whiteout stands (in whichever form). */
export function publishOverWhiteout(
  u: Union,
  stageFd: number,
  temporary: string,
  fd: number,
  name: string,
  isDirectory: boolean,
): void {
  const exchange = isDirectory && u.features.renameExchange;
  let moved = u.sys.renameAt(stageFd, temporary, fd, name, exchange ? RENAME_EXCHANGE : 0);
  // ENOENT: the whiteout is a `.wh.` file beside the name, which is free.
  if (moved === -errno.ENOENT && exchange) moved = u.sys.renameAt(stageFd, temporary, fd, name, 0);
  else if (moved === 0 && exchange) u.sys.unlinkAt(stageFd, temporary, 0);
  if (moved === -errno.ENOTDIR && isDirectory) {
    check(u.sys.unlinkAt(fd, name, 0), 'create');
    moved = u.sys.renameAt(stageFd, temporary, fd, name, 0);
  }
  check(moved, 'create');
  // The whiteout may have been a `.wh.` file.
  u.sys.unlinkAt(fd, WH + name, 0);
}

/** Where to prepare what will live in `fd`: the workdir, or in it a directory that hands down the same group and ACL. */
function openStage(u: Union, work: Workdir, fd: number): { fd: number; close: () => void } {
  const stat = u.scratch;
  check(u.sys.statAt(fd, '', stat), 'stat parent');
  const acl = u.sys.getXattr(fd, '', 'system.posix_acl_default');
  if (typeof acl === 'number' && acl !== -errno.ENODATA) tolerate(acl, errno.EOPNOTSUPP);
  const plain = (stat.mode & S_ISGID) === 0 && typeof acl === 'number';
  if (plain) return { fd: work.fd, close: () => {} };
  const { mode, gid } = stat;
  const name = work.temporary();
  asServer(u, () => check(u.sys.mkdirAt(work.fd, name, 0o700), 'create'));
  let stage = -1;
  const close = (): void => {
    if (stage >= 0) u.sys.close(stage);
    work.discard(name);
  };
  try {
    stage = check(u.sys.openAt(work.fd, name, O_DIRECTORY, 0), 'create');
    // A group that this server may not give is not handed down; nothing else may be missing.
    const given = tolerate(u.sys.chownAt(stage, '', NO_ID, gid), errno.EPERM, errno.EINVAL, errno.EOVERFLOW);
    check(u.sys.chmodAt(stage, '', 0o700 | (given ? mode & S_ISGID : 0)), 'create');
    if (typeof acl !== 'number') check(u.sys.setXattr(stage, '', 'system.posix_acl_default', acl, 0), 'create');
  } catch (error) {
    close();
    throw error;
  }
  return { fd: stage, close };
}

/** False for the refusals named, true for a success; anything else is thrown. */
function tolerate(result: number, ...refusals: number[]): boolean {
  if (refusals.includes(-result)) return false;
  check(result, 'create');
  return true;
}

export function mkdir(u: Union, dir: DirNode, name: string, mode: number, caller: Caller, out: Stat): DirNode {
  const make = (fd: number, at: string): number => u.sys.mkdirAt(fd, at, mode);
  const node = createObject(u, dir, name, { format: S_IFDIR, make }, caller, out) as DirNode;
  // It has no names yet, and gets none that do not come by.
  node.index = new DirIndex();
  return node;
}

export function mknod(
  u: Union,
  dir: DirNode,
  name: string,
  mode: number,
  rdev: number,
  caller: Caller,
  out: Stat,
): Inode {
  const format = mode & S_IFMT || S_IFREG;
  if (format === S_IFCHR && rdev === 0) return mknodNested(u, dir, name, mode, caller, out);
  const make = (fd: number, at: string): number => u.sys.mknodAt(fd, at, mode, rdev);
  return createObject(u, dir, name, { format, make }, caller, out);
}

/** A whiteout of an overlay that is nested in this mount. */
export function mknodNested(u: Union, dir: DirNode, name: string, mode: number, caller: Caller, out: Stat): Inode {
  namesIn(u, dir);
  upperOf(u, dir);
  const marked = markAsHolder(u, dir);
  const make = (fd: number, at: string): number => makeNested(u, fd, at, mode);
  try {
    return createObject(u, dir, name, { format: S_IFCHR, make, composed: true }, caller, out);
  } catch (error) {
    if (marked && visibleEntry(u, dir, name) === null) unmark(u, dir);
    throw error;
  }
}

export function symlink(u: Union, dir: DirNode, name: string, target: string, caller: Caller, out: Stat): Inode {
  const make = (fd: number, at: string): number => u.sys.symlinkAt(target, fd, at);
  return createObject(u, dir, name, { format: S_IFLNK, make }, caller, out);
}

/** A new regular file, open: its node and a descriptor that the caller owns. */
export function createFile(
  u: Union,
  dir: DirNode,
  name: string,
  mode: number,
  flags: number,
  caller: Caller,
  out: Stat,
): { node: FileNode; fd: number } {
  let opened = -1;
  const make = (fd: number, at: string): number => {
    opened = u.sys.openAt(fd, at, (flags & (O_ACCMODE | O_SYNC)) | O_CREAT | O_EXCL, mode);
    return Math.min(opened, 0);
  };
  try {
    const node = createObject(u, dir, name, { format: S_IFREG, make }, caller, out);
    return { node: node as FileNode, fd: opened };
  } catch (error) {
    if (opened >= 0) u.sys.close(opened);
    throw error;
  }
}

/** O_TMPFILE: a file without a name in the upper's `dir`, open; the node keeps it reachable for a later link. */
export function createUnnamed(
  u: Union,
  dir: DirNode,
  mode: number,
  flags: number,
  caller: Caller,
  out: Stat,
): { node: FileNode; fd: number } {
  if (!u.features.tmpfile) throw fail('EOPNOTSUPP', 'O_TMPFILE');
  refuseProtected(u, dir, true);
  const upper = upperOf(u, dir);
  const fd = check(
    asCaller(u, caller, () => u.sys.openAt(u.dirFds.fd(upper), '', O_TMPFILE | (flags & O_ACCMODE), mode)),
    'O_TMPFILE',
  );
  const node = new FileNode(null, '', S_IFREG, upper, '');
  const kept = u.sys.dup(fd);
  const told = kept < 0 ? kept : u.sys.statAt(fd, '', out);
  if (kept >= 0) node.orphan = new OwnedFd(u.sys, kept);
  if (told < 0) {
    node.orphan?.close();
    u.sys.close(fd);
    throw new ErrnoError(-told, 'O_TMPFILE');
  }
  u.numbers.mix(out.dev, out.inoLow, out.inoHigh);
  node.protection = 0;
  node.inoLow = u.numbers.low;
  node.inoHigh = u.numbers.high;
  u.numbers.show(out);
  return { node, fd };
}

/** A further name for `node`, which may have none (O_TMPFILE, or unlinked while open). */
export function link(u: Union, node: FileNode, dir: DirNode, name: string, out: Stat): Inode {
  refuseProtected(u, node);
  if (node.orphan === null) copyUp(u, node, 'attributes');
  keepDataFound(u, node, false);
  const { upper, whiteout } = vacant(u, dir, name);
  const fd = u.dirFds.fd(upper);
  const from = node.orphan === null ? { fd: u.dirFds.fd(node.dir), name: node.base } : { fd: node.orphan.fd, name: '' };
  markImpure(u, dir);
  writeExtraLinks(u, node);
  markHolder(u, dir, node);
  if (!whiteout) check(u.sys.linkAt(from.fd, from.name, fd, name), 'link');
  else linkOverWhiteout(u, writableWork(u), from, fd, name);
  if (node.orphan !== null) readopt(u, node, upper, name);
  addName(node, dir, name);
  node.keptCtime = null;
  const entry = enter(u, dir, name, node.format >>> 12, upper, whiteout);
  entry.ours = node.data === null;
  takeNumber(entry, node);
  attach(dir, name, entry, node);
  const result = nodeOf(u, dir, name, entry, out);
  const raw = u.scratch;
  if (u.sys.statAt(fd, name, raw) === 0) identify(u, node, raw.identity());
  return result;
}

function linkOverWhiteout(u: Union, work: Workdir, from: { fd: number; name: string }, fd: number, name: string): void {
  const temporary = work.temporary();
  const linked = u.sys.linkAt(from.fd, from.name, work.fd, temporary);
  if (linked < 0) throw new ErrnoError(-linked, 'link');
  try {
    publishOverWhiteout(u, work.fd, temporary, fd, name, false);
  } catch (error) {
    u.sys.unlinkAt(work.fd, temporary, 0);
    throw error;
  }
}
