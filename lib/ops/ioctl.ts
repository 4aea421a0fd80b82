// IOCTL: the inode flags of chattr and the project attributes; everything else is ENOTTY.

import { errno, fail } from '../errno.js';
import { getFlags, getFsx, setFlags, setFsx } from '../union/inode-flags.js';
import type { Opcode } from '../wire/abi.js';
import type { RequestOf } from '../wire/requests.js';
import type { Context } from './context.js';

/** The commands with the long and the int argument are the same. */
const GET_FLAGS = [0x80086601, 0x80046601];
const SET_FLAGS = [0x40086602, 0x40046602];
const GET_FSX = 0x801c581f;
const SET_FSX = 0x401c5820;

/** All that is known. */
export const IOCTLS = new Uint32Array([...GET_FLAGS, ...SET_FLAGS, GET_FSX, SET_FSX]);

function words(value: number): Uint8Array {
  const data = new Uint8Array(4);
  new DataView(data.buffer).setUint32(0, value, true);
  return data;
}

export function onIoctl(c: Context, r: RequestOf<typeof Opcode.IOCTL>): number {
  const node = c.node(r.nodeid);
  const { cmd, data, outSize } = r.body;
  if (GET_FLAGS.includes(cmd)) c.reply.ioctl(0, words(getFlags(c.u, node)).subarray(0, outSize));
  else if (cmd === GET_FSX) c.reply.ioctl(0, getFsx(c.u, node).subarray(0, outSize));
  else if (SET_FLAGS.includes(cmd)) {
    if (data.byteLength < 4) throw fail('EINVAL', 'FS_IOC_SETFLAGS without flags');
    setFlags(c.u, node, new DataView(data.buffer, data.byteOffset, data.byteLength).getUint32(0, true));
    c.reply.ioctl(0);
  } else if (cmd === SET_FSX) {
    setFsx(c.u, node, data);
    c.reply.ioctl(0);
  } else return -errno.ENOTTY;
  return 0;
}
