import t, { type Test } from 'tap';
import { AssertionFailure } from '../../lib/assert.js';
import { EXPIRE_ONLY } from '../../lib/wire/abi.js';
import { incEpoch, invalEntry, invalInode, notifyDelete, PRUNE_MAX, prune, resend } from '../../lib/wire/notify.js';
import { type Fields, reply } from '../support/wire-builder.js';

/** A notification's `error` is its positive code and its unique is 0. */
function notified(t: Test, message: Uint8Array, code: number): Fields {
  const decoded = reply(message);
  t.equal(decoded.error, code, 'code');
  t.equal(decoded.unique, 0n, 'unique');
  return decoded.payload;
}

t.test('invalInode', (t) => {
  const whole = notified(t, invalInode(2 ** 40), 2);
  t.same([whole.u64(), whole.i64(), whole.i64(), whole.left], [2n ** 40n, 0n, 0n, 0]);
  const attributes = notified(t, invalInode(5, -1, 0), 2);
  t.same([attributes.u64(), attributes.i64(), attributes.i64()], [5n, -1n, 0n]);
  const range = notified(t, invalInode(5, 2 ** 33, 4096), 2);
  t.same([range.u64(), range.i64(), range.i64()], [5n, 2n ** 33n, 4096n]);
  t.end();
});

t.test('invalEntry counts the name without its NUL, and sends it', (t) => {
  const dropped = notified(t, invalEntry(3, 'a\xff'), 3);
  t.same([dropped.u64(), dropped.u32(), dropped.u32()], [3n, 2, 0]);
  t.equal(dropped.bytes(dropped.left).toString('latin1'), 'a\xff\0');
  const expired = notified(t, invalEntry(3, 'a', EXPIRE_ONLY), 3);
  t.same([expired.u64(), expired.u32(), expired.u32()], [3n, 1, 1]);
  t.end();
});

t.test('notifyDelete', (t) => {
  const gone = notified(t, notifyDelete(3, 4, 'name'), 6);
  t.same([gone.u64(), gone.u64(), gone.u32(), gone.u32()], [3n, 4n, 4, 0]);
  t.equal(gone.bytes(gone.left).toString('latin1'), 'name\0');
  t.end();
});

t.test('resend and incEpoch have no payload', (t) => {
  t.equal(notified(t, resend(), 7).left, 0);
  t.equal(notified(t, incEpoch(), 8).left, 0);
  t.end();
});

t.test('prune', (t) => {
  const some = notified(t, prune([2, 2 ** 40]), 9);
  t.same([some.u32(), some.u32(), some.u64()], [2, 0, 0n]);
  t.same([some.u64(), some.u64(), some.left], [2n, 2n ** 40n, 0]);
  t.throws(() => prune(new Array<number>(PRUNE_MAX + 1).fill(2)), AssertionFailure);
  t.end();
});

t.test('what the kernel would refuse is never built', (t) => {
  t.throws(() => invalEntry(1, ''), AssertionFailure);
  t.throws(() => invalEntry(1, 'n'.repeat(256)), AssertionFailure);
  t.throws(() => notifyDelete(1, 2, ''), AssertionFailure);
  t.throws(() => invalInode(2 ** 53), AssertionFailure);
  t.end();
});
