// The filter of names that directories have: what is there must be in it, most of what is not must not.

import t from 'tap';
import { O_CREAT, O_RDWR } from '../../lib/sys/constants.js';
import { createFile, link, mkdir } from '../../lib/union/create.js';
import { DirIndex, type DirNode, Entry } from '../../lib/union/inode.js';
import { visibleEntry } from '../../lib/union/lookup.js';
import { Negatives } from '../../lib/union/negatives.js';
import { rmdir, unlink } from '../../lib/union/remove.js';
import { rename } from '../../lib/union/rename.js';
import { trimUnion } from '../../lib/union/trim.js';
import { dir, file, type TreeSpec, whiteout } from '../support/tree.js';
import { type Layout, root, type TempUnion, unionTest } from '../support/union-in-temp.js';

const files = (from: number, to: number): TreeSpec =>
  Object.fromEntries(Array.from({ length: to - from }, (_, at) => [`f${from + at}`, file('')]));

const layout: Layout = {
  // f20 to f29 are in both, the others are packed.
  lowers: [{ d: dir(files(0, 30)) }, { d: dir({ ...files(20, 60), hidden: file('') }) }],
  upper: { d: dir({ own: file(''), hidden: whiteout() }), empty: dir({}) },
};

type Answer = 'untold' | 'absent' | 'asked';

/** What the data plane makes of a LOOKUP of `name`. */
function asked(negatives: Negatives, hash: (name: string) => number, node: DirNode, name: string): Answer {
  const { directories, filter } = negatives;
  const at = 2 * (node.id % (directories.length / 2));
  if (directories[at] !== node.id) return 'untold';
  const salt = directories[at + 1] as number;
  const product = BigInt.asUintN(32, (BigInt(hash(name)) ^ (BigInt(salt) * 0x9e37_79b1n)) * 0x85eb_ca6bn);
  const bit = Number((product * BigInt(32 * filter.length)) >> 32n);
  return ((filter[bit >>> 5] as number) >>> (bit & 31)) & 1 ? 'asked' : 'absent';
}

const ask = (w: TempUnion, node: DirNode, name: string): Answer => asked(w.u.negatives, w.u.numbers.hash, node, name);

function learned(w: TempUnion, path: string): DirNode {
  const node = w.dir(path);
  visibleEntry(w.u, node, 'nothing');
  w.u.negatives.learn(node);
  return node;
}

function create(w: TempUnion, parent: DirNode, name: string) {
  const { node, fd } = createFile(w.u, parent, name, 0o644, O_RDWR | O_CREAT, root, w.stat);
  w.u.sys.close(fd);
  w.u.nodes.remember(node);
  return node;
}

unionTest(t, 'names that a directory has are asked for, in whichever way it has them', layout, (t, w) => {
  const before = w.dir('d');
  t.equal(ask(w, before, 'f0'), 'untold');
  const d = learned(w, 'd');
  for (let at = 0; at < 60; at += 1) t.equal(ask(w, d, `f${at}`), 'asked');
  t.equal(ask(w, d, 'own'), 'asked');
  const missing = Array.from({ length: 1000 }, (_, at) => ask(w, d, `g${at}`));
  t.ok(missing.filter((answer) => answer === 'absent').length > 990);
});

unionTest(t, 'names that come are asked for from then on', layout, (t, w) => {
  const d = learned(w, 'd');
  const names = ['new', 'linked', 'moved', 'made', 'hidden2'];
  for (const name of names) t.equal(ask(w, d, name), 'absent', name);
  const made = create(w, d, 'new');
  link(w.u, made, d, 'linked', w.stat);
  rename(w.u, d, 'new', d, 'moved', 0);
  mkdir(w.u, d, 'made', 0o755, root, w.stat);
  for (const name of names.slice(1, 4)) t.equal(ask(w, d, name), 'asked', name);
  unlink(w.u, d, 'linked');
  create(w, d, 'linked');
  t.equal(ask(w, d, 'linked'), 'asked', 'gone and back');
  const other = learned(w, 'empty');
  t.equal(ask(w, other, 'moved'), 'absent');
  rename(w.u, d, 'moved', other, 'moved', 0);
  t.equal(ask(w, other, 'moved'), 'asked');
});

unionTest(t, 'directories whose names are not kept are not told of', layout, (t, w) => {
  const empty = learned(w, 'empty');
  t.equal(ask(w, empty, 'x'), 'absent');
  rmdir(w.u, w.u.root, 'empty');
  t.equal(ask(w, empty, 'x'), 'untold');
});

unionTest(t, 'nor the root, once its names were dropped', layout, (t, w) => {
  const top = learned(w, '');
  t.equal(ask(w, top, 'x'), 'absent');
  trimUnion(w.u);
  t.equal(w.u.root.index, null);
  t.equal(ask(w, top, 'x'), 'untold');
  w.u.negatives.learn(top);
  t.equal(ask(w, top, 'x'), 'untold', 'nothing is learned of names that nobody has read');
});

/** A node and its index of `count` names. */
function directoryOf(id: number, count: number): DirNode {
  const index = new DirIndex();
  const entry = new Entry(8, null as never, 0, 0);
  for (let at = 0; at < count; at += 1) index.entries.addPlain(`n${at}`, entry);
  return { id, index } as DirNode;
}

t.test('a directory takes the place of another, and gets it back', async (t) => {
  const hash = (name: string): number => name.length;
  const negatives = new Negatives(hash);
  const places = negatives.directories.length / 2;
  const [one, other] = [directoryOf(5, 1), directoryOf(5 + places, 1)];
  negatives.learn(one);
  negatives.learn(other);
  t.equal(asked(negatives, hash, one, 'n0'), 'untold');
  t.equal(asked(negatives, hash, other, 'n0'), 'asked');
  negatives.unlearn(one);
  t.equal(asked(negatives, hash, other, 'n0'), 'asked', 'its place is not taken away');
  negatives.learn(one);
  t.equal(asked(negatives, hash, one, 'n0'), 'asked');
  t.equal(asked(negatives, hash, one, 'other'), 'absent');
});

t.test('a full filter begins anew', async (t) => {
  const hash = (name: string): number => Math.imul(Number(name.slice(1)) + 1, 0x5bd1_e995) >>> 0;
  const negatives = new Negatives(hash);
  const full = directoryOf(2, 40_000);
  negatives.learn(full);
  const { index } = full;
  for (let at = 0; at < 2_100_000; at += 1) negatives.note(index as DirIndex, `n${at}`);
  t.equal(asked(negatives, hash, full, 'n1'), 'asked');
  const next = directoryOf(3, 1);
  negatives.learn(next);
  t.equal(asked(negatives, hash, next, 'n0'), 'asked');
  t.equal(asked(negatives, hash, next, 'n1'), 'absent');
  t.equal(asked(negatives, hash, full, 'n1'), 'untold');
  negatives.note(index as DirIndex, 'n50000');
  negatives.learn(full);
  for (let at = 0; at < 40_000; at += 97) t.equal(asked(negatives, hash, full, `n${at}`), 'asked');
  t.equal(asked(negatives, hash, full, 'n45000'), 'absent', 'what was noted before, and is no name of it');
});

t.test('too many names are not learned', async (t) => {
  const negatives = new Negatives((name) => name.length);
  const many = directoryOf(2, (1 << 16) + 1);
  negatives.learn(many);
  t.equal(
    asked(negatives, (name) => name.length, many, 'x'),
    'untold',
  );
});
