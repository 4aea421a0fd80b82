// Pending: carries the work and how to give it up, and is no error.

import t from 'tap';
import { Pending } from '../../lib/union/pending.js';

t.test('work and abandon', async (t) => {
  let given = 0;
  const pending = new Pending(Promise.resolve(5), () => {
    given += 1;
  });
  t.equal(await pending.work, 5);
  pending.abandon?.();
  t.equal(given, 1);
  t.notOk(pending instanceof Error);
});
