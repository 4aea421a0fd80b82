// Nodes of which users see what the host has, but for the inode number: the data plane answers for their attributes by
// itself. Whoever makes one of them look otherwise ends that first.

import { S_ISGID, S_ISUID } from '../sys/constants.js';
import type { Stat } from '../sys/stat.js';
import { hidesLinkCount } from './attributes.js';
import type { DirNode, FileHandle } from './inode.js';
import type { Union } from './union.js';

/** A directory of the upper; `valid`: seconds. */
export function mirrorDirectory(u: Union, dir: DirNode, valid: number): void {
  const { upper } = dir;
  if (!u.bare || upper === null || dir.dead || dir.candidates !== null || dir.keptCtime !== null) return;
  const fd = u.dirFds.lend(upper, dir.id);
  dir.mirrored = true;
  const nlink = hidesLinkCount(u, dir) ? 1 : 0;
  u.plane.mirrorDirectory(dir.id, fd, dir.inoLow, dir.inoHigh, nlink, valid, dir.protection === 0);
}

export function unmirror(u: Union, dir: DirNode): void {
  if (!dir.mirrored) return;
  dir.mirrored = false;
  u.plane.unmirror(dir.id);
}

/** A file with the attributes `made` that is new and open for writing: what made it goes on to set its owner, mode and times. */
export function mirrorNew(u: Union, { fh, node, writable }: FileHandle, made: Stat, valid: number): void {
  const plain = node.protection === 0 && (made.mode & (S_ISUID | S_ISGID)) === 0;
  if (u.bare && writable && plain) u.plane.mirror(fh, node.id, node.inoLow, node.inoHigh, valid);
}
