// What counts as a change between two runs.

import t from 'tap';
import { against, changes, differences, turned } from '../../../benchmarks/report/against.js';
import { results, row } from './made.js';

const run = (samples: Parameters<typeof row>[2], unit: Parameters<typeof row>[1] = 'us/op') =>
  results([row('stat', unit, samples)]);

t.test('ranges that overlap are no change', async (t) => {
  t.same(changes(run({ stratafs: [10, 11, 12] }), run({ stratafs: [12, 13, 14] })), []);
  t.same(changes(run({ stratafs: [10, 11, 12] }), run({ stratafs: [5, 20, 30] })), [], 'nor is one within the other');
});

t.test('ranges apart are one, with its direction', async (t) => {
  const before = { stratafs: [10, 11, 12] };
  t.match(changes(run(before), run({ stratafs: [21, 22, 23] })), [{ row: 'stat', id: 'stratafs', ratio: 2 }]);
  t.match(changes(run(before), run({ stratafs: [5, 5.5, 6] })), [{ ratio: 0.5 }]);
  t.match(changes(run(before, 'MB/s'), run({ stratafs: [21, 22, 23] }, 'MB/s')), [{ ratio: 0.5 }], 'faster is cheaper');
});

t.test('a single sample is taken to be wide', async (t) => {
  t.same(changes(run({ stratafs: [10] }), run({ stratafs: [14] })), []);
  t.equal(changes(run({ stratafs: [10] }), run({ stratafs: [16] })).length, 1);
});

t.test('the worst comes first', async (t) => {
  const old = results([row('a', 'ms', { stratafs: [10, 10] }), row('b', 'ms', { stratafs: [10, 10] })]);
  const fresh = results([row('a', 'ms', { stratafs: [20, 20] }), row('b', 'ms', { stratafs: [40, 40] })]);
  t.same(
    changes(old, fresh).map(({ row }) => row),
    ['b', 'a'],
  );
});

t.test('what fails now, what works now, what only one run has', async (t) => {
  t.same(turned(run({ stratafs: [1] }), run({ stratafs: 'EIO' })), ['stat on stratafs fails now: EIO']);
  t.same(turned(run({ stratafs: 'EIO' }), run({ stratafs: [1] })), ['stat on stratafs works now (it failed: EIO)']);
  t.same(turned(run({ stratafs: 'EIO' }), run({ stratafs: 'EIO' })), []);
  t.same(changes(results([]), run({ stratafs: [1] })), []);
});

t.test('runs that are not alike are said to be', async (t) => {
  const old = results([]);
  const host = { ...old.setting.host, kernel: '6.1' };
  const other = results([], { setting: { ...old.setting, host } });
  t.same(differences(old, old), []);
  t.same(differences(other, old), ['kernel: 6.1 then, 6.18 now']);
});

t.test('the text', async (t) => {
  const old = run({ stratafs: [10, 11, 12] });
  t.match(against(old, run({ stratafs: [21, 22, 23] })), /stat +stratafs +us\/op +11\.0 \(10\.0–12\.0\).* 2\.00x/);
  t.match(against(old, old), 'No range left the one it had before.');
});
