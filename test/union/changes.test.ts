// What the data plane wrote down becomes what the operations would have made of it.

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { type NodeId, ROOT_ID } from '../../lib/nodes/ids.js';
import type { PassthroughPolicy } from '../../lib/nodes/io-mode.js';
import * as c from '../../lib/sys/constants.js';
import { Changes } from '../../lib/union/changes.js';
import { detached, INDIFFERENT } from '../../lib/union/handles.js';
import { DirNode, FileNode, WHITEOUT } from '../../lib/union/inode.js';
import { visibleEntry } from '../../lib/union/lookup.js';
import { mirrorDirectory } from '../../lib/union/mirrors.js';
import { rowsTellAll } from '../../lib/union/row-nodes.js';
import { dir, file } from '../support/tree.js';
import { type Layout, type TempUnion, unionTest } from '../support/union-in-temp.js';

const layout: Layout = {
  lowers: [{ d: dir({ l0: file('l'), l1: file('l'), l2: file('l'), l3: file('l'), l4: file('l') }) }],
  upper: { d: dir({}) },
};
const FIRST = 2 ** 40;

interface Written {
  readonly kind: 'made' | 'taken' | 'hidden' | 'opened';
  readonly dir: number;
  readonly name: string;
  readonly nodeid?: number;
  readonly format?: number;
  readonly fh?: number;
  readonly fd?: number;
  readonly flags?: number;
  readonly backing?: number;
  readonly forgotten?: number;
}

/** The data plane, which has done nothing by itself yet. */
class Plane {
  records = new Float64Array(0);
  names = new Uint8Array(0);
  opening: readonly (number | boolean)[] | null = null;
  told: readonly (number | boolean)[] | null = null;
  readonly changes = new Changes();

  constructor(
    readonly w: TempUnion,
    u = w.u,
  ) {
    this.changes.begin(
      u,
      {
        log: (records, names) => Object.assign(this, { records, names }),
        open: (...opening) => Object.assign(this, { opening }),
        change: (...told) => Object.assign(this, { told }),
      },
      7,
    );
  }

  write(...all: readonly Written[]): void {
    let from = 0;
    for (const [at, one] of all.entries()) {
      const kind = ['made', 'taken', 'hidden', 'opened'].indexOf(one.kind);
      const { nodeid = 0, format = 0, fh = 0, fd = 0, flags = 0, backing = 0, forgotten = 0 } = one;
      const words = [kind, one.dir, nodeid, one.name.length, 50 + at, 1, format, fh, fd, flags, backing, forgotten];
      this.records.set(words, 1 + at * words.length);
      this.names.set(Buffer.from(one.name, 'latin1'), from);
      from += one.name.length;
    }
    this.records[0] = all.length;
  }

  read(...all: readonly Written[]): void {
    this.write(...all);
    this.changes.read(this.w.u);
  }
}

/** The upper's directory `d`, entered, and its nodeid. */
function entered(w: TempUnion): { d: DirNode; id: number; path: string } {
  const d = w.dir('d');
  visibleEntry(w.u, d, 'l0');
  mirrorDirectory(w.u, d, 1);
  return { d, id: d.id, path: join(w.upper as string, 'd') };
}

unionTest(t, 'what is to be done is told once', layout, (t, w) => {
  const plane = new Plane(w);
  const { uid, gid } = w.u.features;
  t.same(plane.told, [uid, gid, 255, false, true, 0, 7]);
  t.same(plane.opening, [0, false, true, INDIFFERENT], 'nothing is passed through here');
  t.notOk(plane.changes.unread);
});

const without: Record<string, Partial<Layout>> = {
  'without an upper': { upper: null },
  'where ids are changed': { options: { squashToUid: 5 } },
};
for (const [name, more] of Object.entries(without)) {
  unionTest(t, `nothing is changed ${name}`, { ...layout, ...more }, (t, w) => {
    const { told, opening } = new Plane(w);
    t.equal(told, null);
    t.equal(opening === null, more.options !== undefined, 'files are opened where nothing is shown otherwise');
  });
}

for (const [name, upper, shares] of [
  ['beside an upper', layout.upper, [0, 0, 1, 2]],
  ['without one', null, [0, 0, 2, 2]],
] as const) {
  unionTest(t, `which files of lowers are passed through ${name}`, { ...layout, upper: upper ?? null }, (t, w) => {
    const share = (passthrough: PassthroughPolicy): unknown => {
      const more = { passthrough: true, options: { ...w.u.options, passthrough } };
      return new Plane(w, Object.assign(Object.create(w.u), more)).opening?.[0];
    };
    t.same((['off', 'upper', 'auto', 'all'] as const).map(share), shares);
  });
}

unionTest(t, 'an object that was made has its entry and its node', layout, (t, w) => {
  const plane = new Plane(w);
  const { d, id, path } = entered(w);
  writeFileSync(join(path, 'f'), '');
  mkdirSync(join(path, 'sub'));
  writeFileSync(join(path, 'n\xe4me'), '');
  plane.read(
    { kind: 'made', dir: id, name: 'f', nodeid: FIRST, format: c.S_IFREG },
    { kind: 'made', dir: id, name: 'sub', nodeid: FIRST + 1, format: c.S_IFDIR },
    { kind: 'made', dir: id, name: Buffer.from('n\xe4me').toString('latin1'), nodeid: 0, format: c.S_IFREG },
  );
  t.notOk(plane.changes.unread);
  const f = w.u.nodes.get(FIRST);
  t.ok(f instanceof FileNode && f.inUpper && f.dataInUpper && f.parent === d);
  t.match(f, { name: 'f', nlookup: 1, inoLow: 50, inoHigh: 1, protection: 0, handles: null, backing: null });
  t.equal(visibleEntry(w.u, d, 'f')?.node, f);
  const sub = w.u.nodes.get(FIRST + 1);
  t.ok(sub instanceof DirNode && sub.index?.entries.size === 0 && sub.upper !== null);
  const untaken = visibleEntry(w.u, d, Buffer.from('n\xe4me').toString('latin1'));
  t.match(untaken, { node: null, ours: true, closed: true }, 'nobody took the answer: it is there, and not known');
  t.equal(w.u.nodes.get(FIRST + 2), undefined);
  t.ok(w.names('d').includes('sub'));
  for (const node of [FIRST, FIRST + 1]) w.u.nodes.forget(node, 1);
});

unionTest(t, 'what is still open has its handle', layout, (t, w) => {
  const plane = new Plane(w);
  const { d, id } = entered(w);
  const open = (name: string): number =>
    w.u.sys.openAt(w.u.dirFds.fd(d.upper as never), name, c.O_RDWR | c.O_CREAT, 0o600);
  const [cached, passed] = [open('cached'), open('passed')];
  for (const [fh, fd] of [[FIRST, cached] as const, [FIRST + 1, passed] as const]) w.plane.attach(fh, fd, true);
  const common = { kind: 'made', dir: id, format: c.S_IFREG, flags: c.O_RDWR | c.O_EXCL | c.O_CREAT } as const;
  plane.read(
    { ...common, name: 'cached', nodeid: FIRST, fh: FIRST, fd: cached },
    { ...common, name: 'passed', nodeid: FIRST + 1, fh: FIRST + 1, fd: passed, backing: 3 },
  );
  const [a, b] = [FIRST, FIRST + 1].map((id) => w.u.nodes.get(id) as FileNode) as [FileNode, FileNode];
  t.match(w.u.handles.get(FIRST), { fd: cached, mode: 'cached', writable: true, openFlags: c.O_RDWR, node: a });
  t.match(w.u.handles.get(FIRST + 1), { fd: passed, mode: 'passthrough', node: b });
  t.equal(a.cachedOpens, 1);
  t.match(b.backing, { id: 3, onLower: false, users: 1 });
  w.plane.backings.add(3);
  for (const fh of [FIRST, FIRST + 1]) {
    w.plane.detach(fh);
    detached(w.u, fh);
  }
  t.equal(w.plane.backings.size, 0);
  t.match([a.cachedOpens, b.backing, b.handles], [0, null, null]);
});

unionTest(t, 'what was opened for reading is a reader', layout, (t, w) => {
  const plane = new Plane(w);
  const { d, id, path } = entered(w);
  const file = w.file('d/l0');
  w.u.nodes.remember(file);
  writeFileSync(join(path, 'own'), 'own');
  const fds = [join(path, 'own'), join(w.lowers[0] as string, 'd', 'l0'), join(path, 'own')].map((at) =>
    w.u.sys.openPath(at, c.O_RDONLY),
  );
  for (const [at, fd] of fds.entries()) w.plane.attach(FIRST + at, fd, false);
  w.plane.backings.add(4).add(5);
  const opened = (at: number, nodeid: number, backing: number): Written => {
    return { kind: 'opened', dir: 0, name: '', nodeid, fh: FIRST + at, fd: fds[at] as number, backing };
  };
  plane.read(
    { kind: 'made', dir: id, name: 'own', nodeid: FIRST, format: c.S_IFREG },
    opened(0, FIRST, 4),
    opened(1, file.id, 0),
    opened(2, FIRST + 7, 5),
  );
  const own = w.u.nodes.get(FIRST) as FileNode;
  t.match(own.backing, { id: 4, onLower: false, users: 1 });
  t.match(w.u.handles.get(FIRST), { node: own, mode: 'passthrough', writable: false });
  t.match(w.u.handles.get(FIRST + 1), { node: file, mode: 'cached', writable: false });
  t.match([file.cachedOpens, file.data, file.handles?.size], [1, null, 1]);
  t.equal(visibleEntry(w.u, d, 'l0')?.node, file);
  t.equal(w.u.handles.get(FIRST + 2), undefined, 'of a node that the kernel has forgotten');
  t.same([...w.plane.backings], [4]);
  for (const fh of [FIRST, FIRST + 1]) {
    w.plane.detach(fh);
    detached(w.u, fh);
  }
  t.match([own.backing, own.handles, file.cachedOpens], [null, null, 0]);
  w.u.nodes.forget(FIRST, 1);
  w.u.nodes.forget(file.id, 1);
});

unionTest(t, 'what was taken away is gone, and kept for those who know it', layout, (t, w) => {
  const plane = new Plane(w);
  const { d, id, path } = entered(w);
  const made = (name: string, nodeid: number): Written => ({ kind: 'made', dir: id, name, nodeid, format: c.S_IFREG });
  const take = (name: string): number => {
    const fd = w.u.sys.openPath(join(path, name), c.O_PATH);
    rmSync(join(path, name));
    return fd;
  };
  for (const name of ['held', 'forgotten']) writeFileSync(join(path, name), name);
  plane.read(
    made('held', FIRST),
    made('forgotten', FIRST + 1),
    { kind: 'taken', dir: id, name: 'held', nodeid: FIRST, fd: take('held') },
    { kind: 'taken', dir: id, name: 'forgotten', nodeid: FIRST + 1, fd: -1, forgotten: 1 },
  );
  const held = w.u.nodes.get(FIRST) as FileNode;
  t.match(held, { parent: null, nlookup: 1 });
  t.ok((held.orphan?.fd ?? -1) >= 0);
  t.equal(w.u.nodes.get(FIRST + 1), undefined);
  for (const name of ['held', 'forgotten']) t.equal(visibleEntry(w.u, d, name), null);
  t.equal(d.index?.liveNodes, 0);
  w.u.nodes.forget(FIRST, 1);
  t.equal(held.orphan, null);
});

unionTest(t, 'what was hidden has a whiteout in its place', layout, (t, w) => {
  const plane = new Plane(w);
  const { d, id } = entered(w);
  t.ok(d.index !== null && rowsTellAll(w.u, d.index), 'the names are packed');
  const known = w.file('d/l1');
  plane.read({ kind: 'hidden', dir: id, name: 'l0' }, { kind: 'hidden', dir: id, name: 'l1' });
  for (const name of ['l0', 'l1']) {
    t.equal(visibleEntry(w.u, d, name), null);
    t.match(d.index?.entries.get(name), { kind: WHITEOUT, node: null });
  }
  t.match(known, { parent: null, extraLinks: -1 });
  t.same(w.names('d').sort(), ['l2', 'l3', 'l4']);
});

unionTest(t, 'one that cannot be understood costs no other', layout, (t, w) => {
  const plane = new Plane(w);
  const { id, path } = entered(w);
  writeFileSync(join(path, 'f'), '');
  plane.read(
    { kind: 'taken', dir: id, name: 'was never there' },
    { kind: 'made', dir: 99 as NodeId, name: 'x', nodeid: FIRST + 9, format: c.S_IFREG },
    { kind: 'made', dir: id, name: 'f', nodeid: FIRST, format: c.S_IFREG },
  );
  t.ok(w.u.nodes.get(FIRST) instanceof FileNode);
  t.ok(w.u.nodes.get(ROOT_ID) !== undefined);
});
