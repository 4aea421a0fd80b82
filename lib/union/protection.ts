// The inode flags "immutable" and "append only". A lower's are the host's own; a file of the upper keeps
// them as kernel overlayfs does, in the `protattr` xattr, and the host's flags are left off, so that the
// union can still give the file names and marks. The kernel's FUSE client enforces neither: this does.

import { Buffer } from 'node:buffer';
import { errno, fail } from '../errno.js';
import { log } from '../log.js';
import { check, checkData } from '../sys/check.js';
import { O_APPEND, O_TRUNC } from '../sys/constants.js';
import { Stat } from '../sys/stat.js';
import { type Place, placeOf } from './attributes.js';
import { writePrivate } from './copy-metadata.js';
import { namesOf } from './hard-links.js';
import { type DirNode, type Entry, FileNode, type Inode } from './inode.js';
import type { Layer } from './layers.js';
import { dialects } from './private-xattrs.js';
import type { Union } from './union.js';

/** As FS_IOC_GETFLAGS and statx have them. */
export const IMMUTABLE = 0x10;
export const APPEND = 0x20;
export const PROTECTING = IMMUTABLE | APPEND;

const protattrNames = dialects('protattr');
const letters: readonly (readonly [string, number])[] = [
  ['i', IMMUTABLE],
  ['a', APPEND],
];

/** What a lookup knows without asking: only a file of an upper that others made may have the xattr. */
export function noteProtection(node: Inode, entry: Entry, stat: Stat): void {
  const asks = (entry.dir.layer.writable || entry.dir.layer.sealed) && !entry.ours;
  if (node.protection === undefined && !asks) node.protection = stat.protection;
}

/** The protecting flags of `node`. */
export function protectionOf(u: Union, node: Inode): number {
  node.protection ??= readProtection(u, placeOf(u, node));
  return node.protection;
}

function readProtection(u: Union, place: Place): number {
  const stat = new Stat();
  check(u.sys.statAt(place.fd, place.name, stat), 'stat');
  const list = u.sys.listXattr(place.fd, place.name);
  if (list === -errno.EOPNOTSUPP) return stat.protection;
  const present = checkData(list, 'listxattr');
  const key = protattrNames.find((name) => present.includes(name));
  const value = key === undefined ? -errno.ENODATA : u.sys.getXattr(place.fd, place.name, key);
  const text = typeof value === 'number' ? '' : Buffer.from(value).toString('latin1');
  return letters.reduce((flags, [letter, flag]) => (text.includes(letter) ? flags | flag : flags), stat.protection);
}

/** Throws EPERM if `node` may not be changed; `adds`: the change takes nothing away. */
export function refuseProtected(u: Union, node: Inode, adds = false): void {
  const flags = protectionOf(u, node);
  if ((flags & IMMUTABLE) !== 0 || ((flags & APPEND) !== 0 && !adds)) throw fail('EPERM', 'protected by chattr');
}

/** Throws EPERM if `node` may not be opened for writing with `flags`. */
export function refuseProtectedOpen(u: Union, node: Inode, flags: number): void {
  refuseProtected(u, node, (flags & (O_APPEND | O_TRUNC)) === O_APPEND);
}

/** Throws EPERM if the name of `node` in `dir` may not go. */
export function refuseProtectedName(u: Union, dir: DirNode, node: Inode | null): void {
  refuseProtected(u, dir);
  if (node !== null) refuseProtected(u, node);
}

/** Stores the flags at `place`, in the upper; 0, or -errno. */
export function storeProtection(u: Union, place: Place, flags: number): number {
  const text = letters.map(([letter, flag]) => ((flags & flag) === 0 ? '' : letter)).join('');
  if (text !== '') return writePrivate(u, place, 'protattr', Buffer.from(text, 'latin1'));
  for (const key of protattrNames) {
    const removed = u.sys.removeXattr(place.fd, place.name, key);
    if (removed < 0 && typeof u.sys.getXattr(place.fd, place.name, key) !== 'number') return removed;
  }
  return 0;
}

/** The copy of `node` at `place` is protected as what it is made from, which is in `layer` and has the attributes `stat`. */
export function keepProtection(u: Union, node: Inode, layer: Layer, place: Place, stat: Stat): void {
  const flags = layer.writable || layer.sealed ? protectionOf(u, node) : stat.protection;
  if (flags === 0) return;
  const result = storeProtection(u, place, flags);
  if (result !== -errno.EOPNOTSUPP) check(result, 'copy-up protattr');
  else log.once('warn', 'protattr', 'upperdir takes no private xattrs: copies lose the flags of chattr');
}

/** `node`, which is in the upper, has the protecting flags `flags` from now on. */
export function protect(u: Union, node: Inode, flags: number): void {
  if (flags === protectionOf(u, node)) return;
  check(storeProtection(u, placeOf(u, node), flags), 'protattr');
  node.protection = flags;
  node.keptCtime = null;
  const names = node instanceof FileNode ? namesOf(node) : [node as { parent: DirNode | null; name: string }];
  for (const { parent, name } of names) {
    const entry = parent?.index?.entries.get(name);
    if (entry !== undefined) entry.ours = false;
  }
}
