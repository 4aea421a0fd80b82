// The xattr in which a mount says what it is made of: who may ask, and that it lies nowhere.

import { Buffer } from 'node:buffer';
import t from 'tap';
import { errno } from '../../lib/errno.js';
import type { Layer } from '../../lib/union/layers.js';
import { TRUSTED_LAYERS, TRUSTED_OPTIONS, USER_LAYERS, USER_OPTIONS } from '../../lib/union/told-layers.js';
import { getXattr, listXattr, removeXattr, setXattr } from '../../lib/union/xattrs.js';
import { raw } from '../support/plant.js';
import { file } from '../support/tree.js';
import { codeOf, type TempUnion, unionTest } from '../support/union-in-temp.js';

const as = (uid: number) => ({ uid, gid: uid, pid: 0 });
const told = (w: TempUnion, key: string, uid: number): string =>
  Buffer.from(getXattr(w.u, w.u.root, key, as(uid))).toString('latin1');

unionTest(t, 'who may ask', { lowers: [{ f: file('') }, {}], dataLowers: [{}] }, (t, w) => {
  const fields = [`upperdir=${w.upper}`, `workdir=${w.work}`, ...w.lowers.map((path) => `lowerdir=${path}`)];
  const value = [...fields, `datadir=${w.base}/data0`, ''].join('\0');
  t.equal(told(w, TRUSTED_LAYERS, 0), value);
  t.equal(told(w, USER_LAYERS, 0), value);
  t.equal(
    codeOf(() => told(w, USER_LAYERS, 1000)),
    errno.ENODATA,
    'not who runs the server',
  );
  t.equal(
    codeOf(() => getXattr(w.u, w.u.root, USER_LAYERS)),
    errno.ENODATA,
    'nobody is known to ask',
  );
  t.equal(
    codeOf(() => getXattr(w.u, w.node('f'), TRUSTED_LAYERS, as(0))),
    errno.ENODATA,
    'of the root only',
  );
});

unionTest(t, 'the options', { lowers: [{}] }, (t, w) => {
  t.same(JSON.parse(told(w, TRUSTED_OPTIONS, 0)), { ...w.u.options });
  t.equal(told(w, USER_OPTIONS, 0), told(w, TRUSTED_OPTIONS, 0));
  t.equal(
    codeOf(() => told(w, USER_OPTIONS, 1000)),
    errno.ENODATA,
  );
});

unionTest(t, 'it lies nowhere', { lowers: [{}] }, (t, w) => {
  t.equal(
    codeOf(() => setXattr(w.u, w.u.root, USER_LAYERS, raw('x'), 0, false)),
    errno.EPERM,
  );
  t.equal(
    codeOf(() => removeXattr(w.u, w.u.root, USER_LAYERS)),
    errno.ENODATA,
  );
  t.same(Buffer.from(listXattr(w.u, w.u.root)).toString(), '');
});

unionTest(t, 'too long for an xattr', { lowers: [{}] }, (t, w) => {
  const [top, lower] = w.u.layers as [Layer, Layer];
  const many = Array.from({ length: 400 }, (_, at): Layer => ({ ...lower, path: `/${'long'.repeat(50)}${at}` }));
  w.u.layers.splice(0, 2, top, ...many);
  t.equal(
    codeOf(() => told(w, TRUSTED_LAYERS, 0)),
    errno.E2BIG,
  );
  w.u.layers.splice(0, 401, top, lower);
});
