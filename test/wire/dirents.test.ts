import { deepStrictEqual, ok } from 'node:assert';
import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import t from 'tap';
import { AssertionFailure } from '../../lib/assert.js';
import { DirentWriter } from '../../lib/wire/dirents.js';
import { ReplyWriter } from '../../lib/wire/replies.js';
import { reply } from '../support/wire-builder.js';

const buffer = new ArrayBuffer(16384);
const writer = new ReplyWriter(buffer);
const dirents = new DirentWriter(writer);
const attr = new Uint32Array(32);
attr.set([0xffff_ffff, 5], 0);
attr[18] = 0o100644;

function start(size: number): void {
  new Uint8Array(buffer).fill(0xee);
  writer.begin(1, 0);
  dirents.start(size);
}

function finish() {
  return reply(new Uint8Array(buffer, 0, writer.finish()));
}

const names = fc.array(
  fc
    .uint8Array({ min: 1, max: 255, minLength: 1, maxLength: 255 })
    .map((codes) => Buffer.from(codes).toString('latin1')),
  { maxLength: 60 },
);

t.test('what was added is what is read, and no more than fits', (t) => {
  const property = fc.property(names, fc.nat(9000), fc.boolean(), (list, size, plus) => {
    start(size);
    const added: string[] = [];
    for (const [i, name] of list.entries()) {
      const fits = dirents.fits(name, plus);
      const done = plus ? dirents.addPlus(100 + i, 1, 2, 3, attr, i + 1, 8, name) : dirents.add(7, 1, i + 1, 8, name);
      deepStrictEqual(done, fits);
      if (!done) break;
      added.push(name);
    }
    const { length, payload } = finish();
    ok(length - 16 <= size);
    const read = payload.dirents(plus);
    deepStrictEqual(
      read.map((entry) => entry.name),
      added,
    );
    deepStrictEqual(dirents.count, added.length);
    for (const [i, entry] of read.entries()) {
      deepStrictEqual([entry.off, entry.type], [BigInt(i + 1), 8]);
      deepStrictEqual(entry.ino, plus ? 0x5_ffff_ffffn : 0x1_0000_0007n);
      deepStrictEqual(entry.entry?.nodeid, plus ? BigInt(100 + i) : undefined);
    }
  });
  t.doesNotThrow(() => fc.assert(property));
  t.end();
});

t.test('a plus record carries its entry; a bare one has nodeid 0', (t) => {
  start(4096);
  t.ok(dirents.addPlusBare(1, 2, 1, 4, '.'));
  t.ok(dirents.addPlus(77, 3, 10, 20, attr, 2 ** 40, 8, 'file'));
  const [dot, file] = finish().payload.dirents(true);
  t.match(dot, { ino: 0x2_0000_0001n, name: '.', type: 4, entry: { nodeid: 0n, attrValid: 0n, attr: { mode: 0 } } });
  t.match(file, { off: 2n ** 40n, entry: { nodeid: 77n, generation: 3n, entryValid: 10n, attrValid: 20n } });
  t.equal(file?.entry?.attr.mode, 0o100644);
  t.end();
});

t.test('the size may be larger than the buffer', (t) => {
  start(1 << 30);
  const name = 'n'.repeat(255);
  while (dirents.add(1, 0, 1, 8, name));
  t.ok(finish().length <= buffer.byteLength);
  t.end();
});

t.test('an empty listing is an empty payload', (t) => {
  start(4096);
  t.equal(finish().length, 16);
  start(32);
  t.ok(dirents.add(1, 0, 1, 8, 'exactly8'));
  t.notOk(dirents.add(1, 0, 1, 8, 'a'), 'nothing is left');
  t.equal(finish().length, 16 + 32);
  start(0);
  t.notOk(dirents.add(1, 0, 1, 8, 'a'));
  t.equal(finish().length, 16);
  t.end();
});

t.test('a name beyond 255 bytes never reaches the kernel (CVE-2026-31694)', (t) => {
  start(4096);
  t.throws(() => dirents.add(1, 0, 1, 8, 'n'.repeat(256)), AssertionFailure);
  t.throws(() => dirents.addPlus(1, 0, 1, 1, attr, 1, 8, 'n'.repeat(256)), AssertionFailure);
  t.throws(() => dirents.addPlusBare(1, 0, 1, 8, 'n'.repeat(4000)), AssertionFailure);
  t.throws(() => dirents.add(1, 0, 1, 8, ''), AssertionFailure);
  t.equal(finish().length, 16, 'nothing of it was written');
  t.end();
});

t.test('a listing is the whole answer', (t) => {
  writer.begin(1, 0);
  writer.write(1);
  t.throws(() => dirents.start(100), AssertionFailure);
  t.end();
});
