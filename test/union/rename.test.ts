// Rename: the plan as a value, the refusals, and the failure of every syscall.

import { existsSync, lstatSync } from 'node:fs';
import t from 'tap';
import { errno } from '../../lib/errno.js';
import { RENAME_EXCHANGE, RENAME_NOREPLACE, RENAME_WHITEOUT } from '../../lib/sys/constants.js';
import { syscalls } from '../../lib/sys/syscalls.js';
import { namesIn } from '../../lib/union/lookup.js';
import { unlink } from '../../lib/union/remove.js';
import { planRename, rename } from '../../lib/union/rename.js';
import type { RenameEnd } from '../../lib/union/rename-names.js';
import { type SweepCase, sweep } from '../support/fault-sweep.js';
import { FaultySyscalls } from '../support/faulty-syscalls.js';
import { dir, file, whiteout } from '../support/tree.js';
import { codeOf, type TempUnion, unionTest } from '../support/union-in-temp.js';

const lowers = [
  {
    low: file('low'),
    other: file('other'),
    both: file('beneath'),
    hidden: file('hidden'),
    ldir: dir({ f: file('f'), sub: dir({ g: file('g') }) }),
    merged: dir({ l: file('l') }),
    empty: dir({ x: file('x') }),
    into: dir({}),
  },
];
const upper = {
  up: file('up', { uid: 9 }),
  both: file('above'),
  hidden: whiteout(),
  pdir: dir({ p: file('p') }),
  merged: dir({ u: file('u') }),
  empty: dir({ x: whiteout() }),
  target: dir({}),
};
const layout = { lowers, upper };

function split(path: string): [string, string] {
  const at = path.lastIndexOf('/');
  return at < 0 ? ['', path] : [path.slice(0, at), path.slice(at + 1)];
}

function move(w: TempUnion, from: string, to: string, flags = 0): () => void {
  const [fromDir, fromName] = split(from);
  const [toDir, toName] = split(to);
  w.node(from);
  if (w.has(to)) w.node(to);
  const [a, b] = [w.dir(fromDir), w.dir(toDir)];
  return () => rename(w.u, a, fromName, b, toName, flags);
}

function moving(from: string, to: string, flags = 0): SweepCase {
  const prepare = (w: TempUnion): (() => void) => move(w, from, to, flags);
  return { name: `rename of ${from} to ${to}${flags ? ', exchange' : ''}`, layout, prepare };
}

const cases = [
  ['up', 'new'],
  ['low', 'new'],
  ['up', 'low'],
  ['both', 'low'],
  ['low', 'hidden'],
  ['low', 'into/low'],
  ['pdir', 'hidden'],
  ['pdir', 'target'],
  ['pdir', 'empty'],
  ['merged', 'renamed'],
  ['merged', 'into/renamed'],
  ['ldir', 'hidden'],
  ['ldir', 'into/ldir'],
] as const;
for (const [from, to] of cases) sweep(t, moving(from, to));
sweep(t, moving('up', 'low', RENAME_EXCHANGE));
sweep(t, moving('pdir', 'merged', RENAME_EXCHANGE));
sweep(t, moving('up', 'ldir', RENAME_EXCHANGE));

function end(w: TempUnion, path: string): RenameEnd {
  const [parent, name] = split(path);
  const at = w.dir(parent);
  if (w.has(path)) w.node(path);
  return { dir: at, name, entry: namesIn(w.u, at).entries.get(name) ?? null };
}

unionTest(t, 'the plan', layout, (t, w) => {
  const plan = (from: string, to: string, flags = 0) => planRename(w.u, end(w, from), end(w, to), flags);
  t.match(plan('up', 'new'), { exchange: false, whiteoutOld: false, swapWhiteout: false, opaque: [], redirect: [] });
  t.match(plan('low', 'new'), { whiteoutOld: true });
  t.match(plan('both', 'new'), { whiteoutOld: true });
  t.match(plan('up', 'hidden'), { swapWhiteout: false, whiteoutThere: true });
  t.match(plan('pdir', 'hidden'), { swapWhiteout: true, whiteoutThere: true });
  t.match(plan('up', 'low', RENAME_EXCHANGE), { exchange: true, whiteoutOld: false });
  t.same(plan('merged', 'new').redirect, [w.dir('merged')]);
  t.same(plan('ldir', 'new').redirect, [w.dir('ldir')]);
  t.same(plan('pdir', 'hidden').opaque, [w.dir('pdir')]);
  t.equal(plan('pdir', 'empty').clear, w.dir('empty'));
  t.equal(plan('up', 'low').clear, null);
});

unionTest(t, 'refusals', layout, (t, w) => {
  const code = (from: string, to: string, flags = 0): number => codeOf(move(w, from, to, flags));
  t.equal(code('up', 'low', RENAME_NOREPLACE), errno.EEXIST);
  t.equal(code('up', 'new', RENAME_EXCHANGE), errno.ENOENT);
  t.equal(code('up', 'new', RENAME_WHITEOUT), errno.EINVAL);
  t.equal(code('pdir', 'ldir'), errno.ENOTEMPTY);
  t.equal(code('up', '.wh.x'), errno.EINVAL);
  t.equal(code('up', 'x'.repeat(256)), errno.ENAMETOOLONG);
  t.equal(
    codeOf(() => rename(w.u, w.dir(''), 'nothing', w.dir(''), 'new', 0)),
    errno.ENOENT,
  );
  t.equal(
    codeOf(() => rename(w.u, w.dir(''), 'hidden', w.dir(''), 'new', 0)),
    errno.ENOENT,
  );
});

unionTest(t, 'a read-only union renames nothing', { lowers, upper: null }, (t, w) => {
  t.equal(codeOf(move(w, 'low', 'new')), errno.EROFS);
});

const noRedirect = { ...layout, options: { redirectDir: false } };

unionTest(t, 'without redirects a merged directory stays', noRedirect, async (t, w) => {
  t.equal(codeOf(move(w, 'merged', 'new')), errno.EXDEV);
  t.equal(codeOf(move(w, 'ldir', 'new')), errno.EXDEV);
  await w.run(move(w, 'pdir', 'new'));
  t.same(w.names('new'), ['p']);
});

unionTest(t, 'a rename over and over, back to where it began', layout, async (t, w) => {
  const before = w.view();
  await w.run(move(w, 'merged', 'into/a'));
  await w.run(move(w, 'into/a', 'b'));
  t.same(w.names('b'), ['l', 'u']);
  await w.remount();
  t.same(w.names('b'), ['l', 'u'], 'found after a remount');
  await w.run(move(w, 'b', 'merged'));
  t.same(w.view(), before);
  t.same(await w.diskView(), before);
});

unionTest(t, 'the number stays with the file', layout, async (t, w) => {
  const node = w.file('low');
  const { inoLow } = node;
  await w.run(move(w, 'low', 'into/moved'));
  t.equal(w.node('into/moved'), node);
  await w.remount();
  t.equal(w.node('into/moved').inoLow, inoLow);
});

unionTest(t, 'the old name of a lower file is a whiteout', layout, async (t, w) => {
  await w.run(move(w, 'low', 'new'));
  t.equal(lstatSync(`${w.upper}/low`).rdev, 0);
  t.ok(lstatSync(`${w.upper}/low`).isCharacterDevice());
  await w.run(move(w, 'up', 'newer'));
  t.notOk(existsSync(`${w.upper}/up`));
});

unionTest(t, 'what is replaced while open stays readable', layout, async (t, w) => {
  const replaced = w.file('low');
  await w.run(move(w, 'up', 'low'));
  t.equal(w.content(replaced), 'low');
  t.equal(w.read('low'), 'up');
});

const marked = {
  lowers: [{ merged: dir({ l: file('l') }), hidden: file('old') }],
  upper: { merged: dir({ u: file('u') }), x: dir({ hidden: whiteout('xattr-trusted') }), hidden: whiteout('char') },
};
const under = { lowers: [{ ...marked.lowers[0], x: dir({ hidden: file('old') }) }], upper: marked.upper };

unionTest(t, 'an xattr whiteout that a directory took the place of is no file at the old name', under, async (t, w) => {
  move(w, 'merged', 'x/hidden')();
  const wanted = ['x'];
  t.same(w.names(), wanted);
  t.same(w.names('x/hidden'), ['l', 'u']);
  await w.remount();
  t.same(w.names(), wanted);
  t.same(w.names('x/hidden'), ['l', 'u']);
});

const refusing = new FaultySyscalls();
refusing.replace('mknodAt', ((fd: number, name: string, mode: number, rdev: number) =>
  mode >>> 12 === 2 ? -errno.EPERM : syscalls.mknodAt(fd, name, mode, rdev)) as never);

unionTest(
  t,
  'a char 0:0 of another host makes way where char 0:0 is refused',
  { ...under, sys: refusing.syscalls },
  async (t, w) => {
    move(w, 'merged', 'hidden')();
    t.same(w.names(), ['hidden', 'x']);
    await w.remount();
    t.same(w.names(), ['hidden', 'x']);
    t.same(w.names('hidden'), ['l', 'u']);
  },
);

unionTest(t, 'after an exchange a name is whited out only where something lies beneath', layout, (t, w) => {
  move(w, 'up', 'low', RENAME_EXCHANGE)();
  unlink(w.u, w.dir(''), 'up');
  t.notOk(existsSync(`${w.upper}/up`), 'kernel overlayfs lists a whiteout that hides nothing');
  unlink(w.u, w.dir(''), 'low');
  t.ok(lstatSync(`${w.upper}/low`).isCharacterDevice());
});
