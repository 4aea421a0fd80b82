// Medians, spreads and ratios.

import t from 'tap';
import { costRatio, figure, ratios } from '../../../benchmarks/report/statistics.js';
import { competitors, row } from './made.js';

t.test('the figure of a cell', async (t) => {
  t.same(figure({ samples: [3, 1, 2] }), { median: 2, min: 1, max: 3 });
  t.same(figure({ samples: [4, 1, 2, 3] }), { median: 2.5, min: 1, max: 4 }, 'between the middle two');
  t.same(figure({ samples: [7] }), { median: 7, min: 7, max: 7 });
  t.equal(figure({ samples: [] }), undefined);
  t.equal(figure({ samples: [1], error: 'failed later' }), undefined, 'a failure leaves no figure');
  t.equal(figure(undefined), undefined);
});

t.test('samples keep their order', async (t) => {
  const samples = [3, 1, 2];
  figure({ samples });
  t.same(samples, [3, 1, 2]);
});

t.test('a ratio above 1 is worse, whatever the unit', async (t) => {
  t.equal(costRatio('lower', 30, 10), 3);
  t.equal(costRatio('higher', 30, 10), 1 / 3);
});

t.test('ratios to the kernel and to the best peer', async (t) => {
  const { results } = row('stat', 'us/op', { overlayfs: [10], 'fuse-overlayfs': [40], stratafs: [20] });
  t.match(results.stratafs, { toKernel: 2, toBestPeer: 0.5 });
  t.match(results['fuse-overlayfs'], { toKernel: 4, toBestPeer: undefined }, 'a peer is not compared with itself');
  t.equal(results.overlayfs?.toKernel, undefined);
});

t.test('the best peer is the one with the lowest cost', async (t) => {
  const all = [...competitors, { id: 'unionfs', role: 'peer' }] as const;
  const cells = new Map([
    ['fuse-overlayfs', { samples: [100] }],
    ['unionfs', { samples: [400] }],
    ['stratafs', { samples: [200] }],
  ]);
  const own = { id: 'stratafs', role: 'subject' } as const;
  t.same(ratios('higher', own, all, cells), { toBestPeer: 2 }, 'of throughputs the highest');
  t.same(ratios('lower', own, all, cells), { toBestPeer: 2 }, 'of times the shortest');
});

t.test('nothing is compared with a failure', async (t) => {
  const { results } = row('stat', 'us/op', { overlayfs: 'EIO', stratafs: [20] });
  t.equal(results.stratafs?.toKernel, undefined);
  t.same(ratios('lower', competitors[3], competitors, new Map([['overlayfs', { samples: [1] }]])), {});
});
