// Directory descriptors: one component at a time, bounded, closed when dropped.

import { readdirSync } from 'node:fs';
import t from 'tap';
import { errno } from '../../lib/errno.js';
import { DirFds, LayerDir } from '../../lib/union/dir-fds.js';
import type { Layer } from '../../lib/union/layers.js';
import { FaultySyscalls } from '../support/faulty-syscalls.js';
import { dir, type TreeSpec } from '../support/tree.js';
import { codeOf, type TempUnion, unionTest } from '../support/union-in-temp.js';

const wide: TreeSpec = Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`d${at}`, dir({})]));
const layout = { lowers: [{ ...wide, a: dir({ b: dir({ c: dir({}) }) }) }], upper: null };

function below(w: TempUnion, path: string): LayerDir {
  const layer = w.u.layers[0] as Layer;
  let at = new LayerDir(layer, null, '');
  for (const name of path.split('/').filter(Boolean)) at = new LayerDir(layer, at, name);
  return at;
}

unionTest(t, 'the root is the layer’s own descriptor', layout, (t, w) => {
  t.equal(w.u.dirFds.fd(below(w, '')), w.u.layers[0]?.fd);
  t.equal(below(w, 'a/b').toString(), `${w.lowers[0]}/a/b`);
});

unionTest(t, 'a chain is opened once', layout, (t, w) => {
  const faulty = new FaultySyscalls();
  const fds = new DirFds(faulty.syscalls, 100);
  const deep = below(w, 'a/b/c');
  const fd = fds.fd(deep);
  t.equal(faulty.count('openAt'), 3);
  t.equal(fds.fd(deep), fd);
  t.ok(fds.fd(deep.parent as LayerDir) > 0);
  t.equal(faulty.count('openAt'), 3);
  t.equal(fds.size, 3);
  fds.drop(deep);
  t.equal(fds.size, 2);
  fds.clear();
  t.equal(fds.size, 0);
});

unionTest(t, 'no more than it may hold', layout, (t, w) => {
  const fds = new DirFds(w.sys, 1);
  const before = readdirSync('/proc/self/fd').length;
  for (let at = 0; at < 100; at += 1) fds.fd(below(w, `d${at}`));
  t.equal(fds.size, 32, 'the least capacity');
  t.equal(readdirSync('/proc/self/fd').length, before + 32);
  fds.clear();
});

unionTest(t, 'a directory that is not there', layout, (t, w) => {
  t.equal(
    codeOf(() => w.u.dirFds.fd(below(w, 'a/nothing/c'))),
    errno.ENOENT,
  );
});

unionTest(t, 'a directory that failed to open once is not kept unreadable', layout, (t, w) => {
  const faulty = new FaultySyscalls();
  const fds = new DirFds(faulty.syscalls, 100);
  const a = below(w, 'a');
  faulty.arm({ at: 1, how: errno.EIO });
  t.equal(
    codeOf(() => fds.fd(a)),
    errno.EIO,
  );
  t.type(w.sys.scanDir(fds.fd(a)), 'object', 'the next descriptor can be read');
  fds.clear();
});

unionTest(t, 'a directory that may not be read is held as a path', layout, (t, w) => {
  const faulty = new FaultySyscalls();
  const fds = new DirFds(faulty.syscalls, 100);
  faulty.arm({ at: 1, how: errno.EACCES });
  const fd = fds.fd(below(w, 'a'));
  t.equal(w.sys.statAt(fd, '', w.stat), 0);
  t.equal(w.sys.scanDir(fd), -errno.EBADF);
  fds.clear();
});
