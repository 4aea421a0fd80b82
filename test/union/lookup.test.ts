// name -> node: what a miss and a hit cost, what is shared, what is refused, what forget leaves.

import t from 'tap';
import { errno } from '../../lib/errno.js';
import { lookup, namesIn, visibleEntry } from '../../lib/union/lookup.js';
import { FaultySyscalls } from '../support/faulty-syscalls.js';
import { dir, file, sparse, symlink, whiteout } from '../support/tree.js';
import { codeOf, unionTest } from '../support/union-in-temp.js';

const lowers = [{ f: file('low', { uid: 5 }), d: dir({ x: file('x'), y: dir({}) }), l: symlink('f'), gone: file('') }];
const upper = { u: file('up'), gone: whiteout() };
const layout = { lowers, upper };

unionTest(t, 'hits and misses', layout, (t, w) => {
  const root = w.dir('');
  t.match(lookup(w.u, root, 'f', w.stat), { name: 'f' });
  t.equal(w.stat.uid, 5);
  t.equal(lookup(w.u, root, 'nothing', w.stat), null);
  t.equal(lookup(w.u, root, 'gone', w.stat), null);
  t.equal(visibleEntry(w.u, root, 'gone'), null);
  t.equal(lookup(w.u, root, 'f', w.stat), lookup(w.u, root, 'f', w.stat), 'the same node each time');
});

const counted = new FaultySyscalls();
unionTest(t, 'a miss costs no syscall, a hit one stat', { ...layout, sys: counted.syscalls }, (t, w) => {
  const root = w.dir('');
  w.node('f');
  counted.arm(null);
  lookup(w.u, root, 'nothing', w.stat);
  lookup(w.u, root, '.wh.f', w.stat);
  t.same(counted.made, []);
  lookup(w.u, root, 'f', w.stat);
  t.equal(counted.made.length, 1);
});

unionTest(t, 'a directory is read when it is first entered, not when it is found', layout, (t, w) => {
  const node = w.dir('d');
  t.equal(node.index, null);
  namesIn(w.u, node);
  t.not(node.index, null);
});

unionTest(t, 'the index counts the nodes that the kernel knows', layout, (t, w) => {
  const d = w.dir('d');
  const x = w.node('d/x');
  w.node('d/y');
  t.equal(d.index?.liveNodes, 2);
  w.u.nodes.forget(x.id, 1);
  t.equal(d.index?.liveNodes, 1);
  t.not(lookup(w.u, d, 'x', w.stat), x, 'a new node after the old one was forgotten');
});

unionTest(t, 'numbers survive forget', layout, (t, w) => {
  for (const path of ['f', 'u', 'd', 'd/x']) {
    const node = w.node(path);
    const { inoLow, inoHigh, nlookup } = node;
    w.u.nodes.forget(node.id, nlookup);
    t.match(w.node(path), { inoLow, inoHigh }, path);
  }
});

unionTest(t, 'a removed directory has no names', layout, (t, w) => {
  const d = w.dir('d');
  d.dead = true;
  t.equal(
    codeOf(() => namesIn(w.u, d)),
    errno.ENOENT,
  );
  d.dead = false;
});

const metacopy = {
  lowers: [
    {
      copy: sparse(100_000, {}, { xattrs: { 'trusted.overlay.metacopy': '' } }),
      ucopy: sparse(100_000, {}, { xattrs: { 'user.overlay.metacopy': '' } }),
      hole: sparse(100_000, {}),
    },
  ],
};
unionTest(t, 'a metadata-only copy is an error, never zeros', metacopy, (t, w) => {
  t.equal(
    codeOf(() => w.node('copy')),
    errno.EIO,
  );
  t.equal(
    codeOf(() => w.node('ucopy')),
    errno.EIO,
  );
  t.ok(w.node('hole'), 'a file that is one hole is a file');
});

const failing = new FaultySyscalls();
unionTest(t, 'an error of the host is that error, and not absence', { ...layout, sys: failing.syscalls }, (t, w) => {
  const root = w.dir('');
  namesIn(w.u, root);
  failing.refuse('statAt', errno.EIO);
  t.equal(
    codeOf(() => lookup(w.u, root, 'f', w.stat)),
    errno.EIO,
  );
  failing.replace('statAt', null);
  t.ok(lookup(w.u, root, 'f', w.stat));
});
