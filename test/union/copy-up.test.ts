// Copy-up: what the copy keeps, and the failure of every syscall on the way.

import t from 'tap';
import { copyUp } from '../../lib/union/copy-up.js';
import { sweep } from '../support/fault-sweep.js';
import { device, dir, fifo, file, hardlink, symlink } from '../support/tree.js';

const meta = { mode: 0o4755, uid: 1000, gid: 1001, mtime: 1_400_000_000_000_000_001n, xattrs: { 'user.k': 'v' } };
const lowers = [
  {
    small: file('small', meta),
    large: file('large'.repeat(300_000), meta),
    empty: file(''),
    link: symlink('small', { uid: 1000, gid: 1000 }),
    device: device(1, 3, { mode: 0o600, uid: 5 }),
    fifo: fifo(),
    one: file('several'),
    two: hardlink('one'),
    a: dir(
      { b: dir({ c: file('deep', meta) }, { mode: 0o750, uid: 7, gid: 8, xattrs: { 'user.d': 'x' } }) },
      { mode: 0o711 },
    ),
  },
];

for (const path of ['small', 'large', 'empty', 'link', 'device', 'fifo', 'one', 'a/b/c', 'a/b']) {
  sweep(t, {
    name: `copy-up of ${path}`,
    layout: { lowers },
    prepare: (w) => {
      const node = w.node(path);
      return () => copyUp(w.u, node);
    },
  });
}
