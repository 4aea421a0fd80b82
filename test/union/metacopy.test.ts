// Metadata-only copies, read: what is followed and to where, what is refused, and what a lookup costs.

import t from 'tap';
import { errno } from '../../lib/errno.js';
import { setSink } from '../../lib/log.js';
import { dataOf } from '../../lib/union/metacopy.js';
import { rename } from '../../lib/union/rename.js';
import { FaultySyscalls } from '../support/faulty-syscalls.js';
import {
  dir,
  file,
  hardlink,
  type Meta,
  sparse,
  symlink,
  type TreeNode,
  type TreeSpec,
  whiteout,
} from '../support/tree.js';
import { codeOf, type Layout, type TempUnion, unionTest } from '../support/union-in-temp.js';

const lines: string[] = [];
setSink((line) => void lines.push(line));

const content = 'the data'.repeat(1000);

/** A metadata-only copy of `size` bytes, led by `redirect`. */
function copy(redirect?: string, meta: Meta & { dialect?: string; size?: number } = {}): TreeNode {
  const { dialect = 'trusted', size = content.length, ...rest } = meta;
  const marks = { [`${dialect}.overlay.metacopy`]: '', ...(redirect && { [`${dialect}.overlay.redirect`]: redirect }) };
  return sparse(size, {}, { ...rest, xattrs: { ...rest.xattrs, ...marks } });
}

/** The errno of a lookup, and how many lines it logged. */
function refused(w: TempUnion, path: string): [number, number] {
  const before = lines.length;
  const code = codeOf(() => w.node(path));
  codeOf(() => w.node(path));
  return [code, lines.length - before];
}

const meta = { mode: 0o640, uid: 7, gid: 8, mtime: 1_400_000_000_000_000_001n, xattrs: { 'user.k': 'v' } };
for (const upper of [true, false]) {
  const top: TreeSpec = {
    same: copy(undefined, meta),
    near: copy('other'),
    d: dir({ far: copy('/e/far') }),
    twice: copy('/middle'),
    small: copy(undefined, { size: 3 }),
    empty: copy(undefined, { size: 0 }),
  };
  const low: TreeSpec = {
    same: content,
    other: content,
    e: dir({ far: content }),
    middle: copy('end'),
    small: 'abc',
    empty: '',
  };
  const lowers = [{ x: '' }, low, { end: content }];
  const layout: Layout = upper ? { upper: top, lowers } : { lowers: [top, ...lowers] };
  unionTest(t, `in ${upper ? 'the upper' : 'a lower'}: attributes of the copy, data of the file`, layout, (t, w) => {
    for (const path of ['same', 'near', 'd/far', 'twice']) {
      t.equal(w.read(path), content, path);
      t.equal(w.stat.size, content.length);
    }
    t.equal(w.read('small'), 'abc');
    t.equal(w.read('empty'), '');
    const node = w.file('same');
    t.match(w.stat, { mode: 0o100640, uid: 7, gid: 8, size: content.length }, 'attributes');
    t.ok(w.stat.blocks * 512 >= content.length, 'the blocks are the data’s');
    t.equal(node.inUpper, upper);
    t.notOk(node.dataInUpper);
  });
}

const broken: Record<string, readonly TreeSpec[]> = {
  'nothing beneath': [{}],
  'a directory': [{ f: dir({}) }],
  'a symlink': [{ f: symlink('g'), g: content }],
  'a whiteout above the data': [{ f: whiteout() }, { f: content }],
  'a .wh. file above the data': [{ '.wh.f': '' }, { f: content }],
  'an xattr whiteout above the data': [{ f: whiteout('xattr-trusted') }, { f: content }],
  'only metadata all the way down': [{ f: copy() }, { f: copy() }],
};
for (const [what, lowers] of Object.entries(broken)) {
  unionTest(t, `${what}: EIO at lookup and one line`, { lowers: [{ f: copy() }, ...lowers] }, (t, w) => {
    t.same(refused(w, 'f'), [errno.EIO, 1]);
    t.same(w.names(), lowers.some((lower) => 'g' in lower) ? ['f', 'g'] : ['f'], 'the name is listed');
  });
}

const opaque: Layout = { lowers: [{ d: dir({ f: copy() }, { opaque: 'trusted' }) }, { d: dir({ f: content }) }] };
unionTest(t, 'an opaque directory cuts its copies off', opaque, (t, w) => {
  t.equal(
    codeOf(() => w.node('d/f')),
    errno.EIO,
  );
});

const renamed: Layout = {
  upper: { new: dir({ f: copy() }, { xattrs: { 'trusted.overlay.redirect': '/old' } }) },
  lowers: [{ old: dir({ f: content }) }],
};
unionTest(t, 'a copy in a renamed directory', renamed, (t, w) => {
  t.equal(w.read('new/f'), content);
});

const circles: Layout = { lowers: [{ a: copy('b'), b: copy('a') }, { a: copy('b'), b: copy('a') }, {}] };
unionTest(t, 'copies that lead to each other end', circles, (t, w) => {
  t.equal(
    codeOf(() => w.node('a')),
    errno.EIO,
  );
});

const images: Layout = {
  lowers: [{ f: copy('/ab/cd'), missing: copy('/ab/none'), beside: copy('cd'), own: copy() }],
  dataLowers: [{ ab: dir({ none: dir({}) }) }, { ab: dir({ cd: content }), cd: content, own: content }],
};
unionTest(t, 'data-only layers hold data for absolute redirects, and show no names', images, (t, w) => {
  t.equal(w.read('f'), content);
  t.same(w.names(), ['beside', 'f', 'missing', 'own']);
  for (const path of ['missing', 'beside', 'own']) t.same(refused(w, path), [errno.EIO, 1], path);
});

const small = 'tiny';
const hideous = { 'trusted.filler': 'x'.repeat(2000) };
const disguised: Layout = {
  lowers: [{ f: copy(undefined, { size: small.length, xattrs: hideous }) }, { f: small }],
};
unionTest(t, 'the blocks of large xattrs are no data', disguised, (t, w) => {
  const node = w.file('f');
  t.ok(w.stat.blocks * 512 >= small.length, 'as if it had data');
  t.equal(w.read('f'), small);
  t.match(dataOf(w.u, node), { file: { name: 'f' } });
});

const counted = new FaultySyscalls();
const ordinary: Layout = { lowers: [{ f: file('small'), big: file('b'.repeat(200_000)) }], sys: counted.syscalls };
unionTest(t, 'a lookup of an ordinary file asks for no xattr', ordinary, (t, w) => {
  w.names();
  counted.arm(null);
  w.node('f');
  w.node('big');
  t.same(
    counted.made.filter((line) => /Xattr/.test(line)),
    [],
  );
  t.equal(dataOf(w.u, w.file('big')), null);
  t.same(
    counted.made.filter((line) => /Xattr/.test(line)),
    [],
    'many blocks are data',
  );
  t.equal(dataOf(w.u, w.file('f')), null);
});

const linked: Layout = {
  lowers: [
    { a: copy(), b: hardlink('a') },
    { a: content, b: content },
  ],
};
unionTest(t, 'names of one metadata-only copy', linked, (t, w) => {
  t.equal(w.file('a'), w.file('b'));
  t.equal(w.read('b'), content);
});

const secret = file(content, { mode: 0o600 });
const own = file(content, { mode: 0o600, uid: 1000 });
const forged: Layout = {
  lowers: [
    {
      alice: copy('/secret', { dialect: 'user', uid: 1000 }),
      group: copy('/secret', { dialect: 'user', mode: 0o660 }),
      hers: copy('/own', { dialect: 'user', uid: 1000 }),
      public: copy('/open', { dialect: 'user', uid: 1000 }),
      root: copy('/secret', { dialect: 'user', mode: 0o644 }),
      data: copy('/image', { dialect: 'user', uid: 1000 }),
      mixed: copy(undefined, { uid: 1000, xattrs: { 'user.overlay.redirect': '/secret' } }),
    },
    { secret, own, open: content },
  ],
  dataLowers: [{ image: secret }],
};
unionTest(t, 'a mark in user.* leads its writer to nothing he may not read', forged, (t, w) => {
  for (const path of ['alice', 'group']) t.same(refused(w, path), [errno.EIO, 1], path);
  for (const path of ['hers', 'public', 'root', 'data']) t.equal(w.read(path), content, path);
  t.same(refused(w, 'mixed'), [errno.EIO, 1], 'nor does a redirect in user.* beside a mark in trusted.*');
});

const cut: Layout = { upper: { f: copy(undefined, { size: 0 }) }, lowers: [{ f: content }] };
unionTest(t, 'a truncation that a crash stopped is gone through with', cut, (t, w) => {
  t.equal(w.read('f'), '');
  t.equal(w.file('f').data, null);
  t.same(w.sys.listXattr(w.u.layers[0]?.fd as number, 'f'), []);
});

unionTest(t, 'a copy beneath a moved file is not touched', { lowers: [{ f: copy() }, { f: content }] }, (t, w) => {
  w.node('f');
  rename(w.u, w.dir(''), 'f', w.dir(''), 'g', 0);
  t.ok(w.file('g').dataInUpper, 'metacopy=off: a whole copy');
  t.equal(w.read('g'), content);
});
