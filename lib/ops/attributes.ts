// GETATTR, STATX, SETATTR and extended attributes.

import { fail } from '../errno.js';
import { S_IFMT, UTIME_NOW } from '../sys/constants.js';
import { getAttributes } from '../union/attributes.js';
import { DirNode } from '../union/inode.js';
import { mirrorDirectory } from '../union/mirrors.js';
import { type AttributeChanges, setAttributes, type TimeChange } from '../union/set-attributes.js';
import { findXattr, listXattr, removeXattr, setXattr } from '../union/xattrs.js';
import { type Opcode, SETXATTR_ACL_KILL_SGID, SetattrValid } from '../wire/abi.js';
import type { RequestOf } from '../wire/requests.js';
import type { Context } from './context.js';

type Of<K extends keyof typeof Opcode> = RequestOf<(typeof Opcode)[K]>;

/** STATX_BASIC_STATS and STATX_BTIME: what a layer's statx gives. */
const STATX_MASK = 0xfff;

export function onGetattr(c: Context, r: Of<'GETATTR'>): void {
  const node = c.node(r.nodeid);
  getAttributes(c.u, node, c.stat);
  c.attr(node);
  if (node instanceof DirNode) mirrorDirectory(c.u, node, c.validity);
}

export function onStatx(c: Context, r: Of<'STATX'>): void {
  const node = c.node(r.nodeid);
  getAttributes(c.u, node, c.stat);
  c.reply.statx(c.attrValidity(node), STATX_MASK, c.stat.words);
  if (node instanceof DirNode) mirrorDirectory(c.u, node, c.validity);
}

function time(valid: number, set: number, now: number, seconds: number, nanoseconds: number): TimeChange | undefined {
  if ((valid & now) !== 0) return { seconds: 0, nanoseconds: UTIME_NOW };
  return (valid & set) === 0 ? undefined : { seconds, nanoseconds };
}

/** Only what is set is a key. */
function changesOf(c: Context, r: Of<'SETATTR'>): AttributeChanges {
  const { valid, mode, uid, gid, size, fh } = r.body;
  const has = (bit: number): boolean => (valid & bit) !== 0;
  const changes: { -readonly [K in keyof AttributeChanges]: AttributeChanges[K] } = {};
  if (has(SetattrValid.KILL_SUIDGID)) changes.killPrivileges = r;
  if (has(SetattrValid.MODE)) changes.mode = mode & ~S_IFMT;
  if (has(SetattrValid.UID)) changes.uid = uid;
  if (has(SetattrValid.GID)) changes.gid = gid;
  if (has(SetattrValid.SIZE)) changes.size = size;
  const atime = time(valid, SetattrValid.ATIME, SetattrValid.ATIME_NOW, r.body.atime, r.body.atimeNsec);
  if (atime !== undefined) changes.atime = atime;
  const mtime = time(valid, SetattrValid.MTIME, SetattrValid.MTIME_NOW, r.body.mtime, r.body.mtimeNsec);
  if (mtime !== undefined) changes.mtime = mtime;
  const handle = has(SetattrValid.FH) ? c.u.handles.get(fh) : undefined;
  if (handle?.writable) changes.fd = handle.fd;
  return changes;
}

export function onSetattr(c: Context, r: Of<'SETATTR'>): void {
  const node = c.node(r.nodeid);
  setAttributes(c.u, node, changesOf(c, r), c.stat);
  c.attr(node);
  if (node instanceof DirNode) mirrorDirectory(c.u, node, c.validity);
}

/** Size 0 asks how large; a value that is larger than the caller's buffer is ERANGE. */
function sized(c: Context, data: Uint8Array, size: number): void {
  if (size === 0) c.reply.xattrSize(data.length);
  else if (data.length > size) throw fail('ERANGE', 'xattr');
  else c.reply.bytes(data);
}

export function onGetxattr(c: Context, r: Of<'GETXATTR'>): number {
  const value = findXattr(c.u, c.node(r.nodeid), r.body.name, r);
  if (typeof value === 'number') return value;
  sized(c, value, r.body.size);
  return 0;
}

export function onListxattr(c: Context, r: Of<'LISTXATTR'>): void {
  sized(c, listXattr(c.u, c.node(r.nodeid), r), r.body.size);
}

export function onSetxattr(c: Context, r: Of<'SETXATTR'>): void {
  const { name, value, flags, extFlags } = r.body;
  setXattr(c.u, c.node(r.nodeid), name, value, flags, (extFlags & SETXATTR_ACL_KILL_SGID) !== 0, r);
}

export function onRemovexattr(c: Context, r: Of<'REMOVEXATTR'>): void {
  removeXattr(c.u, c.node(r.nodeid), r.body.name);
}
