// A char 0:0 that a user makes is a whiteout of an overlay nested in this mount, not one of ours. It is
// kept as kernel overlayfs nests whiteouts, escaped: an empty file with the xattr `overlay.whiteout`
// in a directory whose `overlay.opaque` is set. Users see the device.

import { Buffer } from 'node:buffer';
import { ErrnoError, fail } from '../errno.js';
import { DT_CHR, S_IFCHR, S_IFMT, S_IFREG } from '../sys/constants.js';
import type { Stat } from '../sys/stat.js';
import { DirNode, FileNode, type Inode } from './inode.js';
import { privateName, storedName, visibleName } from './private-xattrs.js';
import type { Union } from './union.js';

const inBothDialects = (suffix: string): readonly string[] =>
  (['trusted', 'user'] as const).map((dialect) => storedName(privateName(dialect, suffix)) as string);

const whiteoutNames = inBothDialects('whiteout');
const opaqueNames = inBothDialects('opaque');
/** Tells the device from an empty file that a user marked himself. Overlayfs asks only whether there is a value. */
export const DEVICE = Buffer.from('char');
/** Overlayfs's value for "holds whiteouts of this form". */
export const HOLDER = Buffer.from('x');

/** Whether a directory with these xattrs may hold some; the value does not matter: nested opaque directories may. */
export function mayHoldNested(xattrs: readonly string[]): boolean {
  return opaqueNames.some((key) => xattrs.includes(key));
}

/** Whether the empty regular file at `fd`/`name` is one. */
export function isNested(sys: Union['sys'], fd: number, name: string): boolean {
  return whiteoutNames.some((key) => {
    const value = sys.getXattr(fd, name, key);
    return typeof value !== 'number' && DEVICE.equals(value);
  });
}

/** The name that `suffix` has in the dialect which is written; EPERM where the host takes no such xattrs. */
function written(u: Union, suffix: string): string {
  if (u.features.dialect === null) throw fail('EPERM', 'char 0:0 where xattrs cannot be stored');
  return storedName(privateName(u.features.dialect, suffix)) as string;
}

/** Makes one at `fd`/`name`, a place that nobody sees yet: 0 or -errno. */
export function makeNested(u: Union, fd: number, name: string, mode: number): number {
  const made = u.sys.mknodAt(fd, name, S_IFREG | (mode & 0o7777), 0);
  return made < 0 ? made : u.sys.setXattr(fd, name, written(u, 'whiteout'), DEVICE, 0);
}

/** Before `dir`, which is in the upper, gets `node` as a name: readers look for such whiteouts only where told. */
export function markHolder(u: Union, dir: DirNode, node: Inode | null): void {
  if (node instanceof FileNode && node.isNestedWhiteout) markAsHolder(u, dir);
}

/** After users removed the xattr `key` of `node`: the mark is one they can see, and a nested overlay takes it away. */
export function restoreMark(u: Union, node: Inode, key: string): void {
  const isMark = node instanceof DirNode && opaqueNames.some((stored) => visibleName(stored) === key);
  if (!isMark || node.index === null) return;
  node.index.holdsNested = false;
  for (const [name, { kind, dir }] of node.index.entries.named()) {
    const device = kind === DT_CHR && dir.layer.writable;
    if (device && isNested(u.sys, u.dirFds.fd(dir), name)) markAsHolder(u, node);
  }
}

/** Before `dir` gets one that is about to be made; true when the mark is new. */
export function markAsHolder(u: Union, dir: DirNode): boolean {
  const { upper } = dir;
  if (upper === null || dir.index?.holdsNested === true) return false;
  const fd = u.dirFds.fd(upper);
  const key = written(u, 'opaque');
  const isNew = typeof u.sys.getXattr(fd, '', key) === 'number';
  if (isNew) {
    const marked = u.sys.setXattr(fd, '', key, HOLDER, 0);
    if (marked < 0) throw new ErrnoError(-marked, 'mark for nested whiteouts');
  }
  if (dir.index !== null) dir.index.holdsNested = true;
  return isNew;
}

/** Takes a new mark back: nothing was made. Best effort, a mark too many only costs readers time. */
export function unmark(u: Union, dir: DirNode): void {
  if (dir.upper === null || dir.index === null) return;
  u.sys.removeXattr(u.dirFds.fd(dir.upper), '', written(u, 'opaque'));
  dir.index.holdsNested = false;
}

/** Whether an entry of this kind, whose host attributes are `stat`, is one. */
export function looksNested(kind: number, stat: Stat): boolean {
  return kind === DT_CHR && (stat.mode & S_IFMT) === S_IFREG;
}

/** Turns the host's attributes of one into the device's. */
export function presentNested(stat: Stat): void {
  stat.mode = S_IFCHR | (stat.mode & 0o7777);
}

/** The xattr by which it is stored is not the user's. */
export function hidesXattr(node: Inode, key: string): boolean {
  return (
    node instanceof FileNode && node.isNestedWhiteout && whiteoutNames.some((stored) => visibleName(stored) === key)
  );
}
