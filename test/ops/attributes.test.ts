// Attribute operations over the wire: which fields SETATTR names, and the sizes of xattr answers.

import { Buffer } from 'node:buffer';
import t from 'tap';
import { errno } from '../../lib/errno.js';
import { Opcode, SetattrValid as V } from '../../lib/wire/abi.js';
import { talkTest } from '../support/fake-channel.js';
import { file } from '../support/tree.js';
import { build, type DecodedReply, Fields } from '../support/wire-builder.js';

const layout = { lowers: [{ f: file('0123456789', { mode: 0o4755, xattrs: { 'user.a': 'value' } }) }] };

function attr(reply: DecodedReply) {
  reply.payload.bytes(16);
  return new Fields(reply.payload.bytes(88)).attr();
}

talkTest(t, 'getattr and statx', layout, async (t, talk) => {
  const got = attr(await talk.ask(Opcode.GETATTR, build.getattr(0, 0)));
  t.equal(got.mode & 0o170000, 0o040000);
  const statx = await talk.ask(Opcode.STATX, build.statx(0, 0, 0, 0xfff));
  t.equal(statx.payload.left, 288);
});

talkTest(t, 'setattr', layout, async (t, talk) => {
  const nodeid = (await talk.ask(Opcode.LOOKUP, build.names('f'))).payload.entry().nodeid;
  const set = async (fields: Parameters<typeof build.setattr>[0]) =>
    attr(await talk.ask(Opcode.SETATTR, build.setattr(fields), { nodeid }));
  t.equal((await set({ valid: 0, mode: 0o777, uid: 9, size: 1 })).mode, 0o104755, 'nothing is named, nothing changes');
  t.equal((await set({ valid: V.MODE, mode: 0o100600 })).mode, 0o100600);
  t.match(await set({ valid: V.UID | V.GID, uid: 3, gid: 4 }), { uid: 3, gid: 4 });
  t.equal((await set({ valid: V.SIZE, size: 4 })).size, 4n);
  t.match(await set({ valid: V.MTIME, mtime: 12, mtimeNsec: 34 }), { mtime: 12n, mtimeNsec: 34 });
  t.ok((await set({ valid: V.MTIME | V.MTIME_NOW, mtime: 12 })).mtime > 1_000_000n);
  t.equal((await set({ valid: V.SIZE | V.FH, size: 2, fh: 999 })).size, 2n, 'an fh that is gone');
});

talkTest(t, 'xattrs', layout, async (t, talk) => {
  const nodeid = (await talk.ask(Opcode.LOOKUP, build.names('f'))).payload.entry().nodeid;
  const get = (size: number, name = 'user.a') => talk.ask(Opcode.GETXATTR, build.getxattr(size, name), { nodeid });
  t.equal((await get(0)).payload.u32(), 5, 'how large');
  t.equal((await get(5)).payload.bytes(5).toString(), 'value');
  t.equal((await get(4)).error, -errno.ERANGE);
  t.equal((await get(100, 'user.none')).error, -errno.ENODATA);
  const set = build.setxattrExt('user.b', Buffer.from('x'), 0, 0);
  t.equal((await talk.ask(Opcode.SETXATTR, set, { nodeid })).error, 0);
  const list = await talk.ask(Opcode.LISTXATTR, build.listxattr(100), { nodeid });
  t.same(list.payload.bytes(list.payload.left).toString().split('\0').sort(), ['', 'user.a', 'user.b']);
  t.equal((await talk.ask(Opcode.LISTXATTR, build.listxattr(3), { nodeid })).error, -errno.ERANGE);
  t.equal((await talk.ask(Opcode.REMOVEXATTR, build.names('user.b'), { nodeid })).error, 0);
  t.equal((await talk.ask(Opcode.REMOVEXATTR, build.names('user.b'), { nodeid })).error, -errno.ENODATA);
});
