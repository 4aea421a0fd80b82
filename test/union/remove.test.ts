// Unlink and rmdir: what is left in the upper, what stays reachable, and the failure of every syscall.

import { existsSync, lstatSync, readdirSync } from 'node:fs';
import t from 'tap';
import { errno } from '../../lib/errno.js';
import { Stat } from '../../lib/sys/stat.js';
import { getAttributes } from '../../lib/union/attributes.js';
import { copyUp } from '../../lib/union/copy-up.js';
import { createFile } from '../../lib/union/create.js';
import { isEmpty, rmdir, unlink } from '../../lib/union/remove.js';
import { type SweepCase, sweep } from '../support/fault-sweep.js';
import { dir, file, hardlink, whiteout } from '../support/tree.js';
import { codeOf, type TempUnion, unionTest, user } from '../support/union-in-temp.js';

const lowers = [
  { both: file('lower'), low: file('low'), d: dir({ f: file('f') }), m: dir({}), merged: dir({ x: file('x') }) },
];
const upper = {
  both: file('upper', { uid: 3 }),
  up: file('up'),
  p: dir({}),
  merged: dir({ x: whiteout() }, { xattrs: { 'trusted.overlay.impure': 'y' } }),
  pw: dir({ gone: whiteout() }),
};
const layout = { lowers, upper };

function removing(name: string, path: string, remove: typeof unlink, parent = ''): SweepCase {
  return {
    name,
    layout,
    prepare: (w) => {
      const at = w.dir(parent);
      w.node(parent === '' ? path : `${parent}/${path}`);
      return () => remove(w.u, at, path);
    },
  };
}

sweep(t, removing('unlink of an upper file', 'up', unlink));
sweep(t, removing('unlink of a lower file', 'low', unlink));
sweep(t, removing('unlink of an upper file over a lower one', 'both', unlink));
sweep(t, removing('unlink in a lower directory', 'f', unlink, 'd'));
sweep(t, removing('rmdir of an upper directory', 'p', rmdir));
sweep(t, removing('rmdir of an upper directory with whiteouts', 'pw', rmdir));
sweep(t, removing('rmdir of a lower directory', 'm', rmdir));
sweep(t, removing('rmdir of an empty merged directory', 'merged', rmdir));

const isWhiteout = (path: string): boolean => lstatSync(path).isCharacterDevice() && lstatSync(path).rdev === 0;

unionTest(t, 'what unlink leaves in the upper', layout, (t, w) => {
  for (const name of ['both', 'low', 'up']) {
    w.node(name);
    unlink(w.u, w.dir(''), name);
    t.notOk(w.has(name));
  }
  t.ok(isWhiteout(`${w.upper}/both`));
  t.ok(isWhiteout(`${w.upper}/low`));
  t.notOk(existsSync(`${w.upper}/up`), 'nothing to hide, nothing left');
  t.equal(lstatSync(`${w.upper}/both`).ino, lstatSync(`${w.upper}/low`).ino, 'one shared whiteout inode');
});

unionTest(t, 'what rmdir leaves in the upper', layout, (t, w) => {
  for (const name of ['p', 'pw', 'm', 'merged']) {
    const node = w.dir(name);
    t.ok(isEmpty(w.u, node), name);
    rmdir(w.u, w.dir(''), name);
    t.ok(node.dead);
    t.notOk(w.has(name));
  }
  t.ok(isWhiteout(`${w.upper}/m`));
  t.ok(isWhiteout(`${w.upper}/merged`));
  t.notOk(existsSync(`${w.upper}/p`));
  t.notOk(existsSync(`${w.upper}/pw`));
  t.same(w.leftovers(), []);
});

unionTest(t, 'refusals', layout, (t, w) => {
  const root = w.dir('');
  t.equal(
    codeOf(() => unlink(w.u, root, 'nothing')),
    errno.ENOENT,
  );
  t.equal(
    codeOf(() => rmdir(w.u, root, 'nothing')),
    errno.ENOENT,
  );
  t.equal(
    codeOf(() => unlink(w.u, root, 'd')),
    errno.EISDIR,
  );
  t.equal(
    codeOf(() => rmdir(w.u, root, 'low')),
    errno.ENOTDIR,
  );
  w.dir('d');
  t.equal(
    codeOf(() => rmdir(w.u, root, 'd')),
    errno.ENOTEMPTY,
  );
  t.equal(
    codeOf(() => unlink(w.u, w.dir('merged'), 'x')),
    errno.ENOENT,
    'a whiteout is no file',
  );
});

unionTest(t, 'a read-only union removes nothing', { lowers, upper: null }, (t, w) => {
  t.equal(
    codeOf(() => unlink(w.u, w.dir(''), 'low')),
    errno.EROFS,
  );
  t.equal(
    codeOf(() => rmdir(w.u, w.dir(''), 'm')),
    errno.EROFS,
  );
});

function removedFile(w: TempUnion, path: string): Stat {
  const node = w.file(path);
  unlink(w.u, w.dir(''), path);
  const stat = new Stat();
  getAttributes(w.u, node, stat);
  return stat;
}

unionTest(t, 'a removed file stays reachable until it is forgotten', layout, (t, w) => {
  const node = w.file('up');
  t.equal(removedFile(w, 'up').nlink, 0);
  t.equal(w.content(node), 'up');
  w.u.nodes.forget(node.id, 1);
  t.equal(node.orphan, null, 'closed when forgotten');
});

unionTest(t, 'a removed lower file stays readable, with its number', layout, (t, w) => {
  const node = w.file('low');
  const before = node.inoLow;
  const stat = removedFile(w, 'low');
  t.equal(stat.inoLow, before);
  t.equal(stat.nlink, 0);
  t.equal(w.content(node), 'low');
});

unionTest(t, 'remove and create again, many times', layout, (t, w) => {
  for (let turn = 0; turn < 3; turn += 1) {
    w.node('low');
    unlink(w.u, w.dir(''), 'low');
    const made = createFile(w.u, w.dir(''), 'low', 0o644, 2, user, w.stat);
    w.sys.close(made.fd);
    w.u.nodes.remember(made.node);
  }
  t.equal(w.read('low'), '');
  t.same(readdirSync(`${w.work}/work`).length, 1, 'only the shared whiteout');
});

const several = { lowers: [{ a: file('x'), b: hardlink('a'), c: hardlink('a') }] };

unionTest(t, 'one name of several goes, the others stay', several, async (t, w) => {
  const node = w.file('a');
  w.node('b');
  copyUp(w.u, node, 'data');
  unlink(w.u, w.dir(''), 'a');
  t.equal(w.read('b'), 'x');
  t.equal(w.read('c'), 'x');
  getAttributes(w.u, w.node('c'), w.stat);
  t.equal(w.stat.nlink, 2);
  await w.remount();
  t.same(w.names(), ['b', 'c']);
  w.node('b');
  t.equal(w.stat.nlink, 2, 'the count is remembered on disk');
});
