// RENAME_WHITEOUT asked for by users, which an overlay nested in this mount does: the old name is left
// with a device 0:0. Put together from an exchange, or from two steps where the new name is taken.

import { fail } from '../errno.js';
import { RENAME_EXCHANGE, RENAME_NOREPLACE } from '../sys/constants.js';
import type { Stat } from '../sys/stat.js';
import { upperOf } from './copy-up.js';
import { mknodNested } from './create.js';
import { forgetNode } from './forget.js';
import type { DirNode, Inode } from './inode.js';
import { namesIn, visibleEntry } from './lookup.js';
import { markAsHolder } from './nested-whiteout.js';
import { unlink } from './remove.js';
import { rename } from './rename.js';
import type { Caller, Union } from './union.js';

/** A name in a directory. */
export interface Name {
  readonly dir: DirNode;
  readonly name: string;
}

/** `scratch` is overwritten. */
export function renameLeavingWhiteout(
  u: Union,
  from: Name,
  to: Name,
  flags: number,
  caller: Caller,
  scratch: Stat,
): void {
  if ((flags & ~RENAME_NOREPLACE) !== 0) throw fail('EINVAL', 'rename flags');
  if (visibleEntry(u, from.dir, from.name) === null) throw fail('ENOENT', 'rename');
  const isTaken = visibleEntry(u, to.dir, to.name) !== null;
  if (isTaken && flags === RENAME_NOREPLACE) throw fail('EEXIST', 'rename');
  if (isTaken) replaceLeavingWhiteout(u, from, to, caller, scratch);
  else swapWithWhiteout(u, from, to, caller, scratch);
}

/** A crash in between leaves a whiteout that hides nothing at the new name. */
function swapWithWhiteout(u: Union, from: Name, to: Name, caller: Caller, scratch: Stat): void {
  let whiteout: Inode | null = null;
  try {
    whiteout = mknodNested(u, to.dir, to.name, 0, caller, scratch);
    rename(u, from.dir, from.name, to.dir, to.name, RENAME_EXCHANGE);
  } catch (error) {
    if (visibleEntry(u, to.dir, to.name) !== null) unlink(u, to.dir, to.name);
    throw error;
  } finally {
    if (whiteout !== null) forgetUnknown(u, whiteout);
  }
}

/** A crash in between leaves the old name without its whiteout. */
function replaceLeavingWhiteout(u: Union, from: Name, to: Name, caller: Caller, scratch: Stat): void {
  namesIn(u, from.dir);
  upperOf(u, from.dir);
  markAsHolder(u, from.dir);
  rename(u, from.dir, from.name, to.dir, to.name, 0);
  forgetUnknown(u, mknodNested(u, from.dir, from.name, 0, caller, scratch));
}

/** No reply carries the whiteout's node: the kernel will never forget it. */
function forgetUnknown(u: Union, node: Inode): void {
  if (node.nlookup === 0) forgetNode(u, node);
}
