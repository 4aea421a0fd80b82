// Users' extended attributes: private ones are hidden, names that look private are escaped, and
// only changes copy up.

import { Buffer } from 'node:buffer';
import { ErrnoError, errno, fail } from '../errno.js';
import { check, checkData } from '../sys/check.js';
import { S_ISGID } from '../sys/constants.js';
import { Stat } from '../sys/stat.js';
import { placeOf } from './attributes.js';
import { copyUp } from './copy-up.js';
import { FileNode, type Inode } from './inode.js';
import { hidesXattr, restoreMark } from './nested-whiteout.js';
import { refusePrivileges } from './open.js';
import { storedName, visibleName } from './private-xattrs.js';
import { type Changer, known, staysBehind, trustedChanger } from './privileges.js';
import { refuseProtected } from './protection.js';
import { isToldLayers, isToldUpper, sealTold, tellLayers, tellUpper } from './told-layers.js';
import type { Union } from './union.js';

/** Where `key` is stored; throws when users may not have it. */
function stored(u: Union, key: string): string {
  if (u.options.noacl && key.startsWith('system.posix_acl')) throw fail('EOPNOTSUPP', key);
  const name = storedName(key);
  if (name === undefined) throw fail('EOPNOTSUPP', `${key} is private to the union`);
  return name;
}

/** Attributes that lie in the layer and are not the user's to see. */
function isHidden(node: Inode, key: string): boolean {
  return hidesXattr(node, key) || (node instanceof FileNode && staysBehind(node.dir.layer, key));
}

export function getXattr(u: Union, node: Inode, key: string, who: Changer | null = null): Uint8Array {
  return checkData(findXattr(u, node, key, who), key);
}

/** The same, or -errno: the kernel asks at each first write and each chown, and mostly there is none. */
export function findXattr(u: Union, node: Inode, key: string, who: Changer | null): Uint8Array | number {
  if (isToldLayers(u, node, key)) return tellLayers(u, key, who);
  if (isToldUpper(u, node, key)) return tellUpper(u, key, who);
  const name = storedName(key);
  if (name === undefined || isHidden(node, key)) return -errno.ENODATA;
  if (u.options.noacl && key.startsWith('system.posix_acl')) return -errno.EOPNOTSUPP;
  const place = placeOf(u, node);
  return u.sys.getXattr(place.fd, place.name, name);
}

/** The names, each followed by a NUL, as listxattr(2) gives them; trusted ones for the privileged only. */
export function listXattr(u: Union, node: Inode, who: Changer = trustedChanger): Uint8Array {
  const place = placeOf(u, node);
  const names = u.sys.listXattr(place.fd, place.name);
  if (names === -errno.EOPNOTSUPP) return new Uint8Array(0);
  const visible = checkData(names, 'listxattr')
    .map(visibleName)
    .filter((name) => name !== undefined)
    .filter((name) => !isHidden(node, name));
  const hasTrusted = visible.some((name) => name.startsWith('trusted.'));
  const hidesTrusted = hasTrusted && known(u, who).uid !== 0;
  const shown = hidesTrusted ? visible.filter((name) => !name.startsWith('trusted.')) : visible;
  return Buffer.from(shown.map((name) => `${name}\0`).join(''), 'latin1');
}

/** `killSetgid`: the caller set an ACL and is not in the file's group. */
export function setXattr(
  u: Union,
  node: Inode,
  key: string,
  value: Uint8Array,
  flags: number,
  killSetgid: boolean,
  who: Changer | null = null,
): void {
  if (isToldUpper(u, node, key)) {
    sealTold(u, key, value, who);
    return;
  }
  const name = stored(u, key);
  refuseProtected(u, node);
  if (isToldLayers(u, node, key)) throw fail('EPERM', `${key} is what the mount says of itself`);
  if (hidesXattr(node, key)) throw fail('EPERM', `${key} of a device`);
  copyUp(u, node, 'attributes');
  const place = placeOf(u, node);
  if (key === 'security.capability' && node instanceof FileNode && (node.backing !== null || u.features.overrides)) {
    check(u.sys.statAt(place.fd, place.name, u.scratch), 'stat');
    refusePrivileges(u, node, u.scratch.uid);
  }
  check(u.sys.setXattr(place.fd, place.name, name, value, flags), key);
  node.keptCtime = null;
  // Linux asks for it with a default ACL too, which gives no rights to anybody.
  if (!killSetgid || key !== 'system.posix_acl_access') return;
  const stat = new Stat();
  check(u.sys.statAt(place.fd, place.name, stat), 'stat');
  if ((stat.mode & S_ISGID) !== 0) check(u.sys.chmodAt(place.fd, place.name, stat.mode & 0o7777 & ~S_ISGID), 'chmod');
}

export function removeXattr(u: Union, node: Inode, key: string): void {
  const name = stored(u, key);
  refuseProtected(u, node);
  if (isHidden(node, key)) throw fail('ENODATA', key);
  const before = placeOf(u, node);
  const present = u.sys.getXattr(before.fd, before.name, name);
  // Nothing to remove, nothing to copy up. Removing an ACL that is not there succeeds on Linux.
  if (typeof present === 'number') {
    if (present === -errno.ENODATA && key.startsWith('system.posix_acl')) return;
    throw new ErrnoError(-present, key);
  }
  copyUp(u, node, 'attributes');
  const place = placeOf(u, node);
  check(u.sys.removeXattr(place.fd, place.name, name), key);
  restoreMark(u, node, key);
  node.keptCtime = null;
}
