// What the writer builds, an independent decoder reads; the buffer is dirty before every reply.

import { deepStrictEqual } from 'node:assert';
import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import t from 'tap';
import { AssertionFailure, assertionFailures } from '../../lib/assert.js';
import { errno } from '../../lib/errno.js';
import { negotiate } from '../../lib/wire/init.js';
import { ReplyWriter } from '../../lib/wire/replies.js';
import { type DecodedReply, reply } from '../support/wire-builder.js';

const buffer = new ArrayBuffer(8192);
const writer = new ReplyWriter(buffer);

function answer(fill: (writer: ReplyWriter) => void, error = 0): DecodedReply {
  new Uint8Array(buffer).fill(0xee);
  writer.begin(7, 0);
  fill(writer);
  return reply(new Uint8Array(buffer, 0, writer.finish(error)));
}

/** Thirty-two words, each telling its own position. */
const attr = Uint32Array.from({ length: 32 }, (_, i) => 0x0101_0000 + i);
attr[22] = (0x12 << 20) | (0x345 << 8) | 0x67;
const wide = (word: number): bigint => (BigInt(attr[word + 1] as number) << 32n) | BigInt(attr[word] as number);
const expectedAttr = {
  ino: wide(0),
  size: wide(2),
  blocks: wide(4),
  atime: wide(6),
  mtime: wide(8),
  ctime: wide(10),
  atimeNsec: attr[14],
  mtimeNsec: attr[15],
  ctimeNsec: attr[16],
  mode: attr[18],
  nlink: attr[19],
  uid: attr[20],
  gid: attr[21],
  rdev: attr[22],
  blksize: attr[23],
  flags: 0,
};

t.test('the header', (t) => {
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(fc.nat(0xffff_ffff), fc.nat(0xffff_ffff), fc.nat(200), (low, high, error) => {
        writer.begin(low, high);
        const decoded = reply(new Uint8Array(buffer, 0, writer.finish(error)));
        deepStrictEqual(decoded.unique, (BigInt(high) << 32n) | BigInt(low));
        deepStrictEqual(decoded.error, error === 0 ? 0 : -error);
        deepStrictEqual(decoded.length, 16);
      }),
    ),
  );
  t.end();
});

t.test('an error drops the payload', (t) => {
  const decoded = answer((w) => w.write(5), errno.ENOENT);
  t.equal(decoded.length, 16);
  t.equal(decoded.error, -2);
  t.end();
});

t.test('entry', (t) => {
  const { payload, length } = answer((w) => w.entry(2 ** 40 + 3, 9, 1.5, Infinity, attr));
  t.equal(length, 16 + 128);
  t.same(payload.entry(), {
    nodeid: 2n ** 40n + 3n,
    generation: 9n,
    entryValid: 1n,
    attrValid: 0x7fff_ffffn,
    entryValidNsec: 500_000_000,
    attrValidNsec: 0,
    attr: expectedAttr,
  });
  t.end();
});

t.test('a negative entry has nodeid 0, a validity and nothing else', (t) => {
  const entry = answer((w) => w.negativeEntry(30)).payload.entry();
  t.equal(entry.nodeid, 0n);
  t.equal(entry.entryValid, 30n);
  t.equal(entry.attrValid, 0n);
  t.equal(entry.attr.mode, 0);
  t.end();
});

t.test('attr', (t) => {
  const { payload, length } = answer((w) => w.attr(0.25, attr));
  t.equal(length, 16 + 104);
  t.equal(payload.u64(), 0n);
  t.equal(payload.u32(), 250_000_000);
  t.equal(payload.u32(), 0);
  t.same(payload.attr(), expectedAttr);
  t.end();
});

t.test('open and create', (t) => {
  const open = answer((w) => w.open(2 ** 33, 0x80, 12)).payload;
  t.same([open.u64(), open.u32(), open.i32(), open.left], [2n ** 33n, 0x80, 12, 0]);
  const create = answer((w) => w.create(5, 0, 1, 2, attr, 8, 2)).payload;
  t.equal(create.entry().nodeid, 5n);
  t.same([create.u64(), create.u32(), create.i32(), create.left], [8n, 2, 0, 0]);
  t.end();
});

t.test('numbers', (t) => {
  for (const fill of [
    (w: ReplyWriter) => w.write(4096),
    (w: ReplyWriter) => w.xattrSize(4096),
    (w: ReplyWriter) => w.poll(4096),
  ]) {
    const { payload } = answer(fill);
    t.same([payload.u32(), payload.u32(), payload.left], [4096, 0, 0]);
  }
  for (const fill of [
    (w: ReplyWriter) => w.lseek(2 ** 45),
    (w: ReplyWriter) => w.copy64(2 ** 45),
    (w: ReplyWriter) => w.bmap(2 ** 45),
  ]) {
    const { payload } = answer(fill);
    t.same([payload.u64(), payload.left], [2n ** 45n, 0]);
  }
  t.end();
});

t.test('statfs', (t) => {
  const st = { blocks: 2 ** 40, bfree: 2, bavail: 3, files: 4, ffree: 5, bsize: 4096, namelen: 255, frsize: 512 };
  const { payload } = answer((w) => w.statfs(st));
  t.same([payload.u64(), payload.u64(), payload.u64(), payload.u64(), payload.u64()], [2n ** 40n, 2n, 3n, 4n, 5n]);
  t.same([payload.u32(), payload.u32(), payload.u32()], [4096, 255, 512]);
  t.same(payload.bytes(28), Buffer.alloc(28), 'padding and spare are clear');
  t.equal(payload.left, 0);
  t.end();
});

t.test('lock', (t) => {
  const { payload } = answer((w) => w.lock({ start: 1, end: 2 ** 52, type: 2, pid: 4 }));
  t.same([payload.u64(), payload.u64(), payload.u32(), payload.u32(), payload.left], [1n, 2n ** 52n, 2, 4, 0]);
  t.end();
});

t.test('bytes and text', (t) => {
  t.equal(answer((w) => w.bytes(Buffer.from('abc'))).payload.buffer.toString(), 'abc');
  t.equal(answer((w) => w.text('a\xff/b')).payload.buffer.toString('latin1'), 'a\xff/b');
  t.equal(answer((w) => w.text('')).length, 16);
  t.end();
});

t.test('ioctl', (t) => {
  const { payload } = answer((w) => w.ioctl(-5, Buffer.from('xyz')));
  t.same([payload.i32(), payload.u32(), payload.u32(), payload.u32()], [-5, 0, 0, 0]);
  t.equal(payload.bytes(3).toString(), 'xyz');
  t.equal(answer((w) => w.ioctl(0)).length, 32);
  t.end();
});

t.test('statx', (t) => {
  const { payload, length } = answer((w) => w.statx(3, 0xfff, attr));
  t.equal(length, 16 + 288);
  t.same([payload.u64(), payload.u32(), payload.u32(), payload.u64(), payload.u64()], [3n, 0, 0, 0n, 0n]);
  t.same([payload.u32(), payload.u32(), payload.u64()], [0xfff, attr[23], wide(28)]);
  t.same([payload.u32(), payload.u32(), payload.u32()], [attr[19], attr[20], attr[21]]);
  t.same([payload.u16(), payload.u16()], [(attr[18] as number) & 0xffff, 0]);
  t.same([payload.u64(), payload.u64(), payload.u64(), payload.u64()], [wide(0), wide(2), wide(4), wide(28)]);
  for (const [seconds, nsec] of [
    [6, 14],
    [12, 17],
    [10, 16],
    [8, 15],
  ] as const) {
    t.same([payload.u64(), payload.u32(), payload.u32()], [wide(seconds), attr[nsec], 0]);
  }
  t.same([payload.u32(), payload.u32()], [0x345, 0x1267], 'rdev taken apart');
  t.same([payload.u32(), payload.u32()], [(0x0101_0018 >> 8) & 0xfff, 0x18 | ((0x0101_0018 >>> 12) & 0xf_ff00)]);
  t.same(payload.bytes(112), Buffer.alloc(112));
  t.end();
});

t.test('init', (t) => {
  const all = { major: 7, minor: 45, maxReadahead: 131072, flags: 0xffff_ffff, flags2: 0xffff_ffff };
  const wishes = {
    passthrough: true,
    asyncRead: true,
    bigWrites: true,
    maxPages: true,
    requestTimeout: true,
    maxWrite: 1 << 20,
    maxBackground: 60000,
    congestionThreshold: 50000,
    timeGran: 1,
    requestTimeoutSeconds: 30,
  };
  const outcome = negotiate(all, wishes);
  if (outcome.kind !== 'agreed') throw new Error('not agreed');
  const { payload, length } = answer((w) => w.init(outcome.negotiated));
  t.equal(length, 16 + 64);
  t.same([payload.u32(), payload.u32(), payload.u32()], [7, 45, 131072]);
  t.equal(payload.u32(), 2 ** 30 + 2 ** 22 + 2 ** 5 + 1, 'flags');
  t.same([payload.u16(), payload.u16()], [60000, 50000]);
  t.same([payload.u32(), payload.u32(), payload.u16(), payload.u16()], [1 << 20, 1, 256, 0]);
  t.equal(payload.u32(), 2 ** 5 + 2 ** 10, 'flags2');
  t.same([payload.u32(), payload.u16()], [1, 30]);
  t.same(payload.bytes(22), Buffer.alloc(22));
  t.equal(answer((w) => w.init({ ...outcome.negotiated, initOutSize: 24 })).length, 16 + 24);
  const again = answer((w) => w.initMajorOnly(7, 45)).payload;
  t.same([again.u32(), again.u32()], [7, 45]);
  t.same(again.bytes(56), Buffer.alloc(56));
  t.end();
});

t.test('a window into a larger buffer', (t) => {
  const shared = new ArrayBuffer(2048);
  const inner = new ReplyWriter(shared, 1024, 1024);
  inner.begin(1, 2);
  inner.write(3);
  t.equal(inner.buffer.byteLength, 1024);
  t.equal(reply(new Uint8Array(shared, 1024, inner.finish())).payload.u32(), 3);
  t.ok(
    new Uint8Array(shared, 0, 1024).every((byte) => byte === 0),
    'nothing is written before it',
  );
  t.end();
});

t.test('an answer larger than its buffer is an assertion, not an overrun', (t) => {
  const before = assertionFailures();
  writer.begin(1, 0);
  t.throws(() => writer.bytes(new Uint8Array(8192)), AssertionFailure);
  t.throws(() => new ReplyWriter(new ArrayBuffer(64)), AssertionFailure);
  t.throws(() => new ReplyWriter(buffer, 2), AssertionFailure);
  t.throws(() => writer.truncate(8), AssertionFailure);
  t.equal(assertionFailures(), before + 4);
  t.end();
});
