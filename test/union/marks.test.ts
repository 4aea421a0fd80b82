// Marks: what a layer's directory says of itself, in every dialect.

import t from 'tap';
import { LayerDir, noMarks } from '../../lib/union/dir-fds.js';
import type { Layer } from '../../lib/union/layers.js';
import { readMarks, readXattrMarks } from '../../lib/union/marks.js';
import { dir, file } from '../support/tree.js';
import { type TempUnion, unionTest } from '../support/union-in-temp.js';

const marked = (key: string, value: string) => dir({}, { xattrs: { [key]: value } });
const lowers = [
  {
    plain: dir({}, { xattrs: { 'user.other': 'y' } }),
    trusted: dir({}, { opaque: 'trusted' }),
    user: dir({}, { opaque: 'user' }),
    fuse: dir({}, { opaque: 'fuseoverlayfs' }),
    wh: dir({}, { opaque: 'wh' }),
    x: marked('trusted.overlay.opaque', 'x'),
    ux: marked('user.overlay.opaque', 'x'),
    n: marked('trusted.overlay.opaque', 'n'),
    redirect: marked('trusted.overlay.redirect', '/a/b'),
    uredirect: marked('user.overlay.redirect', 'name'),
    nul: marked('trusted.overlay.redirect', 'name\0'),
    impure: marked('trusted.overlay.impure', 'y'),
    uimpure: marked('user.overlay.impure', 'y'),
    file: file('f'),
  },
];

function at(w: TempUnion, name: string): LayerDir {
  const layer = w.u.layers.at(-1) as Layer;
  return new LayerDir(layer, new LayerDir(layer, null, ''), name);
}

unionTest(t, 'every dialect', { lowers, upper: null }, (t, w) => {
  const marks = (name: string) => readMarks(w.sys, w.u.dirFds, at(w, name), w.stat);
  t.same(marks('plain'), noMarks);
  for (const name of ['trusted', 'user', 'fuse', 'wh']) t.same(marks(name), { ...noMarks, opaque: true }, name);
  for (const name of ['x', 'ux']) t.same(marks(name), { ...noMarks, xattrWhiteouts: true }, name);
  t.same(marks('n'), noMarks, 'neither y nor x');
  t.equal(marks('redirect').redirect, '/a/b');
  t.equal(marks('uredirect').redirect, 'name');
  t.equal(marks('nul').redirect, 'name', 'a final NUL is not part of it');
  for (const name of ['impure', 'uimpure']) t.ok(marks(name).impure, name);
});

unionTest(t, 'xattrs alone leave the opaque file to others', { lowers, upper: null }, (t, w) => {
  t.same(readXattrMarks(w.sys, w.u.dirFds, at(w, 'wh')), noMarks);
  t.ok(readXattrMarks(w.sys, w.u.dirFds, at(w, 'user')).opaque);
});
