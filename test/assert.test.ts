// assert: throws, and counts for the end of the run.

import t from 'tap';
import { AssertionFailure, assert, assertionFailures } from '../lib/assert.js';

t.test('what holds costs nothing', async (t) => {
  const before = assertionFailures();
  assert(1, 'one');
  assert('text', 'text');
  t.equal(assertionFailures(), before);
});

t.test('what does not hold throws and is counted', async (t) => {
  const before = assertionFailures();
  for (const value of [false, 0, '', null, undefined]) t.throws(() => assert(value, 'it holds'), AssertionFailure);
  t.throws(() => assert(false, 'it holds'), { message: 'it holds', name: 'AssertionFailure' });
  t.equal(assertionFailures(), before + 6);
});
