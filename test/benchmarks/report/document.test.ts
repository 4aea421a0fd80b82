// The value that is written down: what of a run is in it, and that files of other programs are refused.

import t from 'tap';
import type { Case } from '../../../benchmarks/cases/case.js';
import type { Competitor } from '../../../benchmarks/competitors.js';
import { parseResults, resultsOf } from '../../../benchmarks/report/document.js';
import { results, row } from './made.js';

const { setting } = results([]);
const recipe = { key: 'none', layers: 1, make: () => {} };
const measured: Case = { name: 'stat', family: 'lookup', unit: 'us/op', recipe, run: async () => 1 };
const players: Competitor[] = [
  { id: 'overlayfs', role: 'kernel', about: '' },
  { id: 'stratafs', role: 'subject', about: '' },
];

t.test('cells become results; rows that were not measured are left out', async (t) => {
  const cells = new Map([
    [
      'stat',
      new Map([
        ['overlayfs', { samples: [2, 1, 3] }],
        ['stratafs', { samples: [4] }],
      ]),
    ],
  ]);
  const rows = [measured, { ...measured, name: 'mkdir' }];
  const skipped = new Map([['mkdir', 'no time was left']]);
  const versions = new Map([['stratafs', '0.1.0']]);
  const made = resultsOf({ rows, competitors: players, versions, leftOut: new Map(), skipped, cells }, setting);
  t.same(
    made.rows.map(({ name }) => name),
    ['stat'],
  );
  t.match(made.rows[0]?.results, { overlayfs: { median: 2, min: 1, max: 3 }, stratafs: { toKernel: 2 } });
  t.same(made.skipped, { mkdir: 'no time was left' });
  t.match(made.competitors, [{ id: 'overlayfs' }, { id: 'stratafs', version: '0.1.0' }]);
  t.same(parseResults(JSON.stringify(made), 'x.json'), made, 'and come back from the file');
});

t.test('another format is refused by name', async (t) => {
  const old = JSON.stringify({ ...results([row('a', 'ms', {})]), format: 1 });
  t.throws(() => parseResults(old, 'old.json'), { message: /^old\.json: format 1, not 2/ });
  t.throws(() => parseResults('{}', 'x'), { message: /^x: format undefined/ });
});
