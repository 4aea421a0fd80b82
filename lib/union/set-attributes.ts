// chmod, chown, truncate, utimens: copy-up first, then the host's own call on the copy.

import { check } from '../sys/check.js';
import { O_WRONLY, S_IFLNK, S_ISGID, S_ISUID, UTIME_NOW, UTIME_OMIT } from '../sys/constants.js';
import type { Stat } from '../sys/stat.js';
import { getAttributes, openAtPlace, type Place, placeOf } from './attributes.js';
import type { Change } from './complete-copy.js';
import { copyUp } from './copy-up.js';
import { FileNode, type Inode } from './inode.js';
import { refusePrivileges, refuseStale } from './open.js';
import { type Changer, killPrivileges } from './privileges.js';
import { refuseProtected } from './protection.js';
import type { Union } from './union.js';

/** A time to set: seconds since 1970 (may be negative) and nanoseconds, or UTIME_NOW, UTIME_OMIT. */
export interface TimeChange {
  readonly seconds: number;
  readonly nanoseconds: number;
}

export interface AttributeChanges {
  readonly mode?: number;
  /** 0xffffffff leaves it alone. */
  readonly uid?: number;
  readonly gid?: number;
  readonly size?: number;
  readonly atime?: TimeChange;
  readonly mtime?: TimeChange;
  /** Take setuid, setgid and capabilities away: this one changes contents or owner without the privilege to keep them. */
  readonly killPrivileges?: Changer;
  /** The open file that ftruncate came by. */
  readonly fd?: number;
}

const NOBODY = 0xffffffff;
const omit: TimeChange = { seconds: 0, nanoseconds: UTIME_OMIT };

/** Applies `changes` to `node`; its attributes then are in `out`. */
export function setAttributes(u: Union, node: Inode, changes: AttributeChanges, out: Stat): void {
  refuseIfProtected(u, node, changes);
  if (changes.size !== undefined && node instanceof FileNode) refuseStale(u, node);
  copyUp(u, node, changeOf(changes));
  const place = placeOf(u, node);
  // Before the owner changes: membership in the group that the file has had decides.
  if (changes.killPrivileges !== undefined) killPrivileges(u, node, changes.killPrivileges, out);
  if (changes.uid !== undefined || changes.gid !== undefined) {
    check(u.sys.chownAt(place.fd, place.name, changes.uid ?? NOBODY, changes.gid ?? NOBODY), 'chown');
  }
  if (changes.size !== undefined) truncate(u, place, changes.size, changes.fd);
  if (changes.mode !== undefined) changeMode(u, node, place, changes.mode);
  if (changes.atime !== undefined || changes.mtime !== undefined) {
    const { atime = omit, mtime = omit } = changes;
    check(
      u.sys.utimensAt(place.fd, place.name, atime.seconds, atime.nanoseconds, mtime.seconds, mtime.nanoseconds),
      'utimens',
    );
  }
  node.keptCtime = null;
  getAttributes(u, node, out);
}

/** Setting both times to now takes nothing away; what only strips privileges goes with a write that was allowed. */
function refuseIfProtected(u: Union, node: Inode, changes: AttributeChanges): void {
  const { mode, uid, gid, size, atime, mtime } = changes;
  const times = atime !== undefined || mtime !== undefined;
  const touch = atime?.nanoseconds === UTIME_NOW && mtime?.nanoseconds === UTIME_NOW;
  const changed = [mode, uid, gid, size].some((value) => value !== undefined);
  if (changed || times) refuseProtected(u, node, touch && !changed);
}

function changeOf(changes: AttributeChanges): Change {
  if (changes.size === undefined) return 'attributes';
  return changes.size === 0 ? 'empty' : 'data';
}

function changeMode(u: Union, node: Inode, place: Place, mode: number): void {
  if (
    node instanceof FileNode &&
    (mode & (S_ISUID | S_ISGID)) !== 0 &&
    (node.backing !== null || u.features.overrides)
  ) {
    check(u.sys.statAt(place.fd, place.name, u.scratch), 'stat');
    refusePrivileges(u, node, u.scratch.uid);
  }
  // Linux keeps no mode of a symlink; saying so would fail callers that chmod whole trees.
  if (node instanceof FileNode && node.format === S_IFLNK) return;
  check(u.sys.chmodAt(place.fd, place.name, mode & 0o7777), 'chmod');
}

function truncate(u: Union, place: Place, size: number, open: number | undefined): void {
  if (open !== undefined) {
    check(u.sys.ftruncate(open, size), 'ftruncate');
    return;
  }
  const fd = check(openAtPlace(u, place, O_WRONLY), 'truncate');
  const result = u.sys.ftruncate(fd, size);
  u.sys.close(fd);
  check(result, 'truncate');
}
