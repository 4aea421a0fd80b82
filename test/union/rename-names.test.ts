// The bookkeeping of a rename: entries, nodes and aliases follow what the host did.

import t from 'tap';
import { RENAME_EXCHANGE } from '../../lib/sys/constants.js';
import { namesOf } from '../../lib/union/hard-links.js';
import { WHITEOUT } from '../../lib/union/inode.js';
import { rename } from '../../lib/union/rename.js';
import { dir, file, hardlink } from '../support/tree.js';
import { type TempUnion, unionTest } from '../support/union-in-temp.js';

const layout = {
  lowers: [{ low: file('low'), d: dir({ x: file('x') }) }],
  upper: { a: file('a'), b: hardlink('a'), c: file('c'), p: dir({ q: dir({ deep: file('deep') }) }) },
};
const move = (w: TempUnion, from: string, to: string, flags = 0): void =>
  rename(w.u, w.dir(''), from, w.dir(''), to, flags);

unionTest(t, 'entries', layout, (t, w) => {
  for (const name of ['low', 'c']) w.node(name);
  const entries = w.u.root.index?.entries;
  const live = w.u.root.index?.liveNodes;
  move(w, 'low', 'l2');
  t.equal(entries?.get('low')?.kind, WHITEOUT);
  t.equal(entries?.get('l2')?.node, w.node('l2'));
  move(w, 'c', 'c2');
  t.equal(entries?.get('c'), undefined);
  t.equal(w.u.root.index?.liveNodes, live);
});

unionTest(t, 'a file with several names', layout, (t, w) => {
  const node = w.file('a');
  w.node('b');
  const names = () => [...namesOf(node)].map(({ name }) => name).sort();
  move(w, 'a', 'a2');
  t.same(names(), ['a2', 'b']);
  t.equal(w.read('a2'), 'a');
  move(w, 'b', 'b2');
  t.same(names(), ['a2', 'b2']);
  t.equal(w.read('b2'), 'a');
});

unionTest(t, 'one name of a file onto another of its names changes nothing', layout, (t, w) => {
  w.node('a');
  w.node('b');
  move(w, 'a', 'b');
  t.equal(w.read('b'), 'a');
});

unionTest(t, 'what is below a moved directory moves with it', layout, (t, w) => {
  const deep = w.node('p/q/deep');
  move(w, 'p', 'p2');
  t.equal(w.node('p2/q/deep'), deep);
  t.equal(w.read('p2/q/deep'), 'deep');
});

unionTest(t, 'exchange, of a file and a directory', layout, (t, w) => {
  const [file, directory] = [w.node('low'), w.node('d')];
  move(w, 'low', 'd', RENAME_EXCHANGE);
  t.equal(w.node('d'), file);
  t.equal(w.node('low'), directory);
  t.same(w.names('low'), ['x']);
  t.equal(w.read('d'), 'low');
});

/** More names than are kept as objects. */
const MANY = 10_100;
const many = Object.fromEntries(Array.from({ length: MANY }, (_, at) => [`f${at}`, file('')]));
const large = { lowers: [{}], upper: { big: dir({ ...many, sub: dir({ x: file('x') }) }) } };

unionTest(t, 'exchange in a large directory of the upper, also when the kernel forgets', large, (t, w) => {
  const big = w.dir('big');
  const [one, sub] = [w.node('big/f1'), w.node('big/sub')];
  rename(w.u, big, 'f1', big, 'sub', RENAME_EXCHANGE);
  for (const node of [one, sub]) w.u.nodes.forget(node.id, node.nlookup);
  t.same(w.names('big/f1'), ['x']);
  rename(w.u, big, 'f1', big, 'moved', 0);
  t.equal(w.read('big/moved/x'), 'x');
  t.equal(w.read('big/sub'), '');
  t.equal(w.names('big').length, MANY + 1);
});
