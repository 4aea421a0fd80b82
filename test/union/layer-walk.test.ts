// The loop over layers: which name comes from where, and what each kind of whiteout hides.

import t from 'tap';
import { errno } from '../../lib/errno.js';
import { DT_CHR, DT_DIR, DT_LNK, DT_REG } from '../../lib/sys/constants.js';
import { copyUp } from '../../lib/union/copy-up.js';
import type { Entry } from '../../lib/union/inode.js';
import { WHITEOUT } from '../../lib/union/inode.js';
import { namesIn } from '../../lib/union/lookup.js';
import { Pending } from '../../lib/union/pending.js';
import { FaultySyscalls } from '../support/faulty-syscalls.js';
import { device, dir, file, symlink, type TreeSpec, whiteout } from '../support/tree.js';
import { codeOf, type Layout, type TempUnion, unionTest } from '../support/union-in-temp.js';

t.setTimeout(120_000);

function entry(w: TempUnion, name: string, path = ''): Entry | undefined {
  return namesIn(w.u, w.dir(path)).entries.get(name);
}

const three: Layout = {
  upper: { top: file('0'), both: file('0'), cover: file('0'), join: dir({}) },
  lowers: [
    { both: file('1'), cover: dir({}), join: dir({}), only1: symlink('x'), dev: device(1, 3) },
    { both: file('2'), join: dir({}), only2: file('2'), cover: file('2') },
  ],
};

unionTest(t, 'the topmost layer counts', three, (t, w) => {
  t.match(entry(w, 'top'), { kind: DT_REG, beneath: false });
  t.match(entry(w, 'both'), { kind: DT_REG, beneath: true, closed: true });
  t.match(entry(w, 'cover'), { kind: DT_REG, beneath: true, closed: true });
  t.match(entry(w, 'only1'), { kind: DT_LNK });
  t.equal(entry(w, 'only1')?.dir.layer.index, 1);
  t.equal(entry(w, 'only2')?.dir.layer.index, 2);
  t.match(entry(w, 'dev'), { kind: DT_CHR }, 'a real device is no whiteout');
  t.same(
    entry(w, 'join')?.deeper?.map((part) => part.layer.index),
    [1, 2],
  );
  t.equal(entry(w, 'nothing'), undefined);
});

unionTest(t, 'one pass, then no more syscalls', three, (t, w) => {
  const index = namesIn(w.u, w.u.root);
  t.equal(namesIn(w.u, w.u.root), index);
  t.equal(namesIn(w.u, w.u.root), index);
});

/** So many that they are packed. */
const filled = (prefix: string, more: TreeSpec): TreeSpec => ({
  ...Object.fromEntries(Array.from({ length: 30 }, (_v, at) => [`${prefix}${at}`, file(prefix)])),
  ...more,
});

for (const dialect of ['char', 'wh', 'xattr-trusted', 'xattr-user'] as const) {
  const top = filled('t', { a: whiteout(dialect), low7: whiteout(dialect), keep: file('keep'), sub: dir({}) });
  const middle = filled('mid', { a: file('a'), mid: whiteout(dialect), keep: file('no'), sub: dir({}) });
  const bottom = filled('low', { a: file('a'), mid: file('mid'), last: dir({ x: file('x') }) });
  const layers: Layout = { lowers: [{ d: dir(top) }, { d: dir(middle) }, { d: dir(bottom) }] };
  unionTest(t, `whiteouts over packed names, ${dialect}`, layers, (t, w) => {
    const expected = [...Object.keys(top), ...Object.keys(middle), ...Object.keys(bottom)];
    const hidden = ['a', 'mid', 'low7'];
    const shownNames = [...new Set(expected)].filter((name) => !hidden.includes(name)).sort();
    t.same(w.names('d').sort(), shownNames);
    t.ok((namesIn(w.u, w.dir('d')).entries.packed?.size ?? 0) >= 29);
    for (const name of hidden) t.notOk(w.has(`d/${name}`), name);
    t.equal(entry(w, 'low7', 'd')?.kind, WHITEOUT);
    t.match(entry(w, 'low8', 'd'), { kind: DT_REG, dir: { layer: { index: 3 } } });
    t.equal(w.read('d/mid3'), 'mid');
    t.equal(w.read('d/keep'), 'keep');
    t.ok(w.has('d/last/x'));
    t.equal(entry(w, 'sub', 'd')?.deeper?.length, 1);
  });
}

unionTest(
  t,
  'a packed name that was copied up is the upper’s, forgotten or not',
  { upper: { d: dir({}) }, lowers: [{ d: dir(filled('f', {})) }] },
  (t, w) => {
    const node = w.node('d/f3');
    t.ok(namesIn(w.u, w.dir('d')).entries.packed !== null);
    copyUp(w.u, node, 'attributes');
    w.u.nodes.forget(node.id, 1);
    t.equal(entry(w, 'f3', 'd')?.dir.layer.index, 0);
    t.equal(entry(w, 'f4', 'd')?.dir.layer.index, 1);
    t.equal(w.names('d').length, 30);
  },
);

unionTest(
  t,
  'a packed name beside its own whiteout is its layer’s',
  { lowers: [filled('f', { '.wh.f3': file(''), '.wh.g': file('') }), filled('g', { f3: file('low') })] },
  (t, w) => {
    t.equal(w.read('f3'), 'f');
    t.notOk(w.has('g'));
    t.ok(w.has('g0'));
    t.equal(w.names().length, 60);
  },
);

for (const dialect of ['char', 'wh', 'xattr-trusted', 'xattr-user'] as const) {
  const hiding: TreeSpec = { d: dir({ a: whiteout(dialect), sub: whiteout(dialect), keep: file('keep') }) };
  const beneath: TreeSpec = { d: dir({ a: file('a'), sub: dir({ x: file('x') }), b: file('b') }) };
  unionTest(t, `whiteouts, ${dialect}`, { lowers: [hiding, beneath] }, (t, w) => {
    t.same(w.names('d'), ['b', 'keep']);
    t.match(entry(w, 'a', 'd'), { kind: WHITEOUT });
    t.notOk(w.has('d/a'));
    t.notOk(w.has('d/sub'));
  });
  unionTest(t, `whiteouts in the upper, ${dialect}`, { upper: hiding, lowers: [beneath] }, (t, w) => {
    t.same(w.names('d'), ['b', 'keep']);
  });
  unionTest(t, `a whiteout hides nothing above, ${dialect}`, { lowers: [beneath, hiding, beneath] }, (t, w) => {
    t.same(w.names('d'), ['a', 'b', 'keep', 'sub']);
    t.same(w.names('d/sub'), ['x']);
  });
}

const xattr = { 'trusted.overlay.whiteout': '' };
const xParent = { 'trusted.overlay.opaque': 'x' };
const almost: TreeSpec = {
  unmarked: dir({ a: file('', { xattrs: xattr }) }),
  full: dir({ a: file('bytes', { xattrs: xattr }) }, { xattrs: xParent }),
  bare: dir({ a: file('') }, { xattrs: xParent }),
};
unionTest(t, 'what only looks like an xattr whiteout', { lowers: [almost] }, (t, w) => {
  for (const name of ['unmarked', 'full', 'bare']) t.same(w.names(name), ['a'], name);
});

const opaqueX = { lowers: [{ d: dir({ a: whiteout('xattr-trusted') }) }, { d: dir({ a: file('a'), b: file('b') }) }] };
unionTest(t, 'opaque=x is not opaque', opaqueX, (t, w) => {
  t.same(w.names('d'), ['b']);
});

const aufs: TreeSpec = {
  '.wh..wh..opq': file(''),
  '.wh..wh.plnk': dir({}),
  '.wh..wh.aufs': file(''),
  '.wh.gone': file(''),
  here: file('here'),
};
unionTest(t, 'AUFS names are never shown', { lowers: [{ d: dir(aufs) }, { d: dir({ gone: file('x') }) }] }, (t, w) => {
  t.same(w.names('d'), ['here']);
  t.notOk(w.has('d/.wh.gone'));
});

const beside = {
  lowers: [
    { a: file('1'), '.wh.a': file(''), d: dir({ x: file('1') }) },
    { a: file('2'), d: dir({ y: file('2') }), '.wh.d': file('') },
    { d: dir({ z: file('3') }) },
  ],
};
unionTest(t, 'a name beside its own whiteout is the layer’s', beside, (t, w) => {
  t.equal(w.read('a'), '1');
  t.match(entry(w, 'a'), { kind: DT_REG, deeper: null });
  t.same(w.names('d'), ['x', 'y'], 'and hides what is deeper');
});

const cut: Layout = { lowers: [{ a: dir({ x: file('1') }) }, { a: file('file') }, { a: dir({ y: file('3') }) }] };
unionTest(t, 'a file between two directories cuts them apart', cut, (t, w) => {
  t.match(entry(w, 'a'), { kind: DT_DIR, deeper: null });
  t.same(w.names('a'), ['x']);
});

const MANY = 10_100;
const faulty = new FaultySyscalls();
const large: Layout = {
  lowers: [
    { big: dir(Object.fromEntries(Array.from({ length: MANY }, (_v, at) => [`f${at}`, '']))), other: file('o') },
  ],
  sys: faulty.syscalls,
};

/** What a server would wait for before it runs the operation again. */
function waitsFor(action: () => unknown): Promise<unknown> {
  try {
    action();
  } catch (error) {
    if (error instanceof Pending) return error.work;
    throw error;
  }
  throw new Error('it does not wait');
}

unionTest(t, 'a large directory is read between requests where they are run again', large, async (t, w) => {
  const big = w.dir('big');
  w.u.runsAgain = true;
  const first = waitsFor(() => namesIn(w.u, big));
  const second = waitsFor(() => namesIn(w.u, big));
  t.equal(second, first, 'it is read once for all who wait');
  t.ok(w.has('other'), 'others are answered meanwhile');
  await first;
  t.equal(namesIn(w.u, big).entries.size, MANY);
  t.equal(w.u.walks.size, 0);
});

unionTest(t, 'a large directory that is copied up while it is read is read anew', large, async (t, w) => {
  const big = w.dir('big');
  w.u.runsAgain = true;
  const first = waitsFor(() => namesIn(w.u, big));
  copyUp(w.u, big, 'attributes');
  await first;
  await waitsFor(() => namesIn(w.u, big));
  t.ok(namesIn(w.u, big).entries.size === MANY);
  t.equal(namesIn(w.u, big).entries.packed?.size, MANY);
});

unionTest(t, 'a failure in the middle of a large directory is told, and not kept', large, async (t, w) => {
  const big = w.dir('big');
  w.u.runsAgain = true;
  const first = waitsFor(() => namesIn(w.u, big));
  faulty.refuse('scanOn', errno.EIO);
  await first;
  faulty.replace('scanOn', null);
  t.equal(
    codeOf(() => namesIn(w.u, big)),
    errno.EIO,
  );
  await waitsFor(() => namesIn(w.u, big));
  t.equal(namesIn(w.u, big).entries.size, MANY);
});

unionTest(t, 'a mount that ends while a large directory is read leaves no descriptor', large, async (t, w) => {
  const big = w.dir('big');
  w.u.runsAgain = true;
  void waitsFor(() => namesIn(w.u, big));
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  t.equal(w.u.walks.size, 1);
});
