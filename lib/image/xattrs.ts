// Which extended attributes go into a layer tar, and under which names they are stored when one is unpacked. The host's
// own labels stay on the host, the union's marks in the layer.

import { errno } from '../errno.js';
import { checkData } from '../sys/check.js';
import { placeOf } from '../union/attributes.js';
import { FileNode, type Inode } from '../union/inode.js';
import type { Layer } from '../union/layers.js';
import { hidesXattr } from '../union/nested-whiteout.js';
import { storedName, visibleName } from '../union/private-xattrs.js';
import { staysBehind } from '../union/privileges.js';
import type { Union } from '../union/union.js';

const ACLS = new Set(['system.posix_acl_access', 'system.posix_acl_default']);
/** Labels of this host's policy; measurements that hold for this host's keys. */
const HOST_ONLY = new Set([
  'security.selinux',
  'security.evm',
  'security.ima',
  'security.apparmor',
  'security.SMACK64',
]);

/** Whether the attribute is part of a file rather than of where it lies. */
export function travels(name: string): boolean {
  return !HOST_ONLY.has(name) && (!name.startsWith('system.') || ACLS.has(name));
}

/** Where an attribute of an archive is stored; undefined when it stays out. A name that looks private is escaped. */
export function storedAs(name: string): string | undefined {
  return travels(name) ? storedName(name) : undefined;
}

/** The attributes of `node` that users see, sorted by name. `upper` shows all of its own. */
export function xattrsOf(u: Union, upper: Layer | null, node: Inode): Map<string, Uint8Array> {
  const place = placeOf(u, node);
  const listed = u.sys.listXattr(place.fd, place.name);
  const found = new Map<string, Uint8Array>();
  if (listed === -errno.EOPNOTSUPP) return found;
  const names = checkData(listed, `listxattr ${node.name}`);
  if (names.length === 0) return found;
  const isKept = (name: string): boolean => {
    const left = node instanceof FileNode && node.dir.layer !== upper && staysBehind(node.dir.layer, name);
    return travels(name) && !left && !hidesXattr(node, name);
  };
  const pairs = names.map((stored) => ({ stored, name: visibleName(stored) ?? '' }));
  for (const { stored, name } of pairs.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (name !== '' && isKept(name)) found.set(name, checkData(u.sys.getXattr(place.fd, place.name, stored), stored));
  }
  return found;
}
