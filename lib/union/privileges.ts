// Taking setuid, setgid and file capabilities away, as Linux does when somebody without the privilege
// changes a file's contents or owner.

import { errno } from '../errno.js';
import { check } from '../sys/check.js';
import { S_ISGID, S_ISUID } from '../sys/constants.js';
import type { Stat } from '../sys/stat.js';
import { placeOf } from './attributes.js';
import { NO_ID } from './ids-mapping.js';
import type { Inode } from './inode.js';
import type { Layer } from './layers.js';
import type { Union } from './union.js';

/** Who changes a file. */
export interface Changer {
  readonly uid: number;
  readonly gid: number;
  readonly pid: number;
}

/** Somebody of whom nothing is known: a member of no group. */
export const unknownChanger: Changer = { uid: NO_ID, gid: NO_ID, pid: 0 };

/** The server itself. */
export const trustedChanger: Changer = { uid: 0, gid: 0, pid: 0 };

/**
 * `who` with the ids of its thread where the kernel left them out: of a mount that may be idmapped it
 * tells them only to what makes an inode. A thread that is not to be seen stays without.
 */
export function known(u: Union, who: Changer): Changer {
  if (who.uid !== NO_ID) return who;
  const ids = u.sys.idsOf(who.pid);
  return typeof ids === 'number' ? who : { uid: ids[0] ?? NO_ID, gid: ids[1] ?? NO_ID, pid: who.pid };
}

const CAPABILITY = 'security.capability';

/**
 * Whether the xattr `key` of files of `layer` stays behind: a capability that has no effect where the
 * file is must not get one by being shown here, or by being copied to the upper.
 */
export function staysBehind(layer: Layer, key: string): boolean {
  return layer.nosuid && key === CAPABILITY;
}

/** Without execution by the group, setgid is no privilege; it stays for members. */
function losesSetgid(u: Union, stat: Stat, changer: Changer): boolean {
  if ((stat.mode & S_ISGID) === 0) return false;
  if ((stat.mode & 0o010) !== 0) return true;
  const who = known(u, changer);
  return who.uid !== 0 && who.gid !== stat.gid && u.sys.inGroup(who.pid, stat.gid) !== 1;
}

/** `scratch` is overwritten. */
export function killPrivileges(u: Union, node: Inode, who: Changer, scratch: Stat): void {
  const place = placeOf(u, node);
  check(u.sys.statAt(place.fd, place.name, scratch), 'stat');
  const { mode } = scratch;
  if (scratch.isDirectory) return;
  const kept = mode & ~S_ISUID & (losesSetgid(u, scratch, who) ? ~S_ISGID : ~0);
  const capability = u.sys.getXattr(place.fd, place.name, CAPABILITY);
  if (capability !== -errno.ENODATA) u.sys.removeXattr(place.fd, place.name, CAPABILITY);
  if (kept === mode) return;
  check(u.sys.chmodAt(place.fd, place.name, kept & 0o7777), 'chmod');
  // The kernel would go on to execute the changed contents by the mode it remembers.
  u.staleness.attributes(node);
}

/** The same where the kernel does not say whether `who` has the privilege: root has it. */
export function killUnlessRoot(u: Union, node: Inode, who: Changer, scratch: Stat): void {
  if (known(u, who).uid !== 0) killPrivileges(u, node, who, scratch);
}
