// What an idle union drops, and that it is there again when it is asked for.

import t from 'tap';
import { trimUnion } from '../../lib/union/trim.js';
import { dir } from '../support/tree.js';
import { unionTest } from '../support/union-in-temp.js';

unionTest(
  t,
  'names of the root go with the last node, listings always',
  { lowers: [{ a: 'a', d: dir({ b: 'b' }) }] },
  (t, w) => {
    const node = w.node('a');
    t.same(w.names(), ['a', 'd']);
    trimUnion(w.u);
    t.not(w.u.root.index, null, 'a node is known below it');
    t.equal(w.u.listings.size, 0);
    w.u.nodes.forget(node.id, 1);
    trimUnion(w.u);
    t.equal(w.u.root.index, null);
    t.same(w.names(), ['a', 'd']);
    t.same(w.names('d'), ['b']);
  },
);
