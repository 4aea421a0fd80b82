// ids: what may become a nodeid, an fh, a backing id.

import t from 'tap';
import { backingIdOf, fhOf, nodeId, ROOT_ID } from '../../lib/nodes/ids.js';

t.test('values go through unchanged', async (t) => {
  t.equal(ROOT_ID, 1);
  t.equal(nodeId(1), ROOT_ID);
  t.equal(nodeId(Number.MAX_SAFE_INTEGER), Number.MAX_SAFE_INTEGER);
  t.equal(fhOf(7), 7);
  t.equal(backingIdOf(3), 3);
});

t.test('impossible ones are broken invariants', async (t) => {
  for (const value of [0, -1, 2 ** 53, Number.NaN]) t.throws(() => nodeId(value), { name: 'AssertionFailure' });
  for (const value of [0, -1]) t.throws(() => backingIdOf(value), { name: 'AssertionFailure' });
});
