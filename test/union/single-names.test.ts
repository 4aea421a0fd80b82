// Names of a large directory that are found though nobody has read all of them: the same as with an index, and one with it
// once there is one.

import t from 'tap';
import { errno } from '../../lib/errno.js';
import { copyUp } from '../../lib/union/copy-up.js';
import { lookup, namesIn } from '../../lib/union/lookup.js';
import { unlink } from '../../lib/union/remove.js';
import { rename } from '../../lib/union/rename.js';
import { singleEntry, singleNames } from '../../lib/union/single-names.js';
import { FaultySyscalls } from '../support/faulty-syscalls.js';
import { dir, file, hardlink, symlink, whiteout } from '../support/tree.js';
import { codeOf, type Layout, type TempUnion, unionTest } from '../support/union-in-temp.js';

const QUESTIONS = 1000;
const upperOne = {
  top: file('top'),
  both: file('upper one'),
  d: dir({ x: file('x') }),
  gone: whiteout(),
  '.wh.aufs': file(''),
  f: file('file above a directory'),
};
const lowerOne = {
  both: file('lower one'),
  d: dir({ y: file('y') }),
  gone: file('hidden'),
  aufs: file('hidden'),
  deep: file('deep'),
  link: symlink('deep'),
  one: file('two names'),
  two: hardlink('big/one'),
  f: dir({ never: file('seen') }),
};
const layout: Layout = { lowers: [{ big: dir(upperOne) }, { big: dir(lowerOne) }], upper: {} };

/** Like a directory with a hundred thousand names, which takes too long to make. */
function big(w: TempUnion): ReturnType<TempUnion['dir']> {
  const node = w.dir('big');
  node.singles = { entries: new Map(), questions: QUESTIONS };
  return node;
}

t.test('a directory is large by its size in bytes', async (t) => {
  t.equal(singleNames(4096), null);
  t.match(singleNames(1 << 20), { questions: Math.floor((1 << 20) / 160) });
});

unionTest(t, 'the same names are found and missed as with an index', layout, (t, w) => {
  const names = ['top', 'both', 'd', 'gone', 'aufs', 'deep', 'link', 'f', 'nothing', '.wh.aufs', 'x'.repeat(255)];
  const node = big(w);
  const look = (parent: typeof node): string[] =>
    names.map((name) => {
      const found = lookup(w.u, parent, name, w.stat);
      return found === null ? name : `${name} ${found.inoLow} ${w.stat.mode} ${w.stat.size}`;
    });
  const seen = look(node);
  t.equal(node.index, null, 'and nobody has read them all');
  t.equal(w.read('big/both'), 'upper one');
  t.same(w.names('big/d'), ['x', 'y']);
  w.u.nodes.forget(node.id, node.nlookup);
  const indexed = w.dir('big');
  namesIn(w.u, indexed);
  t.same(seen, look(indexed));
});

unionTest(t, 'what was found is what the index shows, and is forgotten from it', layout, (t, w) => {
  const node = big(w);
  const [deep, link] = [w.node('big/deep'), w.node('big/link')];
  t.equal(w.node('big/deep'), deep, 'one node for a name');
  w.u.nodes.forget(link.id, link.nlookup);
  t.same([...(node.singles?.entries.keys() ?? [])], ['deep']);
  const index = namesIn(w.u, node);
  t.equal(index.liveNodes, 1);
  t.equal(node.singles, null);
  t.equal(w.node('big/deep'), deep);
  w.u.nodes.forget(deep.id, deep.nlookup);
  t.equal(index.liveNodes, 0);
});

unionTest(t, 'changes go on with all names', layout, (t, w) => {
  const node = big(w);
  const [deep, d] = [w.node('big/deep'), w.node('big/d')];
  copyUp(w.u, deep, 'data');
  t.equal(w.node('big/deep'), deep);
  t.equal(w.read('big/deep'), 'deep');
  rename(w.u, node, 'deep', node, 'moved', 0);
  unlink(w.u, node, 'both');
  t.equal(w.node('big/moved'), deep);
  t.equal(w.node('big/d'), d);
  t.notOk(w.has('big/both'));
});

unionTest(t, 'all names are read where asking is no longer worth it, or not enough', layout, (t, w) => {
  const node = big(w);
  const { singles } = node;
  if (singles === null) throw new Error('it is not large');
  t.not(singleEntry(w.u, node, 'nothing', w.stat), undefined);
  t.equal(singles.questions, QUESTIONS - 2, 'a question a layer');
  t.equal(singleEntry(w.u, node, 'one', w.stat), undefined, 'a file with other names');
  singles.questions = 0;
  t.equal(singleEntry(w.u, node, 'top', w.stat), undefined);
  copyUp(w.u, node, 'attributes');
  singles.questions = QUESTIONS;
  t.equal(singleEntry(w.u, node, 'top', w.stat), undefined, 'the upper has a part in it');
});

unionTest(t, 'files stay when the directory is forgotten', layout, (t, w) => {
  const node = big(w);
  const file = w.file('big/deep');
  w.u.nodes.remember(file);
  w.u.nodes.forget(node.id, node.nlookup);
  t.not(file.orphan, null);
  t.equal(w.content(file), 'deep');
  w.u.nodes.forget(file.id, file.nlookup);
});

const faulty = new FaultySyscalls();
unionTest(t, 'a name that cannot be asked for is told', { ...layout, sys: faulty.syscalls }, (t, w) => {
  const node = big(w);
  w.has('big/nothing');
  faulty.refuse('statAt', errno.EIO);
  t.equal(
    codeOf(() => lookup(w.u, node, 'deep', w.stat)),
    errno.EIO,
  );
  faulty.replace('statAt', null);
  t.ok(w.has('big/deep'));
});
