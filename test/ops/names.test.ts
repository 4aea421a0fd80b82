// Operations on names, over the wire: what each answers, and which references it gives out.

import t from 'tap';
import { errno } from '../../lib/errno.js';
import { Opcode } from '../../lib/wire/abi.js';
import { type Talk, talkTest } from '../support/fake-channel.js';
import { dir, file, symlink } from '../support/tree.js';
import { build } from '../support/wire-builder.js';

const layout = { lowers: [{ f: file('low', { mode: 0o640 }), d: dir({ x: file('x') }), l: symlink('f') }] };

const find = async (talk: Talk, name: string, nodeid = 1): Promise<number> => {
  const found = await talk.ask(Opcode.LOOKUP, build.names(name), { nodeid });
  return found.error === 0 ? Number(found.payload.entry().nodeid) : found.error;
};

talkTest(t, 'lookup', layout, async (t, talk) => {
  const entry = (await talk.ask(Opcode.LOOKUP, build.names('f'))).payload.entry();
  t.equal(entry.attr.mode, 0o100640);
  t.equal(entry.generation, 0n);
  t.ok(entry.entryValid > 0n && entry.attrValid > 0n);
  const node = talk.w.u.nodes.get(Number(entry.nodeid));
  t.equal(node?.nlookup, 1);
  const miss = await talk.ask(Opcode.LOOKUP, build.names('nothing'));
  t.equal(miss.error, 0);
  const negative = miss.payload.entry();
  t.equal(negative.nodeid, 0n, 'a negative entry');
  t.ok(negative.entryValid > 0n);
  t.equal(await find(talk, 'n'.repeat(256)), -errno.ENAMETOOLONG);
  t.equal(await find(talk, 'x', Number(entry.nodeid)), -errno.ENOTDIR);
});

talkTest(t, 'make and take away', layout, async (t, talk) => {
  const caller = { uid: 1000, gid: 1001 };
  const made = await talk.ask(Opcode.MKDIR, build.mkdir(0o777, 0o022, 'made'), caller);
  const entry = made.payload.entry();
  t.match(entry.attr, { mode: 0o040755, uid: 1000, gid: 1001 });
  t.equal((await talk.ask(Opcode.MKNOD, build.mknod(0o010644, 0, 0, 'fifo'), caller)).error, 0);
  const device = (await talk.ask(Opcode.MKNOD, build.mknod(0o020644, 0, 0, 'white'))).payload.entry();
  t.match(device.attr, { mode: 0o020644, rdev: 0 }, "a user's char 0:0 is no whiteout");
  const link = (await talk.ask(Opcode.SYMLINK, build.names('s', 'target'))).payload.entry();
  const target = await talk.ask(Opcode.READLINK, build.empty(), { nodeid: link.nodeid });
  t.equal(target.payload.bytes(target.payload.left).toString(), 'target');
  t.equal((await talk.ask(Opcode.RMDIR, build.names('made'))).error, 0);
  t.equal((await talk.ask(Opcode.UNLINK, build.names('fifo'))).error, 0);
  t.equal((await talk.ask(Opcode.UNLINK, build.names('fifo'))).error, -errno.ENOENT);
  t.equal(
    (await talk.ask(Opcode.GETATTR, build.getattr(0, 0), { nodeid: entry.nodeid })).payload.left,
    104,
    'still known',
  );
});

talkTest(t, 'link and rename', layout, async (t, talk) => {
  const f = await find(talk, 'f');
  const linked = (await talk.ask(Opcode.LINK, build.link(f, 'g'))).payload.entry();
  t.equal(Number(linked.nodeid), f);
  t.equal(linked.attr.nlink, 2);
  const d = await find(talk, 'd');
  t.equal((await talk.ask(Opcode.RENAME, build.rename(d, 'g', 'moved'))).error, 0);
  t.equal(await find(talk, 'moved', d), f);
  await find(talk, 'l');
  t.equal((await talk.ask(Opcode.RENAME2, build.rename2(1, 1, 'f', 'l'))).error, -errno.EEXIST, 'NOREPLACE');
  t.equal((await talk.ask(Opcode.RENAME2, build.rename2(1, 2, 'f', 'l'))).error, 0, 'EXCHANGE');
  t.equal((await talk.ask(Opcode.RENAME2, build.rename2(1, 4, 'f', 'l'))).error, 0, 'WHITEOUT');
  const left = (await talk.ask(Opcode.LOOKUP, build.names('f'))).payload.entry();
  t.match(left.attr, { mode: 0o020000, rdev: 0 }, 'leaves a char 0:0');
});

talkTest(t, 'create and tmpfile give an entry and a handle', layout, async (t, talk) => {
  for (const [opcode, name] of [
    [Opcode.CREATE, 'c'],
    [Opcode.TMPFILE, 'ignored'],
  ] as const) {
    const { payload, error } = await talk.ask(opcode, build.create(2, 0o100666, 0o022, 0, name));
    t.equal(error, 0, name);
    const entry = payload.entry();
    t.equal(entry.attr.mode, 0o100644);
    const fh = payload.u64();
    t.ok(talk.w.u.handles.get(Number(fh)));
    t.equal((await talk.ask(Opcode.RELEASE, build.release(fh, 0, 0))).error, 0);
    talk.send(Opcode.FORGET, build.forget(1), { nodeid: entry.nodeid });
    t.equal(talk.w.u.nodes.get(Number(entry.nodeid)), undefined);
  }
  t.equal((await talk.ask(Opcode.CREATE, build.create(2, 0o100644, 0, 0, '.wh.x'))).error, -errno.EINVAL);
  t.equal((await talk.ask(Opcode.CREATE, build.create(2, 0o100644, 0, 0, 'c'))).error, -errno.EEXIST);
});

talkTest(t, 'statfs', layout, async (t, talk) => {
  const { payload } = await talk.ask(Opcode.STATFS);
  t.ok(payload.u64() > 0n, 'blocks');
  t.equal(payload.left, 72);
});
