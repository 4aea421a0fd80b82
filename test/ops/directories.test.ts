// READDIR and READDIRPLUS over the wire: dots, cookies, full replies, references only for what is sent.

import t from 'tap';
import { errno } from '../../lib/errno.js';
import { Opcode } from '../../lib/wire/abi.js';
import { type Talk, talkTest } from '../support/fake-channel.js';
import { dir, file, type TreeSpec } from '../support/tree.js';
import { build, type DecodedDirent } from '../support/wire-builder.js';

const many: TreeSpec = Object.fromEntries(Array.from({ length: 60 }, (_, at) => [`name${at}`, file('')]));
const layout = { lowers: [{ ...many, d: dir({}) }], upper: { up: file('') } };

async function list(talk: Talk, plus: boolean, size: number): Promise<DecodedDirent[]> {
  const found: DecodedDirent[] = [];
  const opcode = plus ? Opcode.READDIRPLUS : Opcode.READDIR;
  for (let offset = 0n; ; ) {
    const { payload } = await talk.ask(opcode, build.read(0, offset, size));
    if (payload.left > size) throw new Error('more than was asked for');
    const piece = payload.dirents(plus);
    const last = piece.at(-1);
    if (last === undefined) return found;
    found.push(...piece);
    offset = last.off;
  }
}

for (const plus of [false, true]) {
  const what = plus ? 'readdirplus' : 'readdir';
  talkTest(t, `${what}, whole and in pieces`, layout, async (t, talk) => {
    const whole = await list(talk, plus, 1 << 16);
    t.equal(whole.length, 64);
    t.same(
      whole.slice(0, 2).map(({ name, off }) => [name, off]),
      [
        ['.', 1n],
        ['..', 2n],
      ],
    );
    const shown = (items: DecodedDirent[]) => items.map(({ name, off, ino }) => `${name} ${off} ${ino}`);
    t.same(shown(await list(talk, plus, 500)), shown(whole));
  });
}

talkTest(t, 'each entry that is sent is a reference, the dots are none', layout, async (t, talk) => {
  const found = await list(talk, true, 1 << 16);
  for (const { name, entry, ino } of found) {
    const dots = name === '.' || name === '..';
    t.equal(entry?.nodeid === 0n, dots, name);
    if (dots) continue;
    t.equal(entry?.attr.ino, ino);
    t.equal(talk.w.u.nodes.get(Number(entry?.nodeid))?.nlookup, 1);
  }
  t.equal(talk.w.u.nodes.size, 63);
});

talkTest(t, 'an entry that did not fit is no reference', layout, async (t, talk) => {
  const { payload } = await talk.ask(Opcode.READDIRPLUS, build.read(0, 2, 400));
  const sent = payload.dirents(true).length;
  t.ok(sent > 0 && sent < 5);
  t.equal(talk.w.u.nodes.size, 1 + sent);
});

talkTest(t, 'the end of a listing is told, and of none that stopped before', layout, async (t, talk) => {
  const { plane } = talk.w;
  for (const opcode of [Opcode.READDIR, Opcode.READDIRPLUS]) {
    plane.end = null;
    await talk.ask(opcode, build.read(0, 0, 500));
    t.equal(plane.end, null);
    const { payload } = await talk.ask(opcode, build.read(0, 2, 1 << 16));
    const last = payload.dirents(opcode === Opcode.READDIRPLUS).at(-1);
    t.same(plane.end, { nodeid: 1, cookie: Number(last?.off) });
  }
  const d = (await talk.ask(Opcode.LOOKUP, build.names('d'))).payload.entry();
  await talk.ask(Opcode.READDIR, build.read(0, 0, 4096), { nodeid: d.nodeid });
  t.same(plane.end, { nodeid: Number(d.nodeid), cookie: 2 }, 'nothing but the dots');
});

talkTest(t, 'opening needs no handle', layout, async (t, talk) => {
  t.equal((await talk.ask(Opcode.OPENDIR, build.open(0))).error, -errno.ENOSYS, 'the kernel agreed to ask no more');
  t.equal((await talk.ask(Opcode.RELEASEDIR, build.release(0, 0, 0))).error, 0);
});

talkTest(t, 'fsyncdir', layout, async (t, talk) => {
  t.equal((await talk.ask(Opcode.FSYNCDIR, build.fsync(0, 0))).error, 0);
  const d = (await talk.ask(Opcode.LOOKUP, build.names('d'))).payload.entry();
  t.equal((await talk.ask(Opcode.FSYNCDIR, build.fsync(0, 1), { nodeid: d.nodeid })).error, 0, 'a lower one');
});

talkTest(t, 'a listing of what is no directory', layout, async (t, talk) => {
  const up = (await talk.ask(Opcode.LOOKUP, build.names('up'))).payload.entry();
  t.equal((await talk.ask(Opcode.READDIR, build.read(0, 0, 4096), { nodeid: up.nodeid })).error, -errno.ENOTDIR);
});
