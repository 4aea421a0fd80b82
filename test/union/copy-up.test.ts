// Copy-up: what the copy keeps, and the failure of every syscall on the way.

import t from 'tap';
import { errno } from '../../lib/errno.js';
import { W } from '../../lib/sys/stat.js';
import { copyUp } from '../../lib/union/copy-up.js';
import { sweep } from '../support/fault-sweep.js';
import { FaultySyscalls } from '../support/faulty-syscalls.js';
import { device, dir, fifo, file, hardlink, symlink } from '../support/tree.js';
import { codeOf, unionTest } from '../support/union-in-temp.js';

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
      return () => copyUp(w.u, node, 'data');
    },
  });
}

const EARLY = { mtime: -5_000_000_000n };
unionTest(t, 'times before 1970 stay', { lowers: [{ f: file('old', EARLY), d: dir({}, EARLY) }] }, (t, w) => {
  for (const path of ['f', 'd']) {
    w.has(path);
    const { words } = w.stat;
    const before = [words[W.mtime], words[W.mtime + 1], words[W.mtimeNsec]];
    copyUp(w.u, w.node(path), 'data');
    w.has(path);
    t.same([words[W.mtime], words[W.mtime + 1], words[W.mtimeNsec]], before);
    t.equal(words[W.mtime + 1], 0xffff_ffff, 'negative');
  }
});

const failing = new FaultySyscalls();
unionTest(t, 'a copy whose times cannot be set is not published', { lowers, sys: failing.syscalls }, (t, w) => {
  failing.arm({ at: 1, how: errno.EIO, only: 'utimensAt' });
  t.equal(
    codeOf(() => copyUp(w.u, w.file('small'), 'data')),
    errno.EIO,
  );
  failing.arm(null);
  t.notOk(w.file('small').inUpper);
});

const ordered = new FaultySyscalls();
unionTest(t, 'the impure mark is on disk before the copy has its name', { lowers, sys: ordered.syscalls }, (t, w) => {
  const node = w.file('a/b/c');
  ordered.arm(null);
  copyUp(w.u, node, 'data');
  const at = (found: (line: string) => boolean): number => ordered.made.findLastIndex(found);
  const marked = at((line) => line.startsWith('setXattr') && line.includes('impure'));
  t.ok(marked > 0 && marked < at((line) => line.startsWith('linkAt')));
});
