// Flags that protect nothing are the host's: set on the copy, read where the file is.

import t from 'tap';
import { errno } from '../../lib/errno.js';
import { getFlags, getFsx, setFlags } from '../../lib/union/inode-flags.js';
import { sweep } from '../support/fault-sweep.js';
import { dir, file, symlink } from '../support/tree.js';
import { codeOf, unionTest } from '../support/union-in-temp.js';

const NODUMP = 0x40;
const IMMUTABLE = 0x10;
const layout = { lowers: [{ f: file('f'), d: dir({}), l: symlink('f') }], upper: { u: file('u') } };

unionTest(t, 'other flags', layout, (t, w) => {
  for (const path of ['f', 'd', 'u']) {
    const before = getFlags(w.u, w.node(path));
    setFlags(w.u, w.node(path), before | NODUMP);
    t.equal(getFlags(w.u, w.node(path)), before | NODUMP, path);
  }
  t.ok(w.file('f').inUpper);
});

unionTest(t, 'files that have none', layout, (t, w) => {
  for (const ask of [getFlags, getFsx]) {
    t.equal(
      codeOf(() => ask(w.u, w.node('l'))),
      errno.ENOTTY,
    );
  }
});

sweep(t, {
  name: 'chattr +i of a lower file',
  layout,
  prepare: (w) => {
    const node = w.node('f');
    return () => setFlags(w.u, node, getFlags(w.u, node) | IMMUTABLE);
  },
});
