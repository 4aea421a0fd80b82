// handle table: fhs are minted once and found until removed.

import t from 'tap';
import { HandleTable } from '../../lib/nodes/handle-table.js';
import type { Fh } from '../../lib/nodes/ids.js';

t.test('add, get, remove', async (t) => {
  const handles = new HandleTable<{ fh: Fh }>();
  const first = { fh: handles.mint() };
  const second = { fh: handles.mint() };
  t.ok(first.fh > 0, '0 is no fh');
  t.not(first.fh, second.fh);
  handles.add(first);
  handles.add(second);
  t.equal(handles.size, 2);
  t.equal(handles.get(first.fh), first);
  t.same([...handles.all()], [first, second]);
  t.equal(handles.remove(first.fh), first);
  t.equal(handles.remove(first.fh), undefined, 'once');
  t.equal(handles.get(first.fh), undefined);
  t.not(handles.mint(), first.fh, 'never minted again');
});
