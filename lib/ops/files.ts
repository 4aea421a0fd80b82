// Open files: OPEN, RELEASE and what is done by fh. READ and WRITE come here only when the data
// plane has not taken them.

import { ErrnoError, fail } from '../errno.js';
import { check } from '../sys/check.js';
import { DT_REG, O_RDONLY } from '../sys/constants.js';
import { openAtPlace, placeOf } from '../union/attributes.js';
import { detached, handleOf, release, stand } from '../union/handles.js';
import type { FileHandle, FileNode } from '../union/inode.js';
import { openFile } from '../union/open.js';
import { killPrivileges, killUnlessRoot } from '../union/privileges.js';
import { refuseProtected } from '../union/protection.js';
import { FSYNC_FDATASYNC, OPEN_KILL_SUIDGID, Opcode } from '../wire/abi.js';
import type { RequestOf } from '../wire/requests.js';
import { type Answer, type Context, settled } from './context.js';
import { openFlags, putOpened } from './names.js';

type Of<K extends keyof typeof Opcode> = RequestOf<(typeof Opcode)[K]>;

/** More than this is copied off the JavaScript thread, bytes. */
const INLINE_COPY = 1 << 20;

export function onOpen(c: Context, r: Of<'OPEN'>): void {
  const node = c.file(r.nodeid);
  if (node.format >>> 12 !== DT_REG) throw fail('ENXIO', 'open of a special file');
  const opened = openFile(c.u, node, r.body.flags, r);
  putOpened(c, opened);
  stand(c.u, opened.handle, openFlags(opened.backing, true));
  if ((r.body.openFlags & OPEN_KILL_SUIDGID) !== 0) killPrivileges(c.u, node, r, c.stat);
}

export function onRelease(c: Context, r: Of<'RELEASE'>): void {
  release(c.u, r.body.fh);
}

/** Handles that ended without us: `told[0]` of them, from `told[1]` on. */
export function onEnded(c: Context, told: Float64Array): void {
  const end = 1 + (told[0] as number);
  for (let i = 1; i < end; i += 1) detached(c.u, told[i] as number);
  told[0] = 0;
}

export function onRead(c: Context, r: Of<'READ'>): void {
  const { fh, offset, size } = r.body;
  const handle = handleOf(c.u, fh);
  const start = c.reply.reserve(size);
  const into = new Uint8Array(c.reply.buffer.buffer, c.reply.buffer.byteOffset + start, size);
  const count = check(c.u.sys.pread(handle.fd, into, offset), 'read');
  c.reply.truncate(start + count);
}

export function onWrite(c: Context, r: Of<'WRITE'>): void {
  const { fh, offset, data } = r.body;
  c.reply.write(check(c.u.sys.pwrite(handleOf(c.u, fh).fd, data, offset), 'write'));
}

/** Every write has reached the host's file when it is answered, so close has nothing to wait for. */
export function onFlush(): void {}

export function onFsync(c: Context, r: Of<'FSYNC'>): undefined | Promise<Answer> {
  const handle = handleOf(c.u, r.body.fh);
  const dataOnly = (r.body.fsyncFlags & FSYNC_FDATASYNC) !== 0;
  if (c.u.options.volatile || !handle.node.inUpper) return undefined;
  if (handle.node.dataInUpper) return settled(c.u.jobs.fsync(handle.fd, dataOnly));
  // What is open is a lower file; the attributes are the upper's.
  return dataOnly ? undefined : settled(fsyncAttributes(c, handle.node));
}

function fsyncAttributes(c: Context, node: FileNode): Promise<number> {
  const fd = check(openAtPlace(c.u, placeOf(c.u, node), O_RDONLY), 'fsync');
  return c.u.jobs.fsync(fd, false).finally(() => c.u.sys.close(fd));
}

export function onFallocate(c: Context, r: Of<'FALLOCATE'>): void {
  const { fh, mode, offset, length } = r.body;
  const handle = writableHandle(c, fh);
  killUnlessRoot(c.u, handle.node, r, c.stat);
  check(c.u.sys.fallocate(handle.fd, mode, offset, length), 'fallocate');
}

function writableHandle(c: Context, fh: number): FileHandle {
  const handle = handleOf(c.u, fh);
  if (!handle.writable || !handle.node.inUpper) throw fail('EBADF', 'not open for writing');
  refuseProtected(c.u, handle.node, true);
  return handle;
}

export function onLseek(c: Context, r: Of<'LSEEK'>): void {
  const { fh, offset, whence } = r.body;
  c.reply.lseek(check(c.u.sys.lseek(handleOf(c.u, fh).fd, offset, whence), 'lseek'));
}

export function onCopyFileRange(
  c: Context,
  r: Of<'COPY_FILE_RANGE'> | Of<'COPY_FILE_RANGE_64'>,
): undefined | Promise<Answer> {
  const { fhIn, offIn, fhOut, offOut, length, flags } = r.body;
  if (flags !== 0) throw fail('EINVAL', 'copy_file_range');
  const from = handleOf(c.u, fhIn);
  const to = writableHandle(c, fhOut);
  killUnlessRoot(c.u, to.node, r, c.stat);
  const wide = r.opcode === Opcode.COPY_FILE_RANGE_64;
  const answer = (count: number): void => {
    if (count < 0) throw new ErrnoError(-count, 'copy_file_range');
    if (wide) c.reply.copy64(count);
    else c.reply.write(count);
  };
  // One answer carries 32 bits; callers go on from what was copied.
  const bounded = Math.min(length, 0x4000_0000);
  if (bounded <= INLINE_COPY) {
    answer(c.u.sys.copyRange(from.fd, offIn, to.fd, offOut, bounded));
    return undefined;
  }
  const work = c.u.jobs.copyRange(from.fd, offIn, to.fd, offOut, bounded);
  return work.then((count) => () => answer(count));
}
