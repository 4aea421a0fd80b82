// IOCTL: the inode flags of chattr and the project attributes; everything else is ENOTTY.

import { ErrnoError, fail } from '../errno.js';
import { check } from '../sys/check.js';
import { O_NONBLOCK, O_RDONLY, S_IFREG } from '../sys/constants.js';
import { openAtPlace, placeOf } from '../union/attributes.js';
import { copyUp } from '../union/copy-up.js';
import { DirNode, FileNode, type Inode } from '../union/inode.js';
import type { Opcode } from '../wire/abi.js';
import type { RequestOf } from '../wire/requests.js';
import type { Context } from './context.js';

/** The commands with the long and the int argument are the same. */
const GET_FLAGS = [0x80086601, 0x80046601];
const SET_FLAGS = [0x40086602, 0x40046602];
const GET_FSX = 0x801c581f;
const SET_FSX = 0x401c5820;

/** Runs `use` with a readable descriptor of `node`. */
function withFd<T>(c: Context, node: Inode, use: (fd: number) => T): T {
  const openable = node instanceof DirNode || (node instanceof FileNode && node.format === S_IFREG);
  if (!openable) throw fail('ENOTTY', 'ioctl on a special file');
  const fd = check(openAtPlace(c.u, placeOf(c.u, node), O_RDONLY | O_NONBLOCK), 'ioctl');
  try {
    return use(fd);
  } finally {
    c.u.sys.close(fd);
  }
}

function words(value: number): Uint8Array {
  const data = new Uint8Array(4);
  new DataView(data.buffer).setUint32(0, value, true);
  return data;
}

export function onIoctl(c: Context, r: RequestOf<typeof Opcode.IOCTL>): void {
  const node = c.node(r.nodeid);
  const { cmd, data, outSize } = r.body;
  const { sys } = c.u;
  if (GET_FLAGS.includes(cmd)) {
    const flags = check(
      withFd(c, node, (fd) => sys.getFlags(fd)),
      'FS_IOC_GETFLAGS',
    );
    c.reply.ioctl(0, words(flags).subarray(0, outSize));
  } else if (cmd === GET_FSX) {
    const raw = withFd(c, node, (fd) => sys.getFsx(fd));
    if (typeof raw === 'number') throw new ErrnoError(-raw, 'FS_IOC_FSGETXATTR');
    c.reply.ioctl(0, raw.subarray(0, outSize));
  } else if (SET_FLAGS.includes(cmd)) {
    if (data.byteLength < 4) throw fail('EINVAL', 'FS_IOC_SETFLAGS without flags');
    copyUp(c.u, node, 'attributes');
    const flags = new DataView(data.buffer, data.byteOffset, data.byteLength).getUint32(0, true);
    check(
      withFd(c, node, (fd) => sys.setFlags(fd, flags)),
      'FS_IOC_SETFLAGS',
    );
    c.reply.ioctl(0);
  } else if (cmd === SET_FSX) {
    copyUp(c.u, node, 'attributes');
    const raw = data.slice();
    check(
      withFd(c, node, (fd) => sys.setFsx(fd, raw)),
      'FS_IOC_FSSETXATTR',
    );
    c.reply.ioctl(0);
  } else throw fail('ENOTTY', `ioctl 0x${cmd.toString(16)}`);
}
