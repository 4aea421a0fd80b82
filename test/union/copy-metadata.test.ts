// Metadata of a copy: owner, xattrs and mode, and what the host may refuse of them.

import t from 'tap';
import { errno } from '../../lib/errno.js';
import { markImpure, setPrivate, writePrivate } from '../../lib/union/copy-metadata.js';
import { copyUp } from '../../lib/union/copy-up.js';
import { FaultySyscalls } from '../support/faulty-syscalls.js';
import { raw } from '../support/plant.js';
import { file } from '../support/tree.js';
import { codeOf, type Layout, type TempUnion, unionTest } from '../support/union-in-temp.js';

const xattrs = {
  'user.a': '1',
  'trusted.b': '2',
  'user.overlay.origin': 'private',
  'trusted.overlay.overlay.x': 'nested',
};
const lowers = [{ f: file('f', { mode: 0o6711, uid: 5, gid: 6, xattrs }), g: file('g') }];

function stored(w: TempUnion, path: string): string[] {
  const node = w.file(path);
  const names = w.sys.listXattr(w.u.dirFds.fd(node.dir), node.base);
  return typeof names === 'number' ? [`${names}`] : names.filter((name) => !name.startsWith('security.')).sort();
}

unionTest(t, 'all but the private ones, and an origin', { lowers }, (t, w) => {
  copyUp(w.u, w.file('f'), 'data');
  t.same(stored(w, 'f'), ['trusted.b', 'trusted.overlay.origin', 'trusted.overlay.overlay.x', 'user.a']);
  w.has('f');
  t.match({ mode: w.stat.mode, uid: w.stat.uid, gid: w.stat.gid }, { mode: 0o106711, uid: 5, gid: 6 });
});

const refusing = new FaultySyscalls();
const layout: Layout = { lowers, sys: refusing.syscalls };

unionTest(t, 'an attribute that the host does not know is lost with a word, another failure is one', layout, (t, w) => {
  refusing.arm({ at: 1, how: errno.ENOSPC, only: 'setXattr' });
  t.equal(
    codeOf(() => copyUp(w.u, w.file('f'), 'data')),
    errno.ENOSPC,
  );
  refusing.arm({ at: 1, how: errno.EOPNOTSUPP, only: 'setXattr' });
  t.equal(
    codeOf(() => copyUp(w.u, w.file('f'), 'data')),
    0,
  );
  refusing.arm(null);
  t.equal(stored(w, 'f').length, 3);
});

unionTest(t, 'private marks', layout, (t, w) => {
  const upper = w.u.root.upper;
  if (upper === null) throw new Error('no upper');
  const place = { fd: w.u.dirFds.fd(upper), name: '' };
  t.equal(writePrivate(w.u, place, 'test', raw('v')), 0);
  t.ok(setPrivate(w.u, place, 'test', raw('w')));
  refusing.refuse('setXattr', errno.ENOSPC);
  t.equal(writePrivate(w.u, place, 'test', raw('v')), -errno.ENOSPC);
  t.notOk(setPrivate(w.u, place, 'test', raw('v')), 'best effort');
  refusing.replace('setXattr', null);
});

unionTest(t, 'the impure mark is written once', layout, (t, w) => {
  w.names();
  refusing.arm(null);
  markImpure(w.u, w.u.root);
  markImpure(w.u, w.u.root);
  t.equal(refusing.count('setXattr'), 1);
});
