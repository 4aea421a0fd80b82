// Replacing an empty merged directory: its whiteouts make way, in one exchange.

import { readdirSync } from 'node:fs';
import t from 'tap';
import { clearReplaced } from '../../lib/union/rename-clear.js';
import { dir, file, whiteout } from '../support/tree.js';
import { unionTest } from '../support/union-in-temp.js';

const layout = {
  lowers: [{ e: dir({ x: file('') }), plain: dir({}) }],
  upper: { e: dir({ x: whiteout() }, { mode: 0o711, uid: 5 }), plain: dir({}) },
};

unionTest(t, 'whiteouts go, owner and mode stay, the lower stays hidden', layout, async (t, w) => {
  const upper = w.u.root.upper;
  if (upper === null) throw new Error('no upper');
  const before = await w.diskView();
  const node = w.dir('e');
  clearReplaced(w.u, node, upper, 'e');
  t.same(readdirSync(`${w.upper}/e`), []);
  t.same(await w.diskView(), before);
  t.not(node.orphan, null, 'what the kernel refers to stays reachable');
});

unionTest(t, 'an empty one is left as it is', layout, (t, w) => {
  const upper = w.u.root.upper;
  if (upper === null) throw new Error('no upper');
  const node = w.dir('plain');
  clearReplaced(w.u, node, upper, 'plain');
  t.not(node.orphan, null);
  t.same(w.leftovers(), []);
});
