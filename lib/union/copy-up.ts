// Copy-up: a lower object gets its copy in the upper, prepared in the workdir and published by one
// link or rename, so that a crash leaves either the lower's or the whole copy. Parents come first.

import { ErrnoError, errno, fail } from '../errno.js';
import { check } from '../sys/check.js';
import { O_PATH, S_IFLNK, S_IFMT, S_IFREG, UTIME_OMIT } from '../sys/constants.js';
import { OwnedFd } from '../sys/fd.js';
import { shown } from '../sys/name.js';
import { Stat, W } from '../sys/stat.js';
import { openAtPlace, placeOf } from './attributes.js';
import { asServer } from './caller.js';
import { type CopySource, copiedFile, dropCopy } from './copy-data.js';
import { carriesPrivate, copyMetadata, markImpure } from './copy-metadata.js';
import { LayerDir } from './dir-fds.js';
import { identify, indexName, namesOf } from './hard-links.js';
import { DirNode, FileNode, type Inode, takeNumber } from './inode.js';
import { keepCtime, showCtime } from './kept-ctime.js';
import { presetLinks, whileLinking, writeExtraLinks } from './link-counts.js';
import { namesIn } from './lookup.js';
import { originOf } from './origin.js';
import { settleStack } from './stack.js';
import type { Union } from './union.js';
import type { Workdir } from './workdir.js';

/** The workdir of a mount that has an upper; throws EROFS on one that has none. */
export function writableWork(u: Union): Workdir {
  if (u.workdir === null) throw fail('EROFS', 'a mount without an upper');
  return u.workdir;
}

/** Makes sure that `node` is in the upper. `size` 0: its data is about to be cut off, copy none. */
export function copyUp(u: Union, node: Inode, size?: 0): void {
  const work = writableWork(u);
  if (node instanceof DirNode) {
    upperOf(u, node);
    return;
  }
  const file = node as FileNode;
  if (file.inUpper) {
    // Found through the index, or through another name: this name may not be in the upper yet.
    if (file.aliases !== null || file.dir === work.index) linkAliases(u, file);
    return;
  }
  copyFile(u, work, file, size);
}

/**
 * Before a name of a lower file with several links goes: the file gets its copy in the index, and the
 * name its link, so that the name and the stored count go in one step, as in kernel overlayfs.
 */
export function indexBeforeLoss(u: Union, node: Inode | null): void {
  if (node instanceof FileNode && node.identities !== null && u.workdir?.index != null) copyUp(u, node);
}

/** The upper's directory of `node`, copied up with its parents when it is not there yet. */
export function upperOf(u: Union, node: DirNode): LayerDir {
  const work = writableWork(u);
  const there = node.upper;
  if (there !== null) return there;
  if (node.dead || node.parent === null) throw fail('ENOENT', 'a removed directory');
  const chain: DirNode[] = [];
  for (let at: DirNode | null = node; at !== null && at.upper === null; at = at.parent) chain.push(at);
  for (const dir of chain.reverse()) copyDirectory(u, work, dir);
  return node.upper as LayerDir;
}

/** Keeps the times of `parent`, which is in the upper, while `change` adds a copy to it. */
function keepingTimes(u: Union, parent: DirNode, parentFd: number, change: () => void): void {
  const before = new Stat();
  check(u.sys.statAt(parentFd, '', before), 'stat parent');
  showCtime(parent, before);
  change();
  setTimes(u, parentFd, '', before);
  keepTimes(u, parent, before);
}

/** A copy-up shows in no time that users see. */
function keepTimes(u: Union, node: Inode, before: Stat): void {
  const place = placeOf(u, node);
  const real = u.scratch;
  if (u.sys.statAt(place.fd, place.name, real) === 0) keepCtime(node, before, real);
}

function setTimes(u: Union, fd: number, name: string, from: Stat): number {
  const seconds = (word: number): number =>
    (from.words[word + 1] as number | 0) * 0x1_0000_0000 + (from.words[word] as number);
  const w = from.words;
  return u.sys.utimensAt(
    fd,
    name,
    seconds(W.atime),
    w[W.atimeNsec] ?? UTIME_OMIT,
    seconds(W.mtime),
    w[W.mtimeNsec] ?? UTIME_OMIT,
  );
}

function copyDirectory(u: Union, work: Workdir, node: DirNode): void {
  settleStack(u, node);
  const parent = node.parent as DirNode;
  const entry = namesIn(u, parent).entries.get(node.name);
  const parentUpper = parent.upper as LayerDir;
  const from = placeOf(u, node);
  const stat = new Stat();
  check(u.sys.statAt(from.fd, from.name, stat), `stat ${shown(node.name)}`);
  refuseUnmapped(u, stat);
  const temporary = work.temporary();
  try {
    asServer(u, () => check(u.sys.mkdirAt(work.fd, temporary, 0o700), 'copy-up mkdir'));
    const origin = originOf(u.sys, (node.stack[0] as LayerDir).layer, from.fd, from.name);
    copyMetadata(u, from, { fd: work.fd, name: temporary }, stat, origin);
    check(setTimes(u, work.fd, temporary, stat), 'copy-up utimens');
    willHoldCopies(u, parent);
    const upperFd = u.dirFds.fd(parentUpper);
    keepingTimes(u, parent, upperFd, () =>
      check(u.sys.renameAt(work.fd, temporary, upperFd, node.name, 0), `copy-up ${shown(node.name)}`),
    );
  } catch (error) {
    work.discard(temporary);
    throw error;
  }
  const upper = new LayerDir(parentUpper.layer, parentUpper, node.name);
  node.stack = [upper, ...node.stack];
  keepTimes(u, node, stat);
  if (entry !== undefined) {
    // The directory that showed it stays part of the merge, beneath the copy.
    entry.deeper = [entry.dir, ...(entry.deeper ?? [])];
    entry.dir = parentUpper;
    entry.beneath = true;
    takeNumber(entry, node);
  }
}

/** Ids that this server cannot express must not be copied: the copy would belong to somebody else. */
function refuseUnmapped(u: Union, stat: Stat): void {
  const overflow = u.features.overflowIds;
  if (overflow && (stat.uid === 65534 || stat.gid === 65534)) throw fail('EOVERFLOW', 'copy-up of an unmapped owner');
}

function copyFile(u: Union, work: Workdir, node: FileNode, size: 0 | undefined): void {
  const parentUpper = node.parent === null ? null : upperOf(u, node.parent);
  const source: CopySource = { fd: u.dirFds.fd(node.dir), name: node.base, stat: new Stat(), size };
  check(u.sys.statAt(source.fd, source.name, source.stat), `stat ${shown(node.name)}`);
  refuseUnmapped(u, source.stat);
  const regular = (source.stat.mode & S_IFMT) === S_IFREG;
  const temporary = regular ? null : makeSpecial(u, work, source);
  const fd = regular ? copiedFile(u, work, node, source) : null;
  const made = fd === null ? { fd: work.fd, name: temporary as string } : { fd: fd.fd, name: '' };
  try {
    const indexed = source.stat.nlink > 1 && carriesPrivate(u, source.stat) ? indexName(u, node.dir, node.base) : null;
    // A copy that leaves its hard links behind is a file of its own.
    const origin =
      source.stat.nlink === 1 || indexed !== null ? originOf(u.sys, node.dir.layer, source.fd, source.name) : null;
    copyMetadata(u, { fd: source.fd, name: source.name }, made, source.stat, origin);
    check(setTimes(u, made.fd, made.name, source.stat), 'copy-up utimens');
    if (parentUpper !== null) publish(u, work, node, made, parentUpper, source.stat, indexed);
    else keepNameless(u, node, made, work);
    keepTimes(u, node, source.stat);
  } finally {
    if (temporary !== null) u.sys.unlinkAt(work.fd, temporary, 0);
    fd?.close();
    dropCopy(node);
  }
}

/** A lower file without a name (removed, but open) goes on as an unnamed file of the upper. */
function keepNameless(u: Union, node: FileNode, made: { fd: number; name: string }, work: Workdir): void {
  const fd = openAtPlace(u, made, O_PATH);
  node.orphan?.close();
  node.orphan = new OwnedFd(u.sys, check(fd, 'copy-up of a removed file'));
  // Its link count was the lower's, less its names; on the host it now has none.
  node.extraLinks = 0;
  node.dir = new LayerDir({ index: 0, path: 'workdir', fd: work.fd, writable: true, dev: 0 }, null, '');
  swapHandles(u, node);
}

/** A symlink, device, fifo or socket under a temporary name. */
function makeSpecial(u: Union, work: Workdir, source: CopySource): string {
  const name = work.temporary();
  const { stat } = source;
  if ((stat.mode & S_IFMT) === S_IFLNK) {
    const target = u.sys.readlinkAt(source.fd, source.name);
    if (typeof target === 'number') throw new ErrnoError(-target, 'copy-up readlink');
    check(u.sys.symlinkAt(target, work.fd, name), 'copy-up symlink');
  } else {
    asServer(u, () => check(u.sys.mknodAt(work.fd, name, stat.mode, stat.rdev), 'copy-up mknod'));
  }
  return name;
}

/** One link makes the copy the file's truth; then every known name leads to it. */
function publish(
  u: Union,
  work: Workdir,
  node: FileNode,
  made: { fd: number; name: string },
  parentUpper: LayerDir,
  lower: Stat,
  hex: string | null,
): void {
  const upperFd = u.dirFds.fd(parentUpper);
  if (hex === null) {
    willHoldCopies(u, node.parent as DirNode);
    keepingTimes(u, node.parent as DirNode, upperFd, () =>
      check(u.sys.linkAt(made.fd, made.name, upperFd, node.name), 'copy-up publish'),
    );
    moveTo(u, node, parentUpper, node.name);
    settleEntry(u, node.parent as DirNode, node.name, parentUpper);
  } else {
    const index = work.index as LayerDir;
    // The index's own link counts on the host and is not a name.
    const extra = lower.nlink - 1 + node.extraLinks;
    presetLinks(u, made, extra);
    const linked = u.sys.linkAt(made.fd, made.name, index.layer.fd, hex);
    if (linked < 0 && linked !== -errno.EEXIST) check(linked, 'copy-up index');
    moveTo(u, node, index, hex);
    node.extraLinks = extra;
    node.lowerLinks = lower.nlink;
    if (linked < 0) writeExtraLinks(u, node);
  }
  linkAliases(u, node);
}

function moveTo(u: Union, node: FileNode, dir: LayerDir, base: string): void {
  node.dir = dir;
  node.base = base;
  swapHandles(u, node);
  const stat = u.scratch;
  const several = node.identities !== null || node.aliases !== null;
  if (several && u.sys.statAt(u.dirFds.fd(dir), base, stat) === 0) identify(u, node, stat.identity());
}

function settleEntry(u: Union, parent: DirNode, name: string, upper: LayerDir): void {
  const entry = namesIn(u, parent).entries.get(name);
  if (entry === undefined) return;
  entry.dir = upper;
  entry.beneath = true;
  entry.closed = true;
  if (entry.node !== null) takeNumber(entry, entry.node);
}

/** Marked before the copy has its name: a crash in between leaves a mark that is only too careful. */
function willHoldCopies(u: Union, parent: DirNode): void {
  namesIn(u, parent);
  markImpure(u, parent);
}

/** Gives each known name of a copied-up file its link in the upper. */
function linkAliases(u: Union, node: FileNode): void {
  for (const { parent, name } of namesOf(node)) {
    const entry = namesIn(u, parent).entries.get(name);
    if (entry === undefined || entry.dir.layer.writable) continue;
    const upper = upperOf(u, parent);
    const fd = u.dirFds.fd(upper);
    willHoldCopies(u, parent);
    const add = (): number => check(u.sys.linkAt(u.dirFds.fd(node.dir), node.base, fd, name), 'copy-up link');
    whileLinking(u, node, () => keepingTimes(u, parent, fd, add));
    settleEntry(u, parent, name, upper);
  }
}

/** Reads that began on the lower file go on in the copy, where later writes are seen. */
function swapHandles(u: Union, node: FileNode): void {
  for (const handle of node.handles ?? []) {
    if (handle.mode === 'passthrough') continue;
    handle.fd = check(openAtPlace(u, placeOf(u, node), handle.openFlags), 'copy-up reopen');
    u.plane.swap(handle.fh, handle.fd);
  }
}
