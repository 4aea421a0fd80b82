// containerd's filter expressions on records.

import t from 'tap';
import { filterOf } from '../../lib/snapshotter/filters.js';
import type { SnapshotRecord } from '../../lib/snapshotter/record.js';

const record: SnapshotRecord = {
  key: 'web',
  id: 1,
  parent: 'base',
  kind: 'committed',
  created: 0,
  updated: 0,
  labels: { tier: 'front', 'containerd.io/gc.root': 'now, or later' },
  usage: { size: 0, inodes: 0 },
};

const table: Readonly<Record<string, boolean>> = {
  '': true,
  'name==web': true,
  'name==db': false,
  'name!=db': true,
  'name~=^w.b$': true,
  'kind==committed,parent==base': true,
  'kind==committed,parent==other': false,
  'labels.tier==front': true,
  'labels.tier': true,
  'labels.missing': false,
  'labels.missing!=x': true,
  'labels."containerd.io/gc.root"=="now, or later"': true,
  'unknown==x': false,
};

for (const [expression, passes] of Object.entries(table)) {
  t.equal(filterOf([expression])(record), passes, expression);
}

t.test('one of several is enough', async (t) => {
  t.ok(filterOf(['name==db', 'name==web'])(record));
  t.notOk(filterOf(['name==db', 'name==mail'])(record));
});

t.test('what is not understood is refused', async (t) => {
  for (const wrong of ['name=web', '==web', 'name~=(', 'name==web,,kind==view']) {
    t.throws(() => filterOf([wrong]), { name: 'SnapshotError', refusal: 'invalid-argument' }, wrong);
  }
});
