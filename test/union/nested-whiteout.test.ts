// A user's char 0:0: an empty file on disk, a device to users, and never one of our whiteouts.

import t from 'tap';
import { errno } from '../../lib/errno.js';
import { S_IFCHR, S_IFREG } from '../../lib/sys/constants.js';
import { mknod } from '../../lib/union/create.js';
import { looksNested, mayHoldNested, restoreMark } from '../../lib/union/nested-whiteout.js';
import { listXattr, removeXattr, setXattr } from '../../lib/union/xattrs.js';
import { dir, file } from '../support/tree.js';
import { codeOf, type TempUnion, unionTest } from '../support/union-in-temp.js';

const layout = { lowers: [{ d: dir({ low: 'low' }), e: dir({}) }] };
const WHITEOUT = 'trusted.overlay.whiteout';
const OPAQUE = 'trusted.overlay.opaque';
const root = { uid: 0, gid: 0, umask: 0 };

const make = (w: TempUnion, path: string, name: string): unknown =>
  mknod(w.u, w.dir(path), name, S_IFCHR | 0o600, 0, root, w.stat);

const mark = (w: TempUnion, path: string): string =>
  Buffer.from(
    w.u.sys.getXattr(w.u.layers[0]?.fd as number, path, 'trusted.overlay.overlay.opaque') as Uint8Array,
  ).toString();

unionTest(t, 'made, shown, listed', layout, async (t, w) => {
  make(w, 'd', 'zero');
  t.equal(w.stat.mode, S_IFCHR | 0o600);
  t.equal(w.stat.rdev, 0);
  t.equal(mark(w, 'd'), 'x');
  await w.remount();
  t.ok(w.has('d/zero'));
  t.equal(w.stat.mode, S_IFCHR | 0o600, 'after a remount');
  t.equal(listXattr(w.u, w.node('d/zero')).length, 0, 'how it is kept is not shown');
  t.equal(
    codeOf(() => setXattr(w.u, w.node('d/zero'), WHITEOUT, new Uint8Array(1), 0, false)),
    errno.EPERM,
  );
  t.equal(
    codeOf(() => removeXattr(w.u, w.node('d/zero'), WHITEOUT)),
    errno.ENODATA,
  );
});

unionTest(t, 'an empty file that a user marks stays a file', layout, async (t, w) => {
  make(w, 'd', 'zero');
  mknod(w.u, w.dir('d'), 'empty', S_IFREG | 0o600, 0, root, w.stat);
  setXattr(w.u, w.node('d/empty'), WHITEOUT, Buffer.from('y'), 0, false);
  await w.remount();
  t.ok(w.has('d/empty'));
  t.equal(w.stat.mode, S_IFREG | 0o600);
});

unionTest(t, 'the mark comes back when a user takes it away', layout, (t, w) => {
  make(w, 'd', 'zero');
  removeXattr(w.u, w.node('d'), OPAQUE);
  t.equal(mark(w, 'd'), 'x');
  restoreMark(w.u, w.node('e'), OPAQUE);
  t.throws(() => mark(w, 'e'), 'where there is none it is not needed');
});

t.test('marks', async (t) => {
  t.ok(mayHoldNested(['user.a', 'trusted.overlay.overlay.opaque']));
  t.ok(mayHoldNested(['user.overlay.overlay.opaque']));
  t.notOk(mayHoldNested([OPAQUE]));
});

unionTest(t, 'only a regular file under a device’s name looks like one', { lowers: [{ f: file('') }] }, (t, w) => {
  w.has('f');
  t.ok(looksNested(2, w.stat));
  t.notOk(looksNested(8, w.stat));
});
