// One row per opcode that is answered; what is not here is ENOSYS, for the whole connection.

import { Opcode, type OpcodeValue } from '../wire/abi.js';
import type { RequestOf } from '../wire/requests.js';
import { onGetattr, onGetxattr, onListxattr, onRemovexattr, onSetattr, onSetxattr, onStatx } from './attributes.js';
import type { Context } from './context.js';
import { onFsyncdir, onOpendir, onReaddir, onReaddirplus, onReleasedir } from './directories.js';
import {
  onCopyFileRange,
  onFallocate,
  onFlush,
  onFsync,
  onLseek,
  onOpen,
  onRead,
  onRelease,
  onWrite,
} from './files.js';
import { onIoctl } from './ioctl.js';
import {
  onCreate,
  onLink,
  onLookup,
  onMkdir,
  onMknod,
  onReadlink,
  onRename,
  onRmdir,
  onStatfs,
  onSymlink,
  onTmpfile,
  onUnlink,
} from './names.js';

/**
 * Fills the reply and returns, or returns a Promise<Answer> that fills it later. Failures are thrown; one that is an everyday
 * answer is returned, as -errno.
 */
export type Operation<K extends OpcodeValue> = (c: Context, request: RequestOf<K>) => unknown;

type Table = { readonly [K in OpcodeValue]?: Operation<K> };

function onForget(c: Context, r: RequestOf<typeof Opcode.FORGET>): void {
  c.u.nodes.forget(r.nodeid, r.body.nlookup);
}

function onBatchForget(c: Context, r: RequestOf<typeof Opcode.BATCH_FORGET>): void {
  for (const { nodeid, nlookup } of r.body.items) c.u.nodes.forget(nodeid, nlookup);
}

export const operations: Table = {
  [Opcode.LOOKUP]: onLookup,
  [Opcode.FORGET]: onForget,
  [Opcode.BATCH_FORGET]: onBatchForget,
  [Opcode.GETATTR]: onGetattr,
  [Opcode.SETATTR]: onSetattr,
  [Opcode.STATX]: onStatx,
  [Opcode.READLINK]: onReadlink,
  [Opcode.SYMLINK]: onSymlink,
  [Opcode.MKNOD]: onMknod,
  [Opcode.MKDIR]: onMkdir,
  [Opcode.UNLINK]: onUnlink,
  [Opcode.RMDIR]: onRmdir,
  [Opcode.RENAME]: onRename,
  [Opcode.RENAME2]: onRename,
  [Opcode.LINK]: onLink,
  [Opcode.CREATE]: onCreate,
  [Opcode.TMPFILE]: onTmpfile,
  [Opcode.OPEN]: onOpen,
  [Opcode.RELEASE]: onRelease,
  [Opcode.READ]: onRead,
  [Opcode.WRITE]: onWrite,
  [Opcode.FLUSH]: onFlush,
  [Opcode.FSYNC]: onFsync,
  [Opcode.FALLOCATE]: onFallocate,
  [Opcode.LSEEK]: onLseek,
  [Opcode.COPY_FILE_RANGE]: onCopyFileRange,
  [Opcode.COPY_FILE_RANGE_64]: onCopyFileRange,
  [Opcode.OPENDIR]: onOpendir,
  [Opcode.RELEASEDIR]: onReleasedir,
  [Opcode.READDIR]: onReaddir,
  [Opcode.READDIRPLUS]: onReaddirplus,
  [Opcode.FSYNCDIR]: onFsyncdir,
  [Opcode.GETXATTR]: onGetxattr,
  [Opcode.LISTXATTR]: onListxattr,
  [Opcode.SETXATTR]: onSetxattr,
  [Opcode.REMOVEXATTR]: onRemovexattr,
  [Opcode.IOCTL]: onIoctl,
  [Opcode.STATFS]: onStatfs,
};
