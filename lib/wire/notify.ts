// Messages the server sends without being asked. Owns their layout, header included; knows nothing
// of when one is due. The header's `unique` is 0 and its `error` the notify code: that is how the
// kernel tells a notification from a reply.

import { Buffer } from 'node:buffer';
import { assert } from '../assert.js';
import { type EXPIRE_ONLY, laterStructs, NAME_MAX, NotifyCode, OUT_HEADER_SIZE, structs } from './abi.js';

const HIGH = 0x1_0000_0000;
/** One message stays within the kernel's batch of nodeids. */
export const PRUNE_MAX = 512;

function message(code: number, payload: number): Buffer {
  const buffer = Buffer.alloc(OUT_HEADER_SIZE + payload);
  buffer.writeUInt32LE(buffer.byteLength, 0);
  buffer.writeInt32LE(code, 4);
  return buffer;
}

/** Signed, so that the kernel's "-1 bytes" and "negative offset" can be said. */
function put64(buffer: Buffer, at: number, value: number): void {
  assert(Number.isSafeInteger(value), 'a notified number is exact');
  buffer.writeUInt32LE(value >>> 0, at);
  buffer.writeInt32LE(Math.floor(value / HIGH), at + 4);
}

/** The kernel wants the name's NUL, and a length that does not count it. */
function putName(buffer: Buffer, at: number, name: string): void {
  assert(name.length > 0 && name.length <= NAME_MAX, 'a notified name has 1 to 255 bytes');
  buffer.write(name, at, 'latin1');
}

/** Drops cached data of `length` bytes from `offset` (0: to the end), and attributes; offset < 0: attributes only. */
export function invalInode(nodeid: number, offset = 0, length = 0): Uint8Array {
  const L = structs.fuse_notify_inval_inode_out;
  const buffer = message(NotifyCode.INVAL_INODE, L.size);
  put64(buffer, OUT_HEADER_SIZE + L.ino, nodeid);
  put64(buffer, OUT_HEADER_SIZE + L.off, offset);
  put64(buffer, OUT_HEADER_SIZE + L.len, length);
  return buffer;
}

/** Drops one name. EXPIRE_ONLY (7.38) keeps it but asks again at its next use. */
export function invalEntry(parent: number, name: string, flags: 0 | typeof EXPIRE_ONLY = 0): Uint8Array {
  const L = structs.fuse_notify_inval_entry_out;
  const buffer = message(NotifyCode.INVAL_ENTRY, L.size + name.length + 1);
  put64(buffer, OUT_HEADER_SIZE + L.parent, parent);
  buffer.writeUInt32LE(name.length, OUT_HEADER_SIZE + L.namelen);
  buffer.writeUInt32LE(flags, OUT_HEADER_SIZE + L.flags);
  putName(buffer, OUT_HEADER_SIZE + L.size, name);
  return buffer;
}

/** Drops one name as a removal, if it still leads to `child`. */
export function notifyDelete(parent: number, child: number, name: string): Uint8Array {
  const L = structs.fuse_notify_delete_out;
  const buffer = message(NotifyCode.DELETE, L.size + name.length + 1);
  put64(buffer, OUT_HEADER_SIZE + L.parent, parent);
  put64(buffer, OUT_HEADER_SIZE + L.child, child);
  buffer.writeUInt32LE(name.length, OUT_HEADER_SIZE + L.namelen);
  putName(buffer, OUT_HEADER_SIZE + L.size, name);
  return buffer;
}

/** Asks for every unanswered request once more (7.40, HAS_RESEND). */
export function resend(): Uint8Array {
  return message(NotifyCode.RESEND, 0);
}

/** Marks every cached entry of the connection stale (7.44). */
export function incEpoch(): Uint8Array {
  return message(NotifyCode.INC_EPOCH, 0);
}

/** Asks the kernel to forget inodes it only caches (7.45). */
export function prune(nodeids: readonly number[]): Uint8Array {
  assert(nodeids.length <= PRUNE_MAX, 'a prune names a bounded batch');
  const L = laterStructs.fuse_notify_prune_out;
  const buffer = message(NotifyCode.PRUNE, L.size + nodeids.length * 8);
  buffer.writeUInt32LE(nodeids.length, OUT_HEADER_SIZE + L.count);
  for (const [i, nodeid] of nodeids.entries()) put64(buffer, OUT_HEADER_SIZE + L.size + i * 8, nodeid);
  return buffer;
}
