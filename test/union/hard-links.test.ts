// Hard links: one node for all names, in memory and through the index, and the count users see.

import { readdirSync } from 'node:fs';
import t from 'tap';
import { copyUp } from '../../lib/union/copy-up.js';
import { link } from '../../lib/union/create.js';
import {
  addName,
  dropName,
  hardLinkCount,
  identify,
  indexName,
  namesOf,
  sharedNode,
  unidentify,
} from '../../lib/union/hard-links.js';
import { FileNode } from '../../lib/union/inode.js';
import { unlink } from '../../lib/union/remove.js';
import { rename } from '../../lib/union/rename.js';
import { dir, file, hardlink } from '../support/tree.js';
import { type TempUnion, unionTest } from '../support/union-in-temp.js';

const layout = { lowers: [{ a: file('x'), b: hardlink('a'), d: dir({ c: hardlink('a') }), single: file('s') }] };

const bare = (w: TempUnion): FileNode => new FileNode(null, '', 0o100000, w.file('single').dir, 'single');

unionTest(t, 'names come and go', layout, (t, w) => {
  const [root, d] = [w.dir(''), w.dir('d')];
  const node = bare(w);
  addName(node, root, 'first');
  addName(node, root, 'second');
  addName(node, d, 'third');
  const names = () => [...namesOf(node)].map(({ parent, name }) => `${parent === d ? 'd/' : ''}${name}`);
  t.same(names(), ['first', 'second', 'd/third']);
  dropName(node, root, 'first');
  t.same(names(), ['second', 'd/third']);
  dropName(node, root, 'third');
  t.same(names(), ['second', 'd/third'], 'that name is in another directory');
  dropName(node, d, 'third');
  t.same(names(), ['second']);
  t.equal(node.aliases, null);
  dropName(node, root, 'second');
  t.same(names(), []);
  t.equal(node.parent, null);
});

unionTest(t, 'identities', layout, (t, w) => {
  const node = bare(w);
  identify(w.u, node, 'k1');
  identify(w.u, node, 'k1');
  identify(w.u, node, 'k2');
  t.same(node.identities, ['k1', 'k2']);
  t.equal(sharedNode(w.u, 'k2', w.dir(''), 'name'), node);
  t.equal(node.name, 'name');
  t.equal(sharedNode(w.u, 'k3', w.dir(''), 'name'), null);
  unidentify(w.u, node);
  t.equal(w.u.hardLinks.get('k1'), undefined);
  t.equal(node.identities, null);
});

unionTest(t, 'the count', layout, (t, w) => {
  const node = w.file('single');
  t.equal(hardLinkCount(node, 3), 3);
  node.extraLinks = 2;
  t.equal(hardLinkCount(node, 1), 3);
  node.extraLinks = -5;
  t.equal(hardLinkCount(node, 1), 1, 'a file with a name has a link');
  const lost = bare(w);
  lost.extraLinks = -5;
  t.equal(hardLinkCount(lost, 1), 0);
});

const count = (w: TempUnion, path: string): number => {
  w.node(path);
  w.has(path);
  return w.stat.nlink;
};

unionTest(t, 'all names are one node before and after a copy-up', layout, async (t, w) => {
  const node = w.file('a');
  t.equal(w.node('b'), node);
  t.equal(w.node('d/c'), node);
  t.equal(count(w, 'a'), 3);
  const { inoLow } = node;
  copyUp(w.u, node, 'data');
  for (const path of ['a', 'b', 'd/c']) t.equal(w.node(path), node);
  t.equal(count(w, 'a'), 3);
  await w.remount();
  const again = w.file('d/c');
  t.equal(w.node('a'), again, 'after a remount too');
  t.equal(again.inoLow, inoLow, 'with the number it had');
  t.equal(count(w, 'b'), 3);
});

unionTest(t, 'a mount that only reads finds copies through the index', layout, async (t, w) => {
  const node = w.file('a');
  copyUp(w.u, node, 'data');
  const fd = w.u.dirFds.fd(node.dir);
  w.sys.chmodAt(fd, node.base, 0o600);
  const { inoLow } = node;
  await w.remount({ readOnly: true });
  for (const path of ['b', 'd/c', 'a']) {
    w.node(path);
    t.same([w.stat.mode & 0o777, w.stat.nlink, w.stat.inoLow], [0o600, 3, inoLow], path);
  }
});

unionTest(t, 'a name that was not known at the copy-up finds the copy', layout, async (t, w) => {
  copyUp(w.u, w.file('a'), 'data');
  const fd = w.u.dirFds.fd(w.file('a').dir);
  w.sys.chmodAt(fd, w.file('a').base, 0o600);
  t.equal(w.file('d/c'), w.file('a'));
  await w.remount();
  w.node('d/c');
  t.equal(w.stat.mode & 0o777, 0o600);
});

unionTest(t, 'the index has one entry, by the lower file’s handle', layout, (t, w) => {
  const node = w.file('a');
  const hex = indexName(w.u, node.dir, node.base);
  t.match(hex, /^00fb[0-9a-f]+$/);
  copyUp(w.u, node, 'data');
  t.same(readdirSync(`${w.work}/index`), [hex]);
});

unionTest(t, 'the entry goes with the last name', layout, (t, w) => {
  const node = w.file('a');
  copyUp(w.u, node, 'data');
  for (const [path, name] of [
    ['', 'a'],
    ['', 'b'],
    ['d', 'c'],
  ] as const) {
    w.node(path === '' ? name : `${path}/${name}`);
    unlink(w.u, w.dir(path), name);
  }
  t.same(readdirSync(`${w.work}/index`), []);
  t.equal(w.content(node), 'x', 'still open to who has it');
});

unionTest(
  t,
  'without an index each name is copied for itself',
  { ...layout, options: { index: false } },
  async (t, w) => {
    const node = w.file('single');
    t.equal(indexName(w.u, node.dir, node.base), null);
    copyUp(w.u, w.file('a'), 'data');
    t.equal(w.read('b'), 'x');
    await w.remount();
    for (const path of ['a', 'b', 'd/c']) t.equal(w.read(path), 'x');
  },
);

unionTest(t, 'a link to an open file whose known name was replaced keeps it with the index', layout, (t, w) => {
  const node = w.file('a');
  copyUp(w.u, node, 'data');
  w.node('single');
  rename(w.u, w.dir(''), 'single', w.dir(''), 'a', 0);
  t.equal(node.parent, null, 'the kernel knows it by no name');
  t.equal(w.node('b'), node, 'another name is looked up');
  link(w.u, node, w.dir('d'), 'new', w.stat);
  t.equal(count(w, 'd/new'), 3);
  copyUp(w.u, node, 'data');
  t.equal(count(w, 'd/new'), 3, 'the host link of the other name is no further name');
});
