// The link counts of files with several names, kept with their copies in WORK/index: what users see is
// the host's count and a stored difference, in kernel overlayfs's `nlink` attribute.

import { Buffer } from 'node:buffer';
import { errno } from '../errno.js';
import { log } from '../log.js';
import { check } from '../sys/check.js';
import type { Place } from './attributes.js';
import { writePrivate } from './copy-metadata.js';
import type { FileNode } from './inode.js';
import { dialects } from './private-xattrs.js';
import type { Union } from './union.js';

const nlinkNames = dialects('nlink');

/** Reads the persistent link count of an indexed file: what to add to the host's count. */
export function readExtraLinks(u: Union, fd: number, name: string, upperLinks: number, lowerLinks: number): number {
  for (const key of nlinkNames) {
    const raw = u.sys.getXattr(fd, name, key);
    if (typeof raw === 'number') continue;
    const match = /^([UL])([+-]\d+)/.exec(Buffer.from(raw).toString('latin1'));
    if (match === null) continue;
    const base = match[1] === 'U' ? upperLinks : lowerLinks;
    return base + Number(match[2]) - upperLinks;
  }
  return 0;
}

/** The count that users see is the host's count of the `U`pper copy, or of the `L`ower file, and `more`. */
function writeLinks(u: Union, at: Place, of: 'U' | 'L', more: number): number {
  return writePrivate(u, at, 'nlink', Buffer.from(`${of}${more < 0 ? '-' : '+'}${Math.abs(more)}`, 'latin1'));
}

/** Stores the link count of a copy that is about to be the index's. */
export function presetLinks(u: Union, made: Place, more: number): void {
  const written = writeLinks(u, made, 'U', more);
  if (written !== -errno.EOPNOTSUPP) check(written, 'copy-up link count');
}

/** Stores the link count: host links that are not names, and names that are not host links. */
export function writeExtraLinks(u: Union, node: FileNode): void {
  const index = u.index;
  if (index == null || node.dir !== index) return;
  const written = writeLinks(u, { fd: index.layer.fd, name: node.base }, 'U', node.extraLinks);
  if (written < 0) log.once('warn', 'index.nlink', `index: link count of ${node.base} not stored (${written})`);
}

/**
 * `add` gives a lower name its host link, which changes no count that users see: meanwhile the count
 * is told by the lower file's, so that a crash on either side of the link finds it right.
 */
export function whileLinking(u: Union, node: FileNode, add: () => void): void {
  const index = u.index;
  if (index == null || node.dir !== index) {
    add();
    return;
  }
  const place = { fd: index.layer.fd, name: node.base };
  const stat = u.scratch;
  check(u.sys.statAt(place.fd, place.name, stat), 'stat index');
  const written = writeLinks(u, place, 'L', stat.nlink + node.extraLinks - node.lowerLinks);
  if (written !== -errno.EOPNOTSUPP) check(written, 'copy-up link count');
  add();
  node.extraLinks -= 1;
  writeExtraLinks(u, node);
}
