// Owner, mode and extended attributes of a copy, in the order in which one does not undo another:
// owner (clears setuid and capabilities), xattrs, mode. Times are the caller's, last of all.

import { Buffer } from 'node:buffer';
import { ErrnoError, errno } from '../errno.js';
import { log } from '../log.js';
import { check } from '../sys/check.js';
import { takeTimes } from '../sys/compound.js';
import { S_IFLNK, S_IFMT } from '../sys/constants.js';
import type { Examined } from '../sys/examined.js';
import { shown } from '../sys/name.js';
import { Stat } from '../sys/stat.js';
import { type Place, placeOf } from './attributes.js';
import { DirNode, type Inode } from './inode.js';
import { keepCtime, showCtime } from './kept-ctime.js';
import type { Layer } from './layers.js';
import { unmirror } from './mirrors.js';
import { dialects, privateName, visibleName } from './private-xattrs.js';
import { staysBehind } from './privileges.js';
import type { Union } from './union.js';

/** Attributes that the host makes itself, or whose loss a copy may bear where the host refuses them. */
function mayBeLost(key: string): boolean {
  return key.startsWith('security.selinux') || key.startsWith('security.ima') || key.startsWith('security.evm');
}

/** Gives `to` all attributes of `from`, which is in `layer` and was `examined`, and its origin: the times too. */
export function copyExamined(
  u: Union,
  layer: Layer,
  from: Place,
  examined: Examined,
  to: Place,
  origin: Uint8Array | null,
): void {
  const { stat, hasXattrs } = examined;
  let owned = stat.uid === u.features.uid && stat.gid === u.features.gid;
  if (hasXattrs) {
    if (!owned) check(u.sys.chownAt(to.fd, to.name, stat.uid, stat.gid), 'copy-up chown');
    owned = true;
    copyXattrs(u, layer, from, to);
  }
  if (origin !== null && carriesPrivate(u, stat)) setPrivate(u, to, 'origin', origin);
  check(u.sys.takeAttributes(to.fd, to.name, stat, !owned), 'copy-up attributes');
}

/** Gives `to` the owner, xattrs and mode of `from`, which is in `layer`, and its origin. */
export function copyMetadata(
  u: Union,
  layer: Layer,
  from: Place,
  to: Place,
  stat: Stat,
  origin: Uint8Array | null,
): void {
  const own = stat.uid === u.features.uid && stat.gid === u.features.gid;
  if (!own) check(u.sys.chownAt(to.fd, to.name, stat.uid, stat.gid), 'copy-up chown');
  copyXattrs(u, layer, from, to);
  if ((stat.mode & S_IFMT) !== S_IFLNK) check(u.sys.chmodAt(to.fd, to.name, stat.mode & 0o7777), 'copy-up chmod');
  if (origin !== null && carriesPrivate(u, stat)) setPrivate(u, to, 'origin', origin);
}

function copyXattrs(u: Union, layer: Layer, from: Place, to: Place): void {
  const keys = u.sys.listXattr(from.fd, from.name);
  if (typeof keys === 'number') {
    if (keys === -errno.EOPNOTSUPP) return;
    throw new ErrnoError(-keys, 'copy-up listxattr');
  }
  for (const key of keys) {
    if (visibleName(key) === undefined || staysBehind(layer, key)) continue;
    const value = u.sys.getXattr(from.fd, from.name, key);
    if (typeof value === 'number') {
      if (value === -errno.ENODATA) continue;
      throw new ErrnoError(-value, `copy-up getxattr ${key}`);
    }
    const result = u.sys.setXattr(to.fd, to.name, key, value, 0);
    if (result === -errno.EOPNOTSUPP || (result < 0 && mayBeLost(key))) {
      log.once('warn', `copy-up ${key}`, `upperdir does not take ${key}: copies lose it`);
    } else check(result, `copy-up setxattr ${key}`);
  }
}

/** Linux gives user.* attributes to regular files and directories only. */
export function carriesPrivate(u: Union, stat: Stat): boolean {
  return u.features.dialect !== 'user' || stat.isRegular || stat.isDirectory;
}

/** A copy-up shows in no time that users see. */
export function keepTimes(u: Union, node: Inode, before: Stat): void {
  const place = placeOf(u, node);
  const real = u.scratch;
  if (u.sys.statAt(place.fd, place.name, real) !== 0) return;
  if (node instanceof DirNode) unmirror(u, node);
  keepCtime(node, before, real);
}

/** Gives what is at `fd`/`name` the times of `from`; 0 or -errno. */
export function setTimes(u: Union, fd: number, name: string, from: Stat): number {
  return takeTimes(u.sys, fd, name, from);
}

const [before, after, made] = [new Stat(), new Stat(), new Stat()];

/**
 * `give` puts a copy named `name` into `parent`, which shows in no time of `parent` that users see. Returns the copy's
 * attributes, good until the next one is put; all zeros where they cannot be told.
 */
export function giveQuietly(
  u: Union,
  parent: DirNode,
  name: string,
  give: (before: Stat, after: Stat, made: Stat) => number,
): Stat {
  check(give(before, after, made), () => `copy-up ${shown(name)}`);
  showCtime(parent, before);
  if (after.mode !== 0) {
    unmirror(u, parent);
    keepCtime(parent, before, after);
  }
  return made;
}

/** `node`, whose copy has the attributes `real` if they could be told, shows the ctime of `lower`. */
export function keepToldTimes(node: Inode, lower: Stat, real: Stat): void {
  if (real.mode !== 0) keepCtime(node, lower, real);
}

/** Sets a private attribute: 0 or -errno; EOPNOTSUPP where the host has no namespace for them. */
export function writePrivate(u: Union, to: Place, suffix: string, value: Uint8Array): number {
  if (u.features.dialect === null) return -errno.EOPNOTSUPP;
  return u.sys.setXattr(to.fd, to.name, privateName(u.features.dialect, suffix), value, 0);
}

/** The same as best effort, counted in the log. */
export function setPrivate(u: Union, to: Place, suffix: string, value: Uint8Array): boolean {
  if (u.features.dialect === null) return false;
  const result = writePrivate(u, to, suffix, value);
  if (result < 0) log.once('warn', `private ${suffix}`, `upperdir does not take the ${suffix} mark (${result})`);
  return result === 0;
}

const yes = Buffer.from('y');
/** Answers of a host that has no such mark, or shows this server none. */
const none = new Set([-errno.ENODATA, -errno.EOPNOTSUPP, -errno.EPERM, -errno.EACCES]);

/**
 * Says on disk that `dir` holds entries whose numbers are another layer's; throws where that cannot be
 * kept. A host without such marks keeps no origins either.
 */
export function markImpure(u: Union, dir: DirNode): void {
  const upper = dir.upper;
  if (upper === null || dir.index === null || dir.index.impure) return;
  const result = writePrivate(u, { fd: u.dirFds.fd(upper), name: '' }, 'impure', yes);
  if (result !== -errno.EOPNOTSUPP && result !== -errno.EPERM) check(result, 'impure mark');
  dir.index.impure = true;
  upper.impure = true;
}

/** A listing has found `dir` empty: nothing in it has a number of another layer's. Best effort, the mark only costs time. */
export function unmarkImpure(u: Union, dir: DirNode): void {
  const { upper, index } = dir;
  if (upper === null || index === null || !index.impure || index.entries.size > 0) return;
  const fd = u.dirFds.fd(upper);
  const before = new Stat();
  if (u.sys.statAt(fd, '', before) < 0) return;
  showCtime(dir, before);
  const removed = dialects('impure').map((key) => u.sys.removeXattr(fd, '', key));
  if (removed.some((result) => result < 0 && !none.has(result))) return;
  index.impure = false;
  upper.impure = false;
  keepTimes(u, dir, before);
}
