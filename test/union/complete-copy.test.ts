// Metadata-only copies, written: what spares data and what brings it in, and the failure of every syscall.

import t from 'tap';
import { errno } from '../../lib/errno.js';
import { setSink } from '../../lib/log.js';
import { O_RDWR, O_TRUNC, O_WRONLY } from '../../lib/sys/constants.js';
import { INLINE_BYTES } from '../../lib/union/copy-data.js';
import { copyUp } from '../../lib/union/copy-up.js';
import { link } from '../../lib/union/create.js';
import { release } from '../../lib/union/handles.js';
import { openFile } from '../../lib/union/open.js';
import { Pending } from '../../lib/union/pending.js';
import { rename } from '../../lib/union/rename.js';
import { setAttributes } from '../../lib/union/set-attributes.js';
import { setXattr } from '../../lib/union/xattrs.js';
import { sweep } from '../support/fault-sweep.js';
import { FaultySyscalls } from '../support/faulty-syscalls.js';
import { dir, file, hardlink, sparse, type TreeNode, type TreeSpec } from '../support/tree.js';
import { codeOf, type Layout, type TempUnion, unionTest } from '../support/union-in-temp.js';

setSink(() => undefined);

const options = { metacopy: true };
const small = 'some data';
const large = 'large'.repeat(INLINE_BYTES / 5 + 1);
const meta = { mode: 0o6755, uid: 1000, gid: 1001, mtime: 1_400_000_000_000_000_001n, xattrs: { 'user.k': 'v' } };
const copyOf = (text: string, redirect?: string): TreeNode => {
  const marks = { 'trusted.overlay.metacopy': '', ...(redirect && { 'trusted.overlay.redirect': redirect }) };
  return sparse(text.length, {}, { ...meta, xattrs: { ...meta.xattrs, ...marks } });
};
const lowers = [
  {
    small: file(small, meta),
    large: file(large, meta),
    empty: file(''),
    one: file('several'),
    two: hardlink('one'),
    d: dir({ f: file(small) }),
  },
];
const layout: Layout = { lowers, upper: { p: dir({}) }, options };

function chmod(w: TempUnion, path: string, mode = 0o600): void {
  setAttributes(w.u, w.node(path), { mode }, w.stat);
}

function openClose(w: TempUnion, path: string, flags: number): void {
  release(w.u, openFile(w.u, w.file(path), flags).handle.fh);
}

const inUpper = (w: TempUnion, name: string): readonly string[] =>
  w.sys.listXattr(w.u.layers[0]?.fd as number, name) as string[];

/** Modification times of what is open for writing: a crash while the data comes in leaves that of the copying. */
const timeless = (view: Record<string, string>): string => JSON.stringify(view).replace(/ mtime [\d.]+/g, '');
const between = (found: Record<string, string>, old: Record<string, string>): boolean =>
  timeless(found) === timeless(old);

for (const path of ['small', 'empty', 'one']) {
  const { small, empty, one, two } = lowers[0] as TreeSpec;
  sweep(t, {
    name: `attributes of ${path}, without its data`,
    layout: { lowers: [{ small, empty, one, two } as TreeSpec], options },
    prepare: (w) => {
      const node = w.node(path);
      return () => copyUp(w.u, node, 'attributes');
    },
  });
}

const halfway: Layout = {
  lowers,
  upper: { small: copyOf(small), large: copyOf(large), moved: copyOf(small, '/d/f') },
  options,
};
const lean: Layout = {
  lowers: [{ f: small, other: small }],
  upper: { f: copyOf(small), moved: copyOf(small, '/other'), p: dir({}) },
  options,
};
for (const path of ['f', 'moved']) {
  sweep(t, {
    name: `the data of ${path} comes in`,
    layout: lean,
    between,
    prepare: (w) => {
      w.node(path);
      return () => openClose(w, path, O_RDWR);
    },
  });
}
sweep(t, {
  name: 'much data comes in',
  layout: { lowers: [{ f: large }], upper: { f: copyOf(large) }, options },
  between,
  prepare: (w) => {
    const node = w.file('f');
    return () => release(w.u, openFile(w.u, node, O_RDWR).handle.fh);
  },
});
sweep(t, {
  name: 'a metadata-only copy is cut off',
  layout: lean,
  fresh: ['f'],
  prepare: (w) => {
    const node = w.node('f');
    return () => copyUp(w.u, node, 'empty');
  },
});
sweep(t, {
  name: 'a metadata-only copy moves',
  layout: lean,
  prepare: (w) => {
    w.node('f');
    const p = w.dir('p');
    return () => rename(w.u, w.dir(''), 'f', p, 'new', 0);
  },
});

unionTest(t, 'attributes, xattrs, names: none brings data in', layout, (t, w) => {
  chmod(w, 'large');
  setXattr(w.u, w.node('small'), 'user.new', new Uint8Array([65]), 0, false);
  rename(w.u, w.dir(''), 'small', w.dir('p'), 'moved', 0);
  link(w.u, w.file('one'), w.dir(''), 'three', w.stat);
  for (const path of ['large', 'p/moved', 'three', 'two']) {
    const node = w.file(path);
    t.ok(node.inUpper && !node.dataInUpper, path);
  }
  t.equal(w.read('p/moved'), small);
  t.equal(w.read('large'), large);
  t.equal(w.read('three'), 'several');
});

unionTest(t, 'the same after a remount, with metacopy=off too', layout, async (t, w) => {
  chmod(w, 'large');
  chmod(w, 'd/f');
  rename(w.u, w.dir('d'), 'f', w.dir('d'), 'beside', 0);
  rename(w.u, w.dir('d'), 'beside', w.dir('p'), 'far', 0);
  for (const name of ['one']) link(w.u, w.file(name), w.dir('p'), 'link', w.stat);
  const before = w.view();
  for (const metacopy of [true, false]) {
    await w.remount({ metacopy });
    t.same(w.view(), before);
  }
  t.equal(w.file('one'), w.file('p/link'), 'names of one file');
  openClose(w, 'p/far', O_RDWR);
  t.ok(w.file('p/far').dataInUpper);
  t.equal(w.read('p/far'), small);
});

unionTest(t, 'a write brings the data in, and keeps all else', halfway, async (t, w) => {
  const before = w.view();
  await w.run(() => openClose(w, 'large', O_RDWR));
  t.same(w.view(), before);
  t.ok(w.file('large').dataInUpper);
  t.same(inUpper(w, 'large'), ['user.k']);
});

const capable: Layout = {
  lowers,
  upper: {
    small: sparse(
      small.length,
      {},
      {
        mode: 0o755,
        xattrs: {
          'trusted.overlay.metacopy': '',
          'security.capability': '\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0',
        },
      },
    ),
  },
  options,
};
unionTest(t, 'file capabilities outlive the data that comes in', capable, (t, w) => {
  openClose(w, 'small', O_RDWR);
  t.same(inUpper(w, 'small'), ['security.capability']);
});

unionTest(t, 'reads that began below go on in the copy', halfway, async (t, w) => {
  const reader = openFile(w.u, w.file('small'), 0).handle;
  const writer = openFile(w.u, w.file('small'), O_RDWR).handle;
  w.sys.pwrite(writer.fd, new Uint8Array([88]), 0);
  const into = new Uint8Array(1);
  w.sys.pread(reader.fd, into, 0);
  t.same([...into], [88]);
  release(w.u, reader.fh);
  release(w.u, writer.fh);
});

function pendingOf(operation: () => unknown): Pending {
  try {
    operation();
  } catch (error) {
    if (error instanceof Pending) return error;
    throw error;
  }
  throw new Error('nothing to wait for');
}

unionTest(t, 'while the data comes in: times stand still, changes wait', halfway, async (t, w) => {
  const before = w.view();
  const pending = pendingOf(() => openClose(w, 'large', O_RDWR));
  t.ok(
    pendingOf(() => chmod(w, 'large')),
    'a change waits',
  );
  t.same(w.view(), before);
  await pending.work;
  await w.run(() => chmod(w, 'large'));
  t.ok(w.file('large').dataInUpper, 'and finds the data there');
});

unionTest(
  t,
  'nobody waits any more: a metadata-only copy still, and no second writer before the first has ended',
  halfway,
  async (t, w) => {
    const before = w.view();
    pendingOf(() => openClose(w, 'large', O_RDWR)).abandon?.();
    t.equal(w.file('large').copying, null);
    const next = pendingOf(() => openClose(w, 'large', O_RDWR));
    await next.work;
    t.equal(w.u.filling.size, 0);
    t.same(w.view(), before);
    await w.run(() => openClose(w, 'large', O_RDWR));
    t.equal(w.read('large'), large);
  },
);

unionTest(t, 'a truncation does not wait for data, only for its end', halfway, async (t, w) => {
  pendingOf(() => openClose(w, 'large', O_RDWR));
  await w.run(() => openClose(w, 'large', O_WRONLY | O_TRUNC));
  t.equal(w.read('large'), '');
});

const refusing = new FaultySyscalls();
unionTest(t, 'where no redirect may be written the data comes in', { ...layout, sys: refusing.syscalls }, (t, w) => {
  chmod(w, 'small');
  refusing.refuse('setXattr', errno.EPERM);
  rename(w.u, w.dir(''), 'small', w.dir(''), 'new', 0);
  refusing.replace('setXattr', null);
  t.ok(w.file('new').dataInUpper);
  t.equal(w.read('new'), small);
});

const missing: Layout = { lowers: [{}], upper: { f: copyOf(small) }, options };
unionTest(t, 'a copy without data is not opened for writing', missing, (t, w) => {
  t.equal(
    codeOf(() => w.node('f')),
    errno.EIO,
  );
  t.ok(inUpper(w, 'f').includes('trusted.overlay.metacopy'), 'nor changed');
});
