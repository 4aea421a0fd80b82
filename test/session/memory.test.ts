// When memory is given back: after a wave, when the mount is idle, and when more has died than lives.

import t from 'tap';
import { collectGarbage, MemoryKeeper } from '../../lib/session/memory.js';
import { eventually, sleep } from '../support/expect.js';

function household(live = 0) {
  const counts = { live, requests: 0, trims: 0, collections: 0 };
  const keeper = new MemoryKeeper({
    live: () => counts.live,
    requests: () => counts.requests,
    trim: () => {
      counts.trims += 1;
    },
    collect: async () => {
      counts.collections += 1;
    },
  });
  return { counts, keeper };
}

t.test('a wave on an idle mount', async (t) => {
  const { counts, keeper } = household();
  keeper.note(19_999);
  keeper.note(1);
  keeper.note(50_000);
  t.ok(await eventually(() => counts.collections === 1));
  t.equal(counts.trims, 1);
  await sleep(400);
  t.equal(counts.collections, 1, 'once');
});

t.test('nothing happens for a few, on a busy mount, for a small part, or after the end', async (t) => {
  const few = household();
  few.keeper.note(19_999);
  const part = household(30_000);
  part.keeper.note(25_000);
  const ended = household();
  ended.keeper.note(25_000);
  ended.keeper.stop();
  ended.keeper.note(1e9);
  const busy = household();
  busy.keeper.note(25_000);
  const work = setInterval(() => {
    busy.counts.requests += 10;
  }, 20);
  await sleep(900);
  for (const { counts } of [few, part, ended, busy]) t.equal(counts.collections, 0);
  clearInterval(work);
  t.ok(await eventually(() => busy.counts.collections === 1), 'when the work is done');
  part.keeper.note(10_000);
  t.ok(await eventually(() => part.counts.collections === 1), 'when more died than lives');
});

t.test('the heap shrinks', async (t) => {
  let held: unknown[] | null = Array.from({ length: 400_000 }, (_v, at) => ({ at, name: `n${at}` }));
  const full = process.memoryUsage().heapTotal;
  t.equal(held.length, 400_000);
  held = null;
  await collectGarbage();
  t.ok(process.memoryUsage().heapTotal < full - 10_000_000);
});
