// Copy-up: a lower object gets its copy in the upper, prepared in the workdir and published by one
// link or rename, so that a crash leaves either the lower's or the whole copy. Parents come first.

import { ErrnoError, errno, fail } from '../errno.js';
import { check } from '../sys/check.js';
import { O_PATH, S_IFLNK, S_IFMT, S_IFREG } from '../sys/constants.js';
import { OwnedFd } from '../sys/fd.js';
import { shown } from '../sys/name.js';
import { Stat } from '../sys/stat.js';
import { openAtPlace, type Place, placeOf } from './attributes.js';
import { asServer } from './caller.js';
import { type Change, completeCopy, dataLeftBehind, markedFile, sparesData, swapHandles } from './complete-copy.js';
import { copiedFile, dropCopy, orderCopy, scratchFile } from './copy-data.js';
import { carriesPrivate, copyMetadata, keepTimes, markImpure, setTimes } from './copy-metadata.js';
import { LayerDir } from './dir-fds.js';
import { identify, indexName, namesOf } from './hard-links.js';
import { OVERFLOW_ID } from './ids-mapping.js';
import { DirNode, type Entry, type FileData, FileNode, type Inode, takeNumber } from './inode.js';
import { showCtime } from './kept-ctime.js';
import { keepFlags } from './kept-flags.js';
import { scratchLayer } from './layers.js';
import { presetLinks, whileLinking, writeExtraLinks } from './link-counts.js';
import { namesIn } from './lookup.js';
import { dataOf, dataPlace } from './metacopy.js';
import { markHolder } from './nested-whiteout.js';
import { originOf, originOfCopy } from './origin.js';
import { keepProtection } from './protection.js';
import { settleStack } from './stack.js';
import type { Union } from './union.js';
import type { Workdir } from './workdir.js';

/** The workdir of a mount that has an upper; throws EROFS on one that has none. */
export function writableWork(u: Union): Workdir {
  if (u.workdir === null) throw fail('EROFS', 'a mount without an upper');
  return u.workdir;
}

/**
 * Makes sure that what is about to change of `node` is in the upper: its attributes and names, or its
 * data too. `empty`: that is about to be cut off, none is copied.
 */
export function copyUp(u: Union, node: Inode, change: Change): void {
  const work = writableWork(u);
  if (node instanceof DirNode) {
    if (node.dead && node.upper === null) keepRemovedDirectory(u, work, node);
    else upperOf(u, node);
    return;
  }
  const file = node as FileNode;
  if (file.inUpper) {
    // Found through the index, or through another name: this name may not be in the upper yet.
    if (file.aliases !== null || file.dir === u.index) linkAliases(u, file);
  } else copyFile(u, work, file, change);
  completeCopy(u, file, change);
}

/**
 * Before a name of a lower file with several links goes: the file gets its copy in the index, and the
 * name its link, so that the name and the stored count go in one step, as in kernel overlayfs.
 */
export function indexBeforeLoss(u: Union, node: Inode | null): void {
  if (node instanceof FileNode && node.identities !== null && u.index !== null) copyUp(u, node, 'attributes');
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

function copyDirectory(u: Union, work: Workdir, node: DirNode): void {
  settleStack(u, node);
  const parent = node.parent as DirNode;
  const entry = namesIn(u, parent).entries.get(node.name);
  const parentUpper = parent.upper as LayerDir;
  const from = placeOf(u, node);
  const stat = new Stat();
  check(u.sys.statAt(from.fd, from.name, stat), () => `stat ${shown(node.name)}`);
  refuseUnmapped(u, stat);
  const temporary = work.temporary();
  try {
    asServer(u, () => check(u.sys.mkdirAt(work.fd, temporary, 0o700), 'copy-up mkdir'));
    const { layer } = node.stack[0] as LayerDir;
    const origin = originOf(u.sys, layer, from.fd, from.name);
    copyMetadata(u, layer, from, { fd: work.fd, name: temporary }, stat, origin);
    keepProtection(u, node, layer, { fd: work.fd, name: temporary }, stat);
    keepFlags(u, layer, from, { fd: work.fd, name: temporary }, stat);
    check(setTimes(u, work.fd, temporary, stat), 'copy-up utimens');
    willHoldCopies(u, parent);
    const upperFd = u.dirFds.fd(parentUpper);
    keepingTimes(u, parent, upperFd, () =>
      check(u.sys.renameAt(work.fd, temporary, upperFd, node.name, 0), () => `copy-up ${shown(node.name)}`),
    );
  } catch (error) {
    work.discard(temporary);
    throw error;
  }
  coverDirectory(node, entry, parentUpper);
  keepTimes(u, node, stat);
}

/** `parentUpper` has a copy of `node` now. The directory that showed it stays part of the merge, beneath the copy. */
export function coverDirectory(node: DirNode, entry: Entry | undefined, parentUpper: LayerDir): void {
  node.stack = [new LayerDir(parentUpper.layer, parentUpper, node.name), ...node.stack];
  if (entry === undefined) return;
  entry.deeper = [entry.dir, ...(entry.deeper ?? [])];
  entry.dir = parentUpper;
  entry.beneath = true;
  entry.ours = false;
  takeNumber(entry, node);
}

/** A lower directory that was removed, but is open, goes on as a removed directory of the upper's filesystem. */
function keepRemovedDirectory(u: Union, work: Workdir, node: DirNode): void {
  const from = placeOf(u, node);
  const stat = new Stat();
  check(u.sys.statAt(from.fd, from.name, stat), 'stat removed directory');
  refuseUnmapped(u, stat);
  const temporary = work.temporary();
  const made = { fd: work.fd, name: temporary };
  asServer(u, () => check(u.sys.mkdirAt(work.fd, temporary, 0o700), 'copy-up mkdir'));
  try {
    copyMetadata(u, (node.stack[0] as LayerDir).layer, from, made, stat, null);
    check(setTimes(u, made.fd, made.name, stat), 'copy-up utimens');
    const fd = check(openAtPlace(u, made, O_PATH), 'copy-up of a removed directory');
    node.orphan?.close();
    node.orphan = new OwnedFd(u.sys, fd);
  } finally {
    work.discard(temporary);
  }
  node.stack = [new LayerDir(scratchLayer('workdir', work.fd), null, temporary)];
}

/** Ids that this server cannot express must not be copied: the copy would belong to somebody else. */
function refuseUnmapped(u: Union, stat: Stat): void {
  const overflow = u.features.overflowIds && (stat.uid === OVERFLOW_ID || stat.gid === OVERFLOW_ID);
  if (overflow || stat.unmapped) throw fail('EOVERFLOW', 'copy-up of an unmapped owner');
}

function copyFile(u: Union, work: Workdir, node: FileNode, change: Change): void {
  const parentUpper = node.parent === null ? null : upperOf(u, node.parent);
  const from = { fd: u.dirFds.fd(node.dir), name: node.base };
  const stat = new Stat();
  check(u.sys.statAt(from.fd, from.name, stat), () => `stat ${shown(node.name)}`);
  refuseUnmapped(u, stat);
  const regular = node.format === S_IFREG;
  if (regular) dataOf(u, node, stat);
  const data = regular && sparesData(u, node, change) ? dataLeftBehind(u, node, stat) : null;
  const temporary = regular ? null : makeSpecial(u, work, from, stat);
  const fd = regular ? newFile(u, work, node, { stat, data, empty: change === 'empty' }) : null;
  const made = fd === null ? { fd: work.fd, name: temporary as string } : { fd: fd.fd, name: '' };
  try {
    const indexed = stat.nlink > 1 && carriesPrivate(u, stat) ? indexName(u, node.dir, node.base) : null;
    // A copy that leaves its hard links behind is a file of its own.
    const hasOrigin = stat.nlink === 1 || indexed !== null;
    const origin = hasOrigin ? originOfCopy(u, node.dir.layer, from, stat) : null;
    copyMetadata(u, node.dir.layer, from, made, stat, origin);
    keepProtection(u, node, node.dir.layer, made, stat);
    keepFlags(u, node.dir.layer, from, made, stat);
    check(setTimes(u, made.fd, made.name, stat), 'copy-up utimens');
    if (fd !== null && data === null) orderCopy(u, fd.fd);
    if (parentUpper !== null) publish(u, node, { ...made, stat, data, indexed }, parentUpper);
    else keepNameless(u, node, made, work);
    keepTimes(u, node, stat);
  } finally {
    if (temporary !== null) u.sys.unlinkAt(work.fd, temporary, 0);
    fd?.close();
    dropCopy(node);
  }
}

/** What a copy is to hold: the attributes of `stat`, and its own data unless that stays at `data`. */
interface Wanted {
  readonly stat: Stat;
  readonly data: FileData | null;
  readonly empty: boolean;
}

function newFile(u: Union, work: Workdir, node: FileNode, wanted: Wanted): OwnedFd {
  if (wanted.data !== null) return markedFile(u, work, wanted.stat.size);
  const target = (): OwnedFd => scratchFile(u, work);
  const { size, blocks } = wanted.stat;
  const blocksTell = node.data === null && node.dir.layer.blocksTell !== null;
  const stored = blocksTell ? Math.min(size, blocks * 512) : size;
  return copiedFile(u, node, { from: dataPlace(u, node), length: size, stored, empty: wanted.empty, target });
}

/** A lower file without a name (removed, but open) goes on as an unnamed file of the upper. */
function keepNameless(u: Union, node: FileNode, made: { fd: number; name: string }, work: Workdir): void {
  const fd = openAtPlace(u, made, O_PATH);
  node.orphan?.close();
  node.orphan = new OwnedFd(u.sys, check(fd, 'copy-up of a removed file'));
  // Its link count was the lower's, less its names; on the host it now has none.
  node.extraLinks = 0;
  node.dir = new LayerDir(scratchLayer('workdir', work.fd), null, '');
  node.data = null;
  swapHandles(u, node);
}

/** A symlink, device, fifo or socket under a temporary name. */
function makeSpecial(u: Union, work: Workdir, from: Place, stat: Stat): string {
  const name = work.temporary();
  if ((stat.mode & S_IFMT) === S_IFLNK) {
    const target = u.sys.readlinkAt(from.fd, from.name);
    if (typeof target === 'number') throw new ErrnoError(-target, 'copy-up readlink');
    check(u.sys.symlinkAt(target, work.fd, name), 'copy-up symlink');
  } else {
    asServer(u, () => check(u.sys.mknodAt(work.fd, name, stat.mode, stat.rdev), 'copy-up mknod'));
  }
  return name;
}

/** A copy that is ready, the lower's attributes, its name in the index, and where its data is if not in the copy. */
interface Made extends Place {
  readonly stat: Stat;
  readonly indexed: string | null;
  readonly data: FileData | null;
}

/** One link makes the copy the file's truth; then every known name leads to it. */
function publish(u: Union, node: FileNode, made: Made, parentUpper: LayerDir): void {
  const { stat: lower, data, indexed: hex } = made;
  const upperFd = u.dirFds.fd(parentUpper);
  if (hex === null) {
    willHoldCopies(u, node.parent as DirNode);
    markHolder(u, node.parent as DirNode, node);
    keepingTimes(u, node.parent as DirNode, upperFd, () =>
      check(u.sys.linkAt(made.fd, made.name, upperFd, node.name), 'copy-up publish'),
    );
    moveTo(u, node, parentUpper, node.name, data);
    settleEntry(u, node.parent as DirNode, node.name, parentUpper);
  } else {
    const index = u.index as LayerDir;
    // The index's own link counts on the host and is not a name.
    const extra = lower.nlink - 1 + node.extraLinks;
    presetLinks(u, made, extra);
    const linked = u.sys.linkAt(made.fd, made.name, index.layer.fd, hex);
    if (linked < 0 && linked !== -errno.EEXIST) check(linked, 'copy-up index');
    // Another copy that is there already says itself where its data is.
    moveTo(u, node, index, hex, linked < 0 ? undefined : data);
    node.extraLinks = extra;
    node.lowerLinks = lower.nlink;
    if (linked < 0) writeExtraLinks(u, node);
  }
  linkAliases(u, node);
}

function moveTo(u: Union, node: FileNode, dir: LayerDir, base: string, data: FileData | null | undefined): void {
  node.dir = dir;
  node.base = base;
  node.data = data;
  if (node.data === null) swapHandles(u, node);
  const stat = u.scratch;
  const several = node.identities !== null || node.aliases !== null;
  if (several && u.sys.statAt(u.dirFds.fd(dir), base, stat) === 0) identify(u, node, stat.identity());
}

/** `upper` has the file under `name` now. */
export function settleEntry(u: Union, parent: DirNode, name: string, upper: LayerDir): void {
  const entry = namesIn(u, parent).entries.get(name);
  if (entry === undefined) return;
  entry.dir = upper;
  entry.beneath = true;
  entry.closed = true;
  entry.ours = false;
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
    markHolder(u, parent, node);
    const add = (): number => check(u.sys.linkAt(u.dirFds.fd(node.dir), node.base, fd, name), 'copy-up link');
    whileLinking(u, node, () => keepingTimes(u, parent, fd, add));
    settleEntry(u, parent, name, upper);
  }
}
