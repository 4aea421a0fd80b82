// Taking names away: unlink and rmdir. A name that a lower layer shows too is replaced by a whiteout
// in the same step; what the kernel still refers to stays reachable until it is forgotten.

import { errno, fail } from '../errno.js';
import { check } from '../sys/check.js';
import { AT_REMOVEDIR, DT_DIR, O_PATH } from '../sys/constants.js';
import { OwnedFd } from '../sys/fd.js';
import { openAtPlace, placeOf } from './attributes.js';
import { indexBeforeLoss, upperOf, writableWork } from './copy-up.js';
import type { LayerDir } from './dir-fds.js';
import { dropIndex, dropName, hardLinkCount } from './hard-links.js';
import { DirNode, type Entry, FileNode, type Inode, WHITEOUT } from './inode.js';
import { writeExtraLinks } from './link-counts.js';
import { namesIn, visibleEntry } from './lookup.js';
import { refuseProtectedName } from './protection.js';
import type { Union } from './union.js';
import { addWhiteout, replaceDirByWhiteout, replaceFileByWhiteout } from './whiteout.js';

/** True when no name of the directory shows. */
export function isEmpty(u: Union, node: DirNode): boolean {
  for (const entry of namesIn(u, node).entries.values()) {
    if (entry.kind !== WHITEOUT) return false;
  }
  return true;
}

/** Opens what the kernel still refers to, before its name goes. */
export function keepReachable(u: Union, node: Inode): void {
  if (node.orphan !== null) return;
  const fd = openAtPlace(u, placeOf(u, node), O_PATH);
  node.orphan = new OwnedFd(u.sys, check(fd, 'keep a removed object'));
}

/** The directory's index no longer shows `name`; a whiteout of the upper may stand there. */
export function leave(dir: DirNode, name: string, entry: Entry, whiteout: boolean): void {
  const index = dir.index;
  dir.keptCtime = null;
  if (entry.node !== null) entry.node.keptCtime = null;
  if (index === null) return;
  if (entry.node !== null) index.liveNodes -= 1;
  entry.node = null;
  if (!whiteout) {
    index.entries.delete(name);
    return;
  }
  entry.kind = WHITEOUT;
  entry.dir = dir.upper ?? entry.dir;
  entry.deeper = null;
  entry.closed = true;
}

export function unlink(u: Union, dir: DirNode, name: string): void {
  const work = writableWork(u);
  const entry = visibleEntry(u, dir, name);
  if (entry === null) throw fail('ENOENT', 'unlink');
  if (entry.kind === DT_DIR) throw fail('EISDIR', 'unlink');
  refuseProtectedName(u, dir, entry.node);
  indexBeforeLoss(u, entry.node);
  const upper = upperOf(u, dir);
  const inUpper = entry.dir.layer.writable;
  const needsWhiteout = entry.beneath || !inUpper;
  const node = entry.node instanceof FileNode ? entry.node : null;
  const takeBack = node === null ? null : beforeNameGoes(u, node, inUpper);
  try {
    if (!inUpper) addWhiteout(u, work, upper, name);
    else if (needsWhiteout) replaceFileByWhiteout(u, work, upper, name);
    else check(u.sys.unlinkAt(u.dirFds.fd(upper), name, 0), 'unlink');
  } catch (error) {
    takeBack?.();
    throw error;
  }
  leave(dir, name, entry, needsWhiteout);
  if (node !== null) afterName(u, node, dir, name, inUpper);
}

/**
 * Keeps a file reachable whose last known name is about to go, and lowers the link count that lower
 * names have. Returns what takes that back when the name stayed after all.
 */
export function beforeNameGoes(u: Union, node: FileNode, inUpper: boolean): () => void {
  const held = node.aliases === null && inUpper && node.orphan === null;
  if (held) keepReachable(u, node);
  if (!inUpper) {
    node.extraLinks -= 1;
    writeExtraLinks(u, node);
  }
  return () => {
    if (held) {
      node.orphan?.close();
      node.orphan = null;
    }
    if (inUpper) return;
    node.extraLinks += 1;
    writeExtraLinks(u, node);
  };
}

/** After a name of `node` went: its place is another name, or the descriptor kept before. */
export function afterName(u: Union, node: FileNode, dir: DirNode, name: string, inUpper: boolean): void {
  dropName(node, dir, name);
  const index = u.index;
  const parent = node.parent;
  if (parent === null) {
    const stat = u.scratch;
    const place = placeOf(u, node);
    if (node.dir !== index || u.sys.statAt(place.fd, place.name, stat) < 0) return;
    // The index's own link is the last one: no name shows the file any more.
    if (hardLinkCount(node, stat.nlink) <= 0) dropIndex(u, node);
    return;
  }
  const movesAway = inUpper && node.dir.layer.writable && node.dir !== index;
  if (movesAway && parent.upper !== null) {
    node.dir = parent.upper;
    node.base = node.name;
  }
}

export function rmdir(u: Union, dir: DirNode, name: string): void {
  const work = writableWork(u);
  const entry = visibleEntry(u, dir, name);
  if (entry === null) throw fail('ENOENT', 'rmdir');
  if (entry.kind !== DT_DIR) throw fail('ENOTDIR', 'rmdir');
  const node = entry.node;
  if (!(node instanceof DirNode)) throw fail('ESTALE', 'rmdir of a directory the kernel does not know');
  refuseProtectedName(u, dir, node);
  if (!isEmpty(u, node)) throw fail('ENOTEMPTY', 'rmdir');
  const upper = upperOf(u, dir);
  const inUpper = entry.dir.layer.writable;
  const needsWhiteout = entry.beneath || !inUpper;
  keepReachable(u, node);
  try {
    if (!inUpper) addWhiteout(u, work, upper, name);
    else if (needsWhiteout) replaceDirByWhiteout(u, work, upper, name);
    else removeUpperDir(u, upper, name, node);
  } catch (error) {
    node.orphan?.close();
    node.orphan = null;
    throw error;
  }
  leave(dir, name, entry, needsWhiteout);
  bury(u, node);
}

/** An empty directory of the upper; whiteouts inside (of layers that no longer count) go with it. */
function removeUpperDir(u: Union, upper: LayerDir, name: string, node: DirNode): void {
  const fd = u.dirFds.fd(upper);
  const hidden = namesIn(u, node).entries.size > 0;
  const removed = hidden ? -errno.ENOTEMPTY : u.sys.unlinkAt(fd, name, AT_REMOVEDIR);
  if (removed === 0) return;
  const work = writableWork(u);
  const trash = work.temporary();
  check(u.sys.renameAt(fd, name, work.fd, trash, 0), 'rmdir');
  work.discard(trash);
}

/** `node` has no place in the tree any more. */
export function bury(u: Union, node: DirNode): void {
  node.dead = true;
  node.parent = null;
  u.negatives.unlearn(node);
  u.rowNodes.drop(u, node);
  node.index = null;
  for (const part of node.stack) u.dirFds.drop(part);
}
