// Nodes that are rows of a table: which directories leave them to the data plane, and how they become objects. The test is
// the data plane here, and counts what the kernel would have been told.

import t from 'tap';
import { S_IFLNK, S_IFREG } from '../../lib/sys/constants.js';
import { type DirNode, FileNode } from '../../lib/union/inode.js';
import { lookup, visibleEntry } from '../../lib/union/lookup.js';
import { unlink } from '../../lib/union/remove.js';
import { rename } from '../../lib/union/rename.js';
import { trimUnion } from '../../lib/union/trim.js';
import { dir, file, hardlink, symlink, type TreeSpec } from '../support/tree.js';
import { type Layout, type TempUnion, unionTest } from '../support/union-in-temp.js';

const files = (from: number, to: number): TreeSpec =>
  Object.fromEntries(Array.from({ length: to - from }, (_, at) => [`f${from + at}`, file('twelve bytes')]));

const layout: Layout = {
  lowers: [
    { d: dir({ ...files(0, 8), link: symlink('f0') }), few: dir(files(0, 2)) },
    { d: dir({ ...files(8, 16), sub: dir({}) }) },
  ],
  upper: { d: dir({ own: file('') }) },
};

interface Row {
  readonly id: number;
  readonly told: Uint32Array;
  readonly at: number;
}

/** `path` as the data plane would find it and tell the kernel of it, `times` times. */
function found(w: TempUnion, node: DirNode, name: string, times = 1): Row {
  const rows = w.plane.rows.get(node.id);
  if (rows === undefined) throw new Error(`the data plane does not know ${node.name}`);
  const at = node.index?.entries.packed?.find(name) ?? -1;
  const { told, number } = rows;
  if (told[at] === 0) told[told.length - 1] = (told.at(-1) as number) + 1;
  told[at] = (told[at] as number) + times;
  return { id: number * 2 ** 21 + at, told, at };
}

function learned(w: TempUnion, path: string): DirNode {
  const node = w.dir(path);
  visibleEntry(w.u, node, 'nothing');
  w.u.rowNodes.learn(w.u, node, 1, 1);
  return node;
}

unionTest(t, 'a row becomes an object when it is asked for by its nodeid', layout, (t, w) => {
  const d = learned(w, 'd');
  const before = w.u.nodes.size;
  const row = found(w, d, 'f3', 2);
  const link = found(w, d, 'link');
  t.equal(w.u.nodes.size, before + 2);
  const node = w.u.nodes.get(row.id) as FileNode;
  t.ok(node instanceof FileNode);
  t.match(
    { id: node.id, name: node.name, format: node.format, nlookup: node.nlookup },
    { id: row.id, name: 'f3', format: S_IFREG, nlookup: 2 },
  );
  t.equal(row.told[row.at], 0, 'the object has the count');
  t.equal(w.u.nodes.get(row.id), node);
  t.equal((w.u.nodes.get(link.id) as FileNode).format, S_IFLNK);
  t.equal(w.u.nodes.size, before + 2);
  t.equal(lookup(w.u, d, 'f3', w.stat), node, 'its name leads to it');
  t.same([node.inoLow, node.inoHigh], [w.stat.inoLow, w.stat.inoHigh]);
  w.u.nodes.forget(row.id, 2);
  t.equal(w.u.nodes.get(row.id), undefined);
  t.equal(w.u.nodes.size, before + 1);
});

unionTest(t, 'or by its name', layout, (t, w) => {
  const d = learned(w, 'd');
  const [kept, gone, moved, covered] = ['f1', 'f2', 'f9', 'f10'].map((name) => found(w, d, name)) as [
    Row,
    Row,
    Row,
    Row,
  ];
  const node = lookup(w.u, d, 'f1', w.stat);
  t.equal(node?.id, kept.id);
  unlink(w.u, d, 'f2');
  const orphan = w.u.nodes.get(gone.id) as FileNode;
  t.equal(orphan.parent, null);
  t.equal(w.content(orphan), 'twelve bytes');
  rename(w.u, d, 'f9', d, 'f10', 0);
  t.equal(lookup(w.u, d, 'f10', w.stat)?.id, moved.id);
  t.equal((w.u.nodes.get(covered.id) as FileNode).parent, null);
  t.equal(w.content(w.u.nodes.get(moved.id) as FileNode), 'twelve bytes');
  for (const { id } of [kept, gone, moved, covered]) w.u.nodes.forget(id, 1);
  t.equal(w.u.nodes.get(gone.id), undefined);
});

unionTest(t, 'directories are left to the data plane where rows tell all', layout, (t, w) => {
  const d = learned(w, 'd');
  const { directories } = w.plane.rows.get(d.id) as { directories: Int32Array };
  t.same(
    [...directories].map((fd) => fd >= 0),
    [false, true, true],
    'by layer, and never the upper',
  );
  const few = learned(w, 'few');
  t.notOk(w.plane.rows.has(few.id), 'too few names are in no table');
  w.u.dirFds.clear();
  t.notOk(w.plane.rows.has(d.id), 'a descriptor closes');
  w.u.rowNodes.learn(w.u, d, 1, 1);
  t.ok(w.plane.rows.has(d.id));
  w.u.rowNodes.end(w.u, d.id);
  t.notOk(w.plane.rows.has(d.id));
});

const impure: Layout = {
  lowers: [{ d: dir(files(0, 8), { xattrs: { 'trusted.overlay.impure': 'y' } }), e: dir(files(0, 8)) }],
};
unionTest(t, 'not where copies of other layers may lie', impure, (t, w) => {
  const fdsOf = (path: string) => w.plane.rows.get(learned(w, path).id)?.directories ?? [];
  t.same([...fdsOf('d')], [-1]);
  t.ok((fdsOf('e')[0] as number) >= 0);
});

unionTest(
  t,
  'a directory of many layers is, once enough of its names were asked for',
  {
    lowers: Array.from({ length: 20 }, (_, at) => ({ d: dir(files(at * 4, at * 4 + 4)) })),
  },
  (t, w) => {
    const d = learned(w, 'd');
    for (let asked = 1; asked < 5; asked += 1) {
      t.notOk(w.plane.rows.has(d.id));
      w.u.rowNodes.learn(w.u, d, 1, 1);
    }
    t.ok(w.plane.rows.has(d.id));
  },
);

unionTest(t, 'a directory that is forgotten gives its files up as objects, which are found again', layout, (t, w) => {
  const d = learned(w, 'd');
  const row = found(w, d, 'f12');
  w.u.nodes.forget(d.id, d.nlookup);
  t.notOk(w.plane.rows.size);
  const stray = w.u.nodes.get(row.id) as FileNode;
  t.equal(w.content(stray), 'twelve bytes');
  const again = learned(w, 'd');
  t.notOk(w.plane.rows.has(again.id), 'a row could stand for the same file');
  t.equal(lookup(w.u, again, 'f12', w.stat), stray);
  w.u.rowNodes.learn(w.u, again, 1, 1);
  t.ok(w.plane.rows.has(again.id));
});

unionTest(
  t,
  'the names of the root stay as long as the kernel knows one of them',
  { lowers: [files(0, 8)] },
  (t, w) => {
    const top = learned(w, '');
    const row = found(w, top, 'f1');
    trimUnion(w.u);
    t.not(top.index, null);
    row.told[row.at] = 0;
    row.told[row.told.length - 1] = 0;
    let lost = 0;
    w.u.nodes.onLoss = (count) => {
      lost += count;
    };
    w.u.nodes.forget(row.id, 1);
    t.equal(lost, 8, 'that the last one went is heard of');
    trimUnion(w.u);
    t.equal(top.index, null);
    t.notOk(w.plane.rows.size);
  },
);

unionTest(t, 'what was told and did not arrive is taken back', layout, (t, w) => {
  const d = learned(w, 'd');
  const row = found(w, d, 'f5', 2);
  const other = found(w, d, 'f6');
  const to = row.told.length - 1;
  w.u.rowNodes.untell(d, 0, to);
  t.equal(row.told[row.at], 1);
  t.equal(other.told[other.at], 0);
  t.equal(w.u.rowNodes.size, 1);
});

const linked: Layout = { lowers: [{ d: dir({ ...files(0, 8), other: hardlink('d/f0') }) }] };
unionTest(t, 'a file with several names stays one node', linked, (t, w) => {
  const d = learned(w, 'd');
  t.ok(w.plane.rows.has(d.id));
  t.equal(w.node('d/f0'), w.node('d/other'));
});
