// Work in steps: all at once, or a few between the turns of the event loop.

import t from 'tap';
import { allSteps, Stepping, type Steps } from '../../lib/union/steps.js';

const seen: string[] = [];

function* work(count: number, fails = false): Steps<number> {
  try {
    for (let at = 0; at < count; at += 1) {
      const end = performance.now() + 3;
      while (performance.now() < end);
      yield;
    }
    if (fails) throw new Error('failed');
    return count;
  } finally {
    seen.push('let go');
  }
}

t.beforeEach(() => {
  seen.length = 0;
});

t.test('all at once', async (t) => {
  t.equal(allSteps(work(3)), 3);
  t.throws(() => allSteps(work(1, true)), { message: 'failed' });
});

t.test('others have their turn in between', async (t) => {
  const stepping = new Stepping(work(10));
  t.equal(stepping.result, null, 'nothing is done at once');
  let turns = 0;
  const count = (): void => {
    turns += 1;
    if (stepping.result === null) setImmediate(count);
  };
  setImmediate(count);
  await stepping.done;
  t.same(stepping.result, { value: 10 });
  t.ok(turns >= 4, `${turns} turns`);
  t.same(seen, ['let go']);
});

t.test('a failure is a result', async (t) => {
  const stepping = new Stepping(work(2, true));
  await stepping.done;
  t.match(stepping.result, { error: { message: 'failed' } });
});

t.test('given up, it lets go of what it holds and tells nobody', async (t) => {
  const stepping = new Stepping(work(1000));
  let told = false;
  void stepping.done.then(() => {
    told = true;
  });
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  stepping.giveUp();
  t.same(seen, ['let go']);
  await new Promise((resolve) => setTimeout(resolve, 20));
  t.notOk(told);
  t.equal(stepping.result, null);
});
