// Which directories make up a merged one: opaque marks in every dialect, redirects of both kinds.

import t from 'tap';
import { errno } from '../../lib/errno.js';
import { settleStack } from '../../lib/union/stack.js';
import { dir, file, type OpaqueDialect, type TreeSpec, whiteout } from '../support/tree.js';
import { codeOf, type Layout, type TempUnion, unionTest } from '../support/union-in-temp.js';

const redirect = (to: string, children: TreeSpec = {}, dialect = 'trusted') =>
  dir(children, { xattrs: { [`${dialect}.overlay.redirect`]: to } });
const d = (name: string) => ({ d: dir({ [name]: file(name) }) });

function layersOf(w: TempUnion, path: string): number[] {
  const node = w.dir(path);
  settleStack(w.u, node);
  return node.stack.map((part) => part.layer.index);
}

unionTest(t, 'same name, every layer', { upper: d('0'), lowers: [d('1'), {}, d('3')] }, (t, w) => {
  t.same(layersOf(w, 'd'), [0, 1, 3]);
  t.same(w.names('d'), ['0', '1', '3']);
  t.equal(w.dir('d').candidates, null);
});

for (const opaque of ['trusted', 'user', 'fuseoverlayfs', 'wh'] satisfies OpaqueDialect[]) {
  const middle: TreeSpec = { d: dir({ 1: file('1') }, { opaque }) };
  unionTest(t, `opaque in a lower, ${opaque}`, { upper: d('0'), lowers: [middle, d('2')] }, (t, w) => {
    t.same(w.names('d'), ['0', '1']);
    t.same(layersOf(w, 'd'), [0, 1]);
  });
  unionTest(t, `opaque in the upper, ${opaque}`, { upper: middle, lowers: [d('2')] }, (t, w) => {
    t.same(w.names('d'), ['1']);
  });
}

unionTest(t, 'a relative redirect', { lowers: [{ new: redirect('old') }, { old: dir({ x: file('x') }) }] }, (t, w) => {
  t.same(w.names('new'), ['x']);
});

const absolute: Layout = {
  lowers: [
    { a: dir({ new: redirect('/b/old', { y: file('y') }, 'user') }) },
    { b: dir({ old: dir({ x: file('x') }) }) },
  ],
};
unionTest(t, 'an absolute redirect', absolute, (t, w) => {
  t.same(w.names('a/new'), ['x', 'y']);
});

const chain: Layout = {
  lowers: [{ c: redirect('b', { 1: file('') }) }, { b: redirect('a', { 2: file('') }) }, { a: dir({ 3: file('') }) }],
};
unionTest(t, 'a redirect of a redirect', chain, (t, w) => {
  t.same(w.names('c'), ['1', '2', '3']);
});

// A directory that was renamed, became a lower, and was then moved to another parent.
const renamedThenMoved: Layout = {
  lowers: [
    { to: dir({ d: redirect('/from/renamed') }) },
    { from: dir({ renamed: redirect('original') }) },
    { from: dir({ original: dir({ x: file('x') }) }) },
  ],
};
unionTest(t, 'a relative redirect where an absolute one led', renamedThenMoved, (t, w) => {
  t.same(w.names('to/d'), ['x']);
});

// The way of an absolute redirect is looked for in the union of the lowers: `to/d` is `from/d` of the layer beneath.
const ledOnTheWay: Layout = {
  lowers: [
    { top: redirect('/to/d/sub') },
    { from: dir({ d: whiteout() }), to: dir({ d: redirect('/from/d') }) },
    { from: dir({ d: dir({ sub: dir({ x: file('x') }) }) }) },
  ],
};
unionTest(t, 'a redirect on the way of an absolute redirect', ledOnTheWay, (t, w) => {
  t.same(w.names('top'), ['x']);
});

const notItself: Layout = {
  lowers: [{ new: redirect('old') }, { new: dir({ wrong: file('') }), old: dir({ x: file('') }) }],
};
unionTest(t, 'a redirected directory has no part under its own name', notItself, (t, w) => {
  t.same(w.names('new'), ['x']);
});

const stops: readonly [string, TreeSpec][] = [
  ['nothing', {}],
  ['a file', { old: file('') }],
  ['a whiteout', { old: whiteout() }],
  ['a .wh. file', { '.wh.old': file('') }],
];
for (const [what, middle] of stops) {
  const deepest = { old: dir({ x: file('x') }) };
  unionTest(t, `a redirect that meets ${what}`, { lowers: [{ new: redirect('old') }, middle, deepest] }, (t, w) => {
    t.same(w.names('new'), what === 'nothing' ? ['x'] : []);
  });
}

const cutOnTheWay: Layout = {
  lowers: [
    { new: redirect('/p/old') },
    { p: dir({ old: dir({ 1: file('') }) }, { opaque: 'trusted' }) },
    { p: dir({ old: dir({ 2: file('') }) }) },
  ],
};
unionTest(t, 'an opaque directory on the way of an absolute redirect', cutOnTheWay, (t, w) => {
  t.same(w.names('new'), ['1']);
});

for (const bad of ['a/b', '/../etc', '/a/./b', '/a/../../x']) {
  unionTest(
    t,
    `the redirect ${bad.slice(0, 12)} is refused`,
    { lowers: [{ d: redirect(bad) }, { a: dir({}) }] },
    (t, w) => {
      t.equal(
        codeOf(() => w.names('d')),
        errno.EIO,
      );
    },
  );
}

unionTest(
  t,
  'redirects that name each other end',
  { lowers: [{ a: redirect('b') }, { b: redirect('a') }, {}] },
  (t, w) => {
    t.same(w.names('a'), []);
  },
);
