import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { Reader } from '../../lib/wire/reader.js';
import { bytes } from '../support/wire-builder.js';

function over(source: Uint8Array): Reader {
  const reader = new Reader(source);
  reader.window(0, source.byteLength);
  return reader;
}

/** Runs a property as one assertion of the test. */
function holds<T>(t: Test, property: fc.IProperty<T>, numRuns = 100): void {
  t.doesNotThrow(() => fc.assert(property, { numRuns }));
}

t.test('reads numbers in order', (t) => {
  const r = over(
    bytes()
      .u16(0xfffe)
      .u32(0xffff_ffff, 0xffff_ffff)
      .u64(2n ** 53n - 1n, -5n)
      .done(),
  );
  t.equal(r.u16(), 0xfffe);
  t.equal(r.u32(), 0xffff_ffff);
  t.equal(r.i32(), -1);
  t.equal(r.u64(), Number.MAX_SAFE_INTEGER);
  t.equal(r.i64(), -5);
  t.equal(r.remaining, 0);
  t.notOk(r.short || r.inexact);
  t.end();
});

t.test('every safe 64-bit number is read exactly', (t) => {
  holds(
    t,
    fc.property(fc.maxSafeNat(), (value) => over(bytes().u64(value).done()).u64() === value),
  );
  holds(
    t,
    fc.property(fc.maxSafeInteger(), (value) => over(bytes().u64(value).done()).i64() === value),
  );
  t.end();
});

t.test('a number of 2^53 or more is told, not rounded', (t) => {
  const exact = over(
    bytes()
      .u64(2n ** 53n)
      .done(),
  );
  t.equal(exact.u64(), Number.MAX_SAFE_INTEGER);
  t.ok(exact.inexact);
  const saturated = over(
    bytes()
      .u64(2n ** 63n - 1n)
      .done(),
  );
  t.equal(saturated.u64Saturated(), Number.MAX_SAFE_INTEGER);
  t.notOk(saturated.inexact);
  const ends = over(
    bytes()
      .u64(2n ** 63n - 1n, 2n ** 63n)
      .done(),
  );
  t.equal(ends.i64(), Number.MAX_SAFE_INTEGER);
  t.equal(ends.i64(), Number.MIN_SAFE_INTEGER);
  t.end();
});

t.test('running out of bytes is a value', (t) => {
  for (const read of ['u16', 'u32', 'i32', 'u64', 'u64Saturated', 'i64'] as const) {
    const r = over(new Uint8Array([7]));
    t.equal(r[read](), 0, read);
    t.ok(r.short, read);
    t.equal(r.remaining, 0, 'and nothing more can be read');
  }
  const r = over(new Uint8Array(4));
  t.equal(r.bytes(5).byteLength, 0);
  t.ok(r.short);
  const s = over(new Uint8Array(4));
  s.skip(5);
  t.ok(s.short);
  t.end();
});

t.test('byte strings', (t) => {
  const r = over(Buffer.from('a\xff\0\0tail', 'latin1'));
  t.equal(r.cstring(), 'a\xff');
  t.equal(r.cstring(), '', 'an empty one is not short');
  t.notOk(r.short);
  t.equal(r.cstring(), '', 'an unterminated one is');
  t.ok(r.short);
  t.end();
});

t.test('a window has two ends', (t) => {
  const source = Buffer.from('head\0body\0tail\0', 'latin1');
  const r = new Reader(source);
  r.window(5, 10);
  t.equal(r.at, 5);
  t.equal(r.cstring(), 'body');
  t.equal(r.remaining, 0);
  r.window(0, 15);
  r.endAt(4);
  r.cstring();
  t.ok(r.short, 'the NUL lies beyond the end');
  r.window(2, 15);
  t.notOk(r.short, 'a new window starts clean');
  r.endAt(1);
  t.ok(r.short, 'an end before the cursor');
  r.window(16, 20);
  t.ok(r.short, 'a start beyond the source');
  t.end();
});

t.test('byte views alias the source', (t) => {
  const source = new Uint8Array([1, 2, 3]);
  const view = over(source).bytes(3);
  source[1] = 9;
  t.equal(view[1], 9);
  t.end();
});
