// What happens to nodes that the kernel forgets, and to files that it still knows when it forgets a
// directory in which they have a name. Answers nothing.

import { O_PATH, S_IFREG } from '../sys/constants.js';
import { OwnedFd } from '../sys/fd.js';
import { openAtPlace, placeOf } from './attributes.js';
import { dropCopy } from './copy-data.js';
import { withdraw } from './handles.js';
import { dropName, identify, namesOf, unidentify } from './hard-links.js';
import { DirNode, FileNode, type Inode } from './inode.js';
import { detach } from './lookup.js';
import { isInUse } from './row-nodes.js';
import type { Union } from './union.js';

/** Blocks of 512 bytes that are freed sooner than another thread is woken. */
const FEW_BLOCKS = 512;

/** The kernel has forgotten `node`: nothing here remembers it any more. */
export function forgetNode(u: Union, node: Inode): void {
  u.nodes.onLoss(1 + (node instanceof DirNode ? (node.index?.entries.size ?? 0) : 0));
  if (node instanceof FileNode) {
    for (const { parent, name } of namesOf(node)) detach(parent, name, node);
    unidentify(u, node);
    u.rowNodes.setStray(u, node, false);
    dropCopy(node);
    withdraw(u, node);
  } else {
    if (node.parent !== null) detach(node.parent, node.name, node);
    if (node instanceof DirNode) forgetDirectory(u, node);
  }
  const { orphan } = node;
  node.orphan = null;
  if (orphan === null) return;
  if (node instanceof FileNode && node.format === S_IFREG && isLarge(u, orphan.fd)) void u.jobs.close(orphan.release());
  else orphan.close();
}

/** Freeing the blocks of such a file, whose last descriptor may be closed here, takes the host a while. */
function isLarge(u: Union, fd: number): boolean {
  return u.sys.statAt(fd, '', u.scratch) < 0 || u.scratch.blocks > FEW_BLOCKS;
}

function forgetDirectory(u: Union, dir: DirNode): void {
  u.walks.get(dir)?.stepping.giveUp();
  u.walks.delete(dir);
  const { index, singles } = dir;
  const live = index !== null && isInUse(index) ? index.entries.live() : [...(singles?.entries ?? [])];
  for (const [name, entry] of live) {
    if (entry.node instanceof FileNode) loseDirectory(u, entry.node, dir, name);
  }
  u.rowNodes.drop(u, dir);
  for (const part of dir.stack) u.dirFds.drop(part);
  if (index !== null) u.listings.delete(index);
}

/**
 * The kernel knows `file` by another name, or by a descriptor that was opened without one (O_TMPFILE):
 * its name in `dir` would not follow when the directory, looked up anew, is renamed. It is dropped, and
 * found again by the file's identity.
 */
function loseDirectory(u: Union, file: FileNode, dir: DirNode, name: string): void {
  const elsewhere = file.aliases !== null && takeOtherName(file, dir);
  if (!elsewhere && !standAlone(u, file)) return;
  dropName(file, dir, name);
  detach(dir, name, file);
}

/** A file without a name elsewhere is kept by a descriptor. */
function standAlone(u: Union, file: FileNode): boolean {
  if (file.dir === u.index || file.orphan !== null) return true;
  const fd = openAtPlace(u, placeOf(u, file), O_PATH);
  if (fd < 0) return false;
  file.orphan = new OwnedFd(u.sys, fd);
  u.rowNodes.setStray(u, file, true);
  if (u.sys.statAt(fd, '', u.scratch) === 0) identify(u, file, u.scratch.identity());
  return true;
}

/** False when no other name that is known leads to the same layer. */
function takeOtherName(file: FileNode, dir: DirNode): boolean {
  if (!dir.stack.includes(file.dir)) return true;
  for (const { parent, name } of namesOf(file)) {
    const shown = parent === dir ? undefined : parent.index?.entries.get(name)?.dir;
    if (shown === undefined || shown.layer.writable !== file.inUpper) continue;
    file.dir = shown;
    file.base = name;
    return true;
  }
  return false;
}
