// Nodes that are rows of a table: which directories leave them to the data plane, and how they become objects. The test is
// the data plane here, and counts what the kernel would have been told.

import { statSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { errno } from '../../lib/errno.js';
import { O_DIRECTORY, O_LARGEFILE, O_RDONLY, S_IFLNK, S_IFREG } from '../../lib/sys/constants.js';
import { mergeNames } from '../../lib/sys/name-tables.js';
import { syscalls } from '../../lib/sys/syscalls.js';
import { handleOf, withdrawAll } from '../../lib/union/handles.js';
import { DirNode, FileNode } from '../../lib/union/inode.js';
import { lookup, visibleEntry } from '../../lib/union/lookup.js';
import { PackedNames } from '../../lib/union/packed-names.js';
import { listNames } from '../../lib/union/readdir.js';
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
  t.ok(w.plane.rows.has(few.id), 'however few names it has');
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
  'a directory of many layers is, once enough of its names were asked for, or where all of them are open',
  {
    lowers: Array.from({ length: 20 }, (_, at) => ({ d: dir(files(at * 4, at * 4 + 4)) })),
  },
  (t, w) => {
    const d = w.dir('d');
    visibleEntry(w.u, d, 'nothing');
    w.u.dirFds.clear();
    for (let asked = 1; asked < 5; asked += 1) {
      w.u.rowNodes.learn(w.u, d, 1, 1);
      t.notOk(w.plane.rows.has(d.id));
    }
    w.u.rowNodes.learn(w.u, d, 1, 1);
    t.ok(w.plane.rows.has(d.id));
    w.u.nodes.forget(d.id, d.nlookup);
    t.ok(w.plane.rows.has(learned(w, 'd').id), 'just read');
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
  t.notOk(w.plane.enters, 'in a directory of which nothing is known here, too');
  t.equal(lookup(w.u, again, 'f12', w.stat), stray);
  t.ok(w.plane.enters);
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
  w.u.rowNodes.untell(d, 0, to, false);
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

const FH = 2 ** 41;

/** `row`, whose file is `path`, as the data plane has it open by `fh`. */
function opened(w: TempUnion, row: Row, path: string, fh: number, backing = 0): void {
  const fd = w.u.sys.openPath(path, O_RDONLY);
  w.plane.attach(fh, fd, false);
  if (backing > 0) w.plane.backings.add(backing);
  w.plane.opened.set(row.id, { fh, fd, flags: O_LARGEFILE, backing });
}

unionTest(t, 'a row that is open comes with its handle, whoever meets either of them first', layout, (t, w) => {
  const d = learned(w, 'd');
  const [read, shared, sealed] = ['f1', 'f2', 'f3'].map((name, at) => {
    const row = found(w, d, name);
    opened(w, row, join(w.lowers[0] as string, 'd', name), FH + at, at === 1 ? 7 : 0);
    return row;
  }) as [Row, Row, Row];
  const handle = handleOf(w.u, FH);
  t.match(handle, { fh: FH, mode: 'cached', writable: false, openFlags: 0 });
  t.equal(handle.node, w.u.nodes.get(read.id));
  t.same([handle.node.data, handle.node.cachedOpens], [null, 1]);
  const node = w.u.nodes.get(shared.id) as FileNode;
  t.match(node.backing, { id: 7, onLower: true, users: 1 });
  t.match(w.u.handles.get(FH + 1), { node, mode: 'passthrough' });
  t.throws(() => handleOf(w.u, FH + 9), { code: errno.EBADF });
  for (const fh of [FH, FH + 1, FH + 2]) w.plane.idle.add(fh);
  withdrawAll(w.u);
  t.equal(w.u.handles.size, 0, 'nothing is open that nobody has open');
  t.same([w.plane.fds.size, w.plane.backings.size, w.plane.opened.size], [0, 0, 0]);
  t.ok(w.u.nodes.get(sealed.id) instanceof FileNode);
});

const merged: Layout = {
  lowers: [
    {
      d: dir({
        ...files(0, 8),
        sub: dir({ x: file('of the first'), same: file('first') }),
        above: dir({ x: file('') }),
      }),
    },
    { d: dir({ sub: dir({ y: file('of the second'), same: file('second') }), above: file('a file') }) },
    { d: dir({ sub: dir({ below: dir({ z: file('deep') }) }), above: dir({ y: file('') }) }) },
  ],
};

function namesOf(w: TempUnion, node: DirNode): string[] {
  const names: string[] = [];
  listNames(w.u, node, 0, (name) => names.push(name) > 0);
  return names.sort();
}

unionTest(t, 'a directory becomes an object, with the layers that it may have', merged, (t, w) => {
  const d = learned(w, 'd');
  const row = found(w, d, 'sub', 3);
  const node = w.u.nodes.get(row.id) as DirNode;
  t.ok(node instanceof DirNode);
  t.same([node.nlookup, node.name, node.parent, node.singles], [3, 'sub', d, null]);
  t.equal(node.inoLow, statSync(join(w.lowers[0] as string, 'd/sub')).ino);
  t.equal(lookup(w.u, d, 'sub', w.stat), node);
  t.equal(w.stat.nlink, 1, 'a merged one');
  t.same(namesOf(w, node), ['below', 'same', 'x', 'y']);
  t.equal(w.content(w.file('d/sub/same')), 'first');
  const above = w.u.nodes.get(found(w, d, 'above').id) as DirNode;
  t.same(namesOf(w, above), ['x'], 'a file hides what is below it');
  w.u.nodes.forget(row.id, 3);
  t.equal(w.u.nodes.get(row.id), undefined);
});

/** `node`/`name`, a row, as the data plane would enter it in the directories `paths`, top first; how its rows are called. */
function entered(w: TempUnion, id: number, number: number, paths: readonly string[]): (name: string) => Row {
  const records = new Uint8Array(1 << 16);
  const parts = Int32Array.from(paths, (path) => syscalls.openPath(path, O_RDONLY | O_DIRECTORY));
  const ranges: number[] = [];
  let end = 0;
  for (const fd of parts) {
    const from = end;
    end += syscalls.readNames(fd, records, end, '', new Uint32Array(2));
    ranges.push(from, end, 0);
  }
  const { table, count, more } = mergeNames(records, Uint32Array.from(ranges), '.wh.');
  const told = new Uint32Array(count + 1);
  w.plane.entered.set(id, { number, table: table as ArrayBuffer, told, more, parts, linked: new Float64Array(0) });
  const packed = PackedNames.of(table as ArrayBuffer, count, w.u.numbers.hash, more);
  return (name) => {
    const at = packed.find(name);
    told[at] = 1;
    told[count] = (told[count] as number) + 1;
    return { id: number * 2 ** 21 + at, told, at };
  };
}

const NUMBER = 2 ** 31;
const placesOf = (w: TempUnion, path: string): string[] => w.lowers.map((lower) => join(lower, path));

unionTest(t, 'one that was entered comes with its names, whoever meets it or them first', merged, (t, w) => {
  const d = learned(w, 'd');
  const sub = found(w, d, 'sub');
  const rowOf = entered(w, sub.id, NUMBER, placesOf(w, 'd/sub'));
  const [y, below] = [rowOf('y'), rowOf('below')];
  const z = entered(w, below.id, NUMBER + 1, [join(w.lowers[2] as string, 'd/sub/below')])('z');
  const before = w.u.nodes.size;
  const deep = w.u.nodes.get(z.id) as FileNode;
  t.equal(w.content(deep), 'deep');
  t.equal(deep.parent, w.u.nodes.get(below.id));
  t.equal(deep.parent?.parent, w.u.nodes.get(sub.id));
  t.equal(deep.parent?.parent?.parent, d);
  t.equal(w.plane.entered.size, 0, 'it is known here alone');
  t.equal(w.u.nodes.size, before, 'all are counted once');
  t.equal(w.content(w.u.nodes.get(y.id) as FileNode), 'of the second');
  const node = w.u.nodes.get(sub.id) as DirNode;
  t.same(namesOf(w, node), ['below', 'same', 'x', 'y']);
  t.equal(w.content(w.file('d/sub/same')), 'first');
  for (const id of [z.id, y.id, below.id, sub.id]) w.u.nodes.forget(id, 1);
  t.equal(w.u.nodes.get(sub.id), undefined);
});

unionTest(t, 'the names of one that is forgotten with it become objects', merged, (t, w) => {
  const d = learned(w, 'd');
  const sub = found(w, d, 'sub');
  const x = entered(w, sub.id, NUMBER, placesOf(w, 'd/sub'))('x');
  w.u.nodes.forget(sub.id, 1);
  t.equal(w.u.nodes.get(sub.id), undefined);
  t.equal(w.content(w.u.nodes.get(x.id) as FileNode), 'of the first');
  t.notOk(w.plane.enters);
  w.u.nodes.forget(x.id, 1);
  t.ok(w.plane.enters);
});

unionTest(t, 'changes reach one that was entered', { ...merged, upper: {} }, (t, w) => {
  const d = learned(w, 'd');
  const sub = found(w, d, 'sub');
  const [x, y] = ['x', 'y'].map(entered(w, sub.id, NUMBER, placesOf(w, 'd/sub'))) as [Row, Row];
  const node = w.dir('d/sub');
  t.equal(node.id, sub.id);
  unlink(w.u, node, 'x');
  unlink(w.u, node, 'same');
  t.same(namesOf(w, node), ['below', 'y']);
  t.equal(w.content(w.u.nodes.get(x.id) as FileNode), 'of the first');
  rename(w.u, node, 'y', d, 'y', 0);
  t.equal(w.u.nodes.get(y.id), w.file('d/y'));
  t.equal(w.content(w.file('d/y')), 'of the second');
  t.same(namesOf(w, node), ['below']);
});

const LED = 2 ** 31;
const shared: Layout = {
  lowers: [
    {
      d: dir({ ...files(0, 4), one: file('linked'), two: hardlink('d/one'), sub: dir({ three: hardlink('d/one') }) }),
    },
  ],
  upper: {},
};

/** Stat.identity() of the file. */
function identityIn(w: TempUnion): string {
  syscalls.statAt(-100, join(w.lowers[0] as string, 'd/one'), w.stat);
  return w.stat.identity();
}

/** `row` as the data plane would let it lead to `first`, of which the kernel was told by that name, too. */
function led(w: TempUnion, first: Row, row: Row): void {
  first.told[first.at] = (first.told[first.at] as number) + 1;
  row.told[row.at] = LED;
  const { identity, names } = w.plane.linked.get(first.id) ?? { identity: identityIn(w), names: [] };
  w.plane.linked.set(first.id, { identity, names: Float64Array.of(...names, row.id) });
}

/** Its names, as the kernel knows them. */
const known = (node: FileNode): string[] =>
  [node.name, ...(node.aliases ?? []).map(({ name }) => name)].filter((name) => name !== '').sort();

for (const first of ['its node', 'the first name', 'another name', 'a name that nobody asked for']) {
  unionTest(t, `a file with several links becomes one object, met by ${first}`, shared, (t, w) => {
    const d = learned(w, 'd');
    const one = found(w, d, 'one');
    led(w, one, found(w, d, 'two'));
    const sub = found(w, d, 'sub');
    led(w, one, entered(w, sub.id, NUMBER, [join(w.lowers[0] as string, 'd/sub')])('three'));
    const meet: Record<string, () => unknown> = {
      'its node': () => w.u.nodes.get(one.id),
      'the first name': () => lookup(w.u, d, 'one', w.stat),
      'another name': () => lookup(w.u, d, 'two', w.stat),
      'a name that nobody asked for': () => lookup(w.u, w.dir('d/sub'), 'three', w.stat),
    };
    const node = meet[first]?.() as FileNode;
    t.equal(node.id, one.id);
    t.equal(node.nlookup, 3);
    t.same(known(node), ['one', 'three', 'two']);
    t.ok(w.plane.owned.has(identityIn(w)), 'the data plane finds it no more');
    for (const path of ['d/one', 'd/two', 'd/sub/three']) t.equal(w.file(path), node, path);
    w.plane.links = true;
    unlink(w.u, d, 'one');
    t.notOk(w.plane.links, 'the index holds a copy');
    t.same(known(node), ['three', 'two']);
    t.equal(w.content(node), 'linked');
    t.equal(one.told.at(-1), 0);
    w.u.nodes.forget(node.id, 3);
    t.notOk(w.plane.owned.has(identityIn(w)));
    t.not(lookup(w.u, d, 'two', w.stat)?.id, one.id);
  });
}

unionTest(t, 'a row tells all again once its object is gone', layout, (t, w) => {
  const d = learned(w, 'd');
  const { packed } = d.index?.entries ?? { packed: null };
  const kindOf = (name: string): number =>
    new Uint8Array(packed?.table as ArrayBuffer)[22 * (packed?.count ?? 0) + (packed?.find(name) ?? 0)] as number;
  const before = kindOf('f3');
  const [row, gone] = [found(w, d, 'f3'), found(w, d, 'f4')];
  t.ok(w.u.nodes.get(row.id) instanceof FileNode);
  t.not(kindOf('f3'), before);
  w.u.nodes.forget(row.id, 1);
  t.equal(kindOf('f3'), before);
  unlink(w.u, d, 'f4');
  w.u.nodes.forget(gone.id, 1);
  t.equal(visibleEntry(w.u, d, 'f4'), null);
  t.not(kindOf('f4'), before, 'not what has changed');
});
