// IOCTL: inode flags and project attributes; everything else is ENOTTY, whatever it carries.

import { Buffer } from 'node:buffer';
import t from 'tap';
import { errno } from '../../lib/errno.js';
import { Opcode } from '../../lib/wire/abi.js';
import { type Talk, talkTest } from '../support/fake-channel.js';
import { file, symlink } from '../support/tree.js';
import { build, type DecodedReply } from '../support/wire-builder.js';

const GET = 0x80086601;
const SET = 0x40086602;
const layout = { lowers: [{ f: file('f'), l: symlink('f') }], upper: { u: file('u') } };

async function ioctl(
  talk: Talk,
  name: string,
  cmd: number,
  data: Uint8Array = Buffer.alloc(0),
  outSize = 8,
): Promise<DecodedReply> {
  const { nodeid } = (await talk.ask(Opcode.LOOKUP, build.names(name))).payload.entry();
  return talk.ask(Opcode.IOCTL, build.ioctl(0, 0, cmd, 0, outSize, data), { nodeid });
}

function word(value: number): Buffer {
  const data = Buffer.alloc(8);
  data.writeUInt32LE(value);
  return data;
}

talkTest(t, 'flags there and back', layout, async (t, talk) => {
  const NODUMP = 0x40;
  const asked = async (): Promise<number> => {
    const { payload, error } = await ioctl(talk, 'u', GET);
    t.equal(error, 0);
    t.equal(payload.i32(), 0);
    payload.bytes(12);
    return payload.u32();
  };
  // Without the flag that it has of itself, ext4 would have to store the file in another way, which it cannot always.
  t.equal((await ioctl(talk, 'u', SET, word((await asked()) | NODUMP))).error, 0);
  t.equal((await asked()) & NODUMP, NODUMP);
});

talkTest(t, 'reading flags copies nothing up', layout, async (t, talk) => {
  t.equal((await ioctl(talk, 'f', GET)).error, 0);
  t.notOk(talk.w.file('f').inUpper);
});

talkTest(t, 'what is not ours', layout, async (t, talk) => {
  t.equal((await ioctl(talk, 'f', 0x5401)).error, -errno.ENOTTY);
  t.equal((await ioctl(talk, 'l', GET)).error, -errno.ENOTTY);
});

talkTest(t, 'an argument that is too short', layout, async (t, talk) => {
  for (const length of [0, 3]) {
    const { error } = await ioctl(talk, 'u', SET, Buffer.alloc(length));
    t.equal(error, -errno.EINVAL, `${length} bytes`);
  }
});
