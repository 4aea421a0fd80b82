// Copy-up: a lower object gets its copy in the upper, prepared in the workdir and published by one
// link or rename, so that a crash leaves either the lower's or the whole copy. Parents come first.

import { ErrnoError, errno, fail } from '../errno.js';
import { check } from '../sys/check.js';
import { O_PATH, S_IFLNK, S_IFMT, S_IFREG } from '../sys/constants.js';
import { Examined } from '../sys/examined.js';
import { OwnedFd } from '../sys/fd.js';
import { shown } from '../sys/name.js';
import type { Stat } from '../sys/stat.js';
import { openAtPlace, type Place, placeOf } from './attributes.js';
import { asServer } from './caller.js';
import { type Change, completeCopy, dataLeftBehind, markedFile, sparesData, swapHandles } from './complete-copy.js';
import { copiedAtOnce, copiedFile, dropCopy, orderCopy, scratchFile } from './copy-data.js';
import { carriesPrivate, copyExamined, giveQuietly, keepTimes, keepToldTimes, markImpure } from './copy-metadata.js';
import { LayerDir } from './dir-fds.js';
import { identify, indexName, namesOf } from './hard-links.js';
import { OVERFLOW_ID } from './ids-mapping.js';
import { DirNode, type Entry, type FileData, FileNode, type Inode, takeNumber } from './inode.js';
import { keepFlags } from './kept-flags.js';
import { scratchLayer } from './layers.js';
import { presetLinks, whileLinking, writeExtraLinks } from './link-counts.js';
import { namesIn } from './lookup.js';
import { dataOfExamined, dataPlace } from './metacopy.js';
import { markHolder } from './nested-whiteout.js';
import { originOfCopy, originOfExamined } from './origin.js';
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

/** Records that are free: each is memory outside of the heap, which is dear to get and to collect. */
const records: Examined[] = [];

/** Runs `use` with what is at `place`, which belongs to `node`; throws where its owner cannot be given to a copy. */
function examined(u: Union, place: Place, node: Inode, use: (found: Examined) => void): void {
  const found = records.pop() ?? new Examined();
  found.forget();
  try {
    check(u.sys.examine(place.fd, place.name, found), () => `stat ${shown(node.name)}`);
    const { uid, gid, unmapped } = found.stat;
    const overflow = u.features.overflowIds && (uid === OVERFLOW_ID || gid === OVERFLOW_ID);
    // The copy would belong to somebody else.
    if (overflow || unmapped) throw fail('EOVERFLOW', 'copy-up of an unmapped owner');
    use(found);
  } finally {
    if (found.fd >= 0) u.sys.close(found.fd);
    records.push(found);
  }
}

function copyDirectory(u: Union, work: Workdir, node: DirNode): void {
  settleStack(u, node);
  const from = placeOf(u, node);
  examined(u, from, node, (found) => copyFoundDirectory(u, work, node, from, found));
}

function copyFoundDirectory(u: Union, work: Workdir, node: DirNode, from: Place, found: Examined): void {
  const parent = node.parent as DirNode;
  const parentUpper = parent.upper as LayerDir;
  const made = { fd: work.fd, name: work.temporary() };
  try {
    asServer(u, () => check(u.sys.mkdirAt(made.fd, made.name, 0o700), 'copy-up mkdir'));
    const { layer } = node.stack[0] as LayerDir;
    keepProtection(u, node, layer, made, found.stat);
    keepFlags(u, from, found, made);
    copyExamined(u, layer, from, found, made, originOfExamined(u.sys, layer, found));
    willHoldCopies(u, parent);
    const upperFd = u.dirFds.fd(parentUpper);
    const published = giveQuietly(u, parent, node.name, (before, after, stat) =>
      u.sys.renameQuietly(made.fd, made.name, upperFd, node.name, before, after, stat),
    );
    keepToldTimes(node, found.stat, published);
  } catch (error) {
    work.discard(made.name);
    throw error;
  }
  coverDirectory(node, namesIn(u, parent).entries.get(node.name), parentUpper);
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
  const made = { fd: work.fd, name: work.temporary() };
  const { layer } = node.stack[0] as LayerDir;
  examined(u, from, node, (found) => {
    asServer(u, () => check(u.sys.mkdirAt(made.fd, made.name, 0o700), 'copy-up mkdir'));
    try {
      copyExamined(u, layer, from, found, made, null);
      const fd = check(openAtPlace(u, made, O_PATH), 'copy-up of a removed directory');
      node.orphan?.close();
      node.orphan = new OwnedFd(u.sys, fd);
    } finally {
      work.discard(made.name);
    }
  });
  node.stack = [new LayerDir(scratchLayer('workdir', made.fd), null, made.name)];
}

function copyFile(u: Union, work: Workdir, node: FileNode, change: Change): void {
  const parentUpper = node.parent === null ? null : upperOf(u, node.parent);
  // Where the names beside it are still to be read, that is waited for before a copy is made.
  if (node.parent !== null) namesIn(u, node.parent);
  const from = { fd: u.dirFds.fd(node.dir), name: node.base };
  examined(u, from, node, (found) => copyFound(u, work, node, change, from, found, parentUpper));
}

function copyFound(
  u: Union,
  work: Workdir,
  node: FileNode,
  change: Change,
  from: Place,
  found: Examined,
  parentUpper: LayerDir | null,
): void {
  const { stat } = found;
  const { layer } = node.dir;
  const regular = node.format === S_IFREG;
  if (regular) dataOfExamined(u, node, found);
  const data = regular && sparesData(u, node, change) ? dataLeftBehind(u, node, stat) : null;
  const temporary = regular ? null : makeSpecial(u, work, from, stat);
  const fd = regular ? newFile(u, work, node, { found, data, empty: change === 'empty' }) : null;
  const made = fd === null ? { fd: work.fd, name: temporary as string } : { fd: fd.fd, name: '' };
  try {
    const indexed = stat.nlink > 1 && carriesPrivate(u, stat) ? indexName(u, node.dir, node.base) : null;
    // A copy that leaves its hard links behind is a file of its own.
    const hasOrigin = stat.nlink === 1 || indexed !== null;
    const origin = hasOrigin ? originOfCopy(u, layer, from, found) : null;
    keepProtection(u, node, layer, made, stat);
    keepFlags(u, from, found, made);
    copyExamined(u, layer, from, found, made, origin);
    if (fd !== null && data === null) orderCopy(u, fd.fd);
    if (parentUpper === null) keepNameless(u, node, made, work);
    else publish(u, node, { fd: made.fd, name: made.name, stat, data, indexed }, parentUpper);
    // Without one name of its own the copy was published elsewhere, or is linked to more names.
    if (parentUpper === null || indexed !== null || node.aliases !== null) keepTimes(u, node, stat);
  } finally {
    if (temporary !== null) u.sys.unlinkAt(work.fd, temporary, 0);
    fd?.close();
    dropCopy(node);
  }
}

/** What a copy is to hold: the attributes of `found`, and its own data unless that stays at `data`. */
interface Wanted {
  readonly found: Examined;
  readonly data: FileData | null;
  readonly empty: boolean;
}

function newFile(u: Union, work: Workdir, node: FileNode, wanted: Wanted): OwnedFd {
  const { size, blocks } = wanted.found.stat;
  if (wanted.data !== null) return markedFile(u, work, size);
  const blocksTell = node.data === null && node.dir.layer.blocksTell !== null;
  const stored = blocksTell ? Math.min(size, blocks * 512) : size;
  const atOnce =
    wanted.empty || node.data !== null
      ? null
      : copiedAtOnce(u, work, node, { fd: wanted.found.fd, size, stored, solid: blocksTell && stored === size });
  if (atOnce !== null) return atOnce;
  const target = (): OwnedFd => scratchFile(u, work);
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
    const published = giveQuietly(u, node.parent as DirNode, node.name, (before, after, stat) =>
      u.sys.linkQuietly(made.fd, made.name, upperFd, node.name, before, after, stat),
    );
    keepToldTimes(node, lower, published);
    moveTo(u, node, parentUpper, node.name, data);
    settleEntry(u, node.parent as DirNode, node.name, parentUpper);
  } else {
    const index = u.index as LayerDir;
    // The index's own link counts on the host and is not a name.
    const extra = lower.nlink - 1 + node.extraLinks;
    presetLinks(u, made, extra);
    const linked = u.sys.linkAt(made.fd, made.name, index.layer.fd, hex);
    if (linked < 0 && linked !== -errno.EEXIST) check(linked, 'copy-up index');
    u.indexed = true;
    // Any lower file with several links may be that copy from now on.
    u.plane.allowLinks(false);
    // Another copy that is there already says itself where its data is.
    moveTo(u, node, index, hex, linked < 0 ? undefined : data);
    node.extraLinks = extra;
    node.lowerLinks = lower.nlink;
    if (linked < 0) writeExtraLinks(u, node);
  }
  if (hex !== null || node.aliases !== null) linkAliases(u, node);
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
    const from = u.dirFds.fd(node.dir);
    whileLinking(u, node, () => {
      giveQuietly(u, parent, name, (before, after, stat) =>
        u.sys.linkQuietly(from, node.base, fd, name, before, after, stat),
      );
    });
    settleEntry(u, parent, name, upper);
  }
}
