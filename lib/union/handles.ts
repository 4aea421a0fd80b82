// What becomes of a file once it is open: its handle, by fh, until the last close; and handles opened for reading that
// stay beyond that, so that the data plane answers further opens by itself. To every rule of the union one of those is a
// reader like any other: whoever a reader would hinder withdraws it first.

import { fail } from '../errno.js';
import { backingIdOf, fhOf } from '../nodes/ids.js';
import type { OpenedFile } from '../sys/binding.js';
import { FMODE_EXEC, O_ACCMODE, O_LARGEFILE, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_SYNC } from '../sys/constants.js';
import type { FileHandle, FileNode } from './inode.js';
import type { Union } from './union.js';

/** Flags that make no difference between two opens for reading; one is the kernel's own: to be executed. */
export const INDIFFERENT = O_LARGEFILE | O_NOFOLLOW | O_NONBLOCK | FMODE_EXEC;

/** The handle of `fh`; EBADF when there is none. */
export function handleOf(u: Union, fh: number): FileHandle {
  const handle = u.handles.get(fh) ?? openedOfRow(u, fh);
  if (handle === undefined) throw fail('EBADF', 'fh');
  return handle;
}

/** A row that is open without us comes with its handle. */
function openedOfRow(u: Union, fh: number): FileHandle | undefined {
  const row = u.plane.nodeOfOpen(fh);
  if (row !== 0) u.nodes.get(row);
  return u.handles.get(fh);
}

/** `handle` is open from now on; whose backing it shares is the caller's to say. */
export function enlist(u: Union, handle: FileHandle): void {
  const { node } = handle;
  u.handles.add(handle);
  node.handles ??= new Set();
  node.handles.add(handle);
  if (handle.mode === 'cached') node.cachedOpens += 1;
}

/** The data plane has opened `node`, and knows nothing of that any longer but the grant. */
export function takeOver(u: Union, node: FileNode, { fh, fd, flags, backing }: OpenedFile): void {
  enlist(u, {
    fh: fhOf(fh),
    node,
    fd,
    openFlags: flags & (O_ACCMODE | O_SYNC),
    mode: backing > 0 ? 'passthrough' : 'cached',
    writable: (flags & O_ACCMODE) !== O_RDONLY,
    opener: u.features.uid,
  });
  if (backing > 0) node.backing = { id: backingIdOf(backing), onLower: !node.dataInUpper, users: 1 };
}

/** The last reference to an open file is gone. */
export function release(u: Union, fh: number): void {
  u.plane.detach(fh);
  detached(u, fh);
}

/** The same once the data plane has let go of it. */
export function detached(u: Union, fh: number): void {
  const handle = u.handles.remove(fh);
  if (handle === undefined) return;
  const { node } = handle;
  node.handles?.delete(handle);
  if (node.handles?.size === 0) node.handles = null;
  const wrote = handle.mode === 'passthrough' && handle.writable;
  if (handle.mode === 'cached') node.cachedOpens -= 1;
  else dropBacking(u, node);
  // The attributes the kernel has were given with no validity while this handle lived.
  if (wrote) node.cacheStale = true;
}

function dropBacking(u: Union, node: FileNode): void {
  const backing = node.backing;
  if (backing === null) return;
  backing.users -= 1;
  if (backing.users > 0) return;
  u.plane.backingClose(backing.id);
  node.backing = null;
}

/** Further opens for nothing but reading are answered with `handle`, if it was opened so: `flags` as in a reply to OPEN. */
export function stand(u: Union, { fh, node, writable, openFlags }: FileHandle, flags: number): void {
  if (writable || (openFlags & ~O_LARGEFILE) !== 0) return;
  const whole = u.bare && node.data === null;
  u.plane.stand(node.id, fh, flags, node.backing?.id ?? 0, INDIFFERENT, whole);
}

/** Further opens of `node` are JavaScript's again, and what only stayed is closed. */
export function withdraw(u: Union, node: FileNode): void {
  if (node.handles === null) return;
  for (const handle of node.handles) {
    if (!handle.writable && u.plane.withdraw(handle.fh)) release(u, handle.fh);
  }
}

/** The same for all nodes; nor are attributes of any answered for without us. */
export function withdrawAll(u: Union): void {
  u.plane.unmirror(0);
  for (const row of u.plane.openRows()) u.nodes.get(row);
  for (const { node } of u.handles.all()) withdraw(u, node);
}

/** Closes what only stayed. */
export function closeIdle(u: Union): void {
  for (let fh = u.plane.reclaim(); fh !== 0; fh = u.plane.reclaim()) release(u, fh);
}
