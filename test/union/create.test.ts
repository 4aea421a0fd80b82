// New names: over nothing, over whiteouts, over a directory's past; links; and every failure.

import { lstatSync, readdirSync } from 'node:fs';
import t from 'tap';
import { errno } from '../../lib/errno.js';
import { O_RDWR, S_IFIFO } from '../../lib/sys/constants.js';
import { createFile, createUnnamed, link, mkdir, mknod, symlink, vacant } from '../../lib/union/create.js';
import type { FileNode } from '../../lib/union/inode.js';
import { unlink } from '../../lib/union/remove.js';
import { type SweepCase, sweep } from '../support/fault-sweep.js';
import { dir, file, hardlink, whiteout } from '../support/tree.js';
import { codeOf, root, type TempUnion, unionTest, user } from '../support/union-in-temp.js';

const lowers = [
  {
    gone: file('gone'),
    goneDir: dir({ old: file('old') }),
    low: file('low'),
    one: file('several'),
    two: hardlink('one'),
    ldir: dir({ f: file('f') }),
  },
];
const upper = {
  gone: whiteout(),
  goneDir: whiteout(),
  up: file('up'),
  setgid: dir({ gone: whiteout() }, { mode: 0o2775, gid: 77 }),
};
const layout = { lowers, upper };

type Make = (w: TempUnion, parent: ReturnType<TempUnion['dir']>, name: string) => unknown;

const makeFile: Make = (w, parent, name) => {
  const { node, fd } = createFile(w.u, parent, name, 0o640, O_RDWR, user, w.stat);
  w.sys.close(fd);
  w.u.nodes.remember(node);
};
const makers: Record<string, Make> = {
  create: makeFile,
  mkdir: (w, parent, name) => mkdir(w.u, parent, name, 0o750, user, w.stat),
  mknod: (w, parent, name) => mknod(w.u, parent, name, S_IFIFO | 0o640, 0, user, w.stat),
  symlink: (w, parent, name) => symlink(w.u, parent, name, 'target', user, w.stat),
};

function making(kind: string, path: string): SweepCase {
  const at = path.lastIndexOf('/');
  return {
    name: `${kind} of ${path}`,
    layout,
    prepare: (w) => {
      const parent = w.dir(path.slice(0, Math.max(at, 0)));
      const make = makers[kind] as Make;
      return () => make(w, parent, path.slice(at + 1));
    },
    fresh: [path],
  };
}

for (const kind of Object.keys(makers)) {
  for (const path of ['new', 'gone', 'goneDir', 'ldir/new']) sweep(t, making(kind, path));
}
sweep(t, making('create', 'setgid/new'));
for (const kind of ['create', 'mkdir']) sweep(t, making(kind, 'setgid/gone'));

function linking(from: string, to: string): SweepCase {
  return {
    name: `link of ${from} as ${to}`,
    layout,
    prepare: (w) => {
      const node = w.file(from);
      const parent = w.dir('');
      return () => link(w.u, node, parent, to, w.stat);
    },
    fresh: [to],
  };
}

for (const from of ['up', 'low', 'one']) {
  for (const to of ['new', 'gone']) sweep(t, linking(from, to));
}

unionTest(t, 'the caller owns what is made', layout, (t, w) => {
  for (const [kind, make] of Object.entries(makers)) {
    make(w, w.dir(''), kind);
    const { uid, gid, mode } = lstatSync(`${w.upper}/${kind}`);
    t.match({ uid, gid }, { uid: 1000, gid: 1000 }, kind);
    if (kind === 'mkdir') t.equal(mode & 0o777, 0o750);
    else if (kind !== 'symlink') t.equal(mode & 0o777, 0o640, 'the umask 022 takes nothing from 640');
  }
});

unionTest(t, 'over a whiteout the setgid directory is obeyed too', layout, (t, w) => {
  const at = w.dir('setgid');
  makeFile(w, at, 'new');
  t.equal(lstatSync(`${w.upper}/setgid/new`).gid, 77);
  unlink(w.u, at, 'new');
  mkdir(w.u, at, 'd', 0o755, user, w.stat);
  t.match({ gid: w.stat.gid, setgid: w.stat.mode & 0o2000 }, { gid: 77, setgid: 0o2000 });
});

unionTest(t, 'a directory made over a removed one is empty, also after a remount', layout, async (t, w) => {
  w.u.nodes.remember(mkdir(w.u, w.dir(''), 'goneDir', 0o755, root, w.stat));
  t.same(w.names('goneDir'), []);
  await w.remount();
  t.same(w.names('goneDir'), []);
});

unionTest(t, 'refusals', layout, (t, w) => {
  const at = w.dir('');
  const code = (name: string): number => codeOf(() => vacant(w.u, at, name));
  t.equal(code('low'), errno.EEXIST);
  t.equal(code('up'), errno.EEXIST);
  t.equal(code('.'), errno.EINVAL);
  t.equal(code('a/b'), errno.EINVAL);
  t.equal(code(''), errno.EINVAL);
  t.equal(code('.wh.a'), errno.EINVAL);
  t.equal(code('n'.repeat(256)), errno.ENAMETOOLONG);
  t.equal(code('n'.repeat(255)), 0);
  t.match(vacant(w.u, at, 'gone'), { whiteout: true });
  t.match(vacant(w.u, at, 'fresh'), { whiteout: false });
});

unionTest(t, 'a read-only union makes nothing', { lowers, upper: null }, (t, w) => {
  t.equal(
    codeOf(() => mkdir(w.u, w.dir(''), 'd', 0o755, root, w.stat)),
    errno.EROFS,
  );
});

unionTest(t, 'a file without a name gets one', layout, (t, w) => {
  const { node, fd } = createUnnamed(w.u, w.dir('ldir'), 0o600, O_RDWR, user, w.stat);
  w.u.nodes.remember(node);
  t.equal(w.stat.nlink, 0);
  t.equal(w.stat.uid, 1000);
  link(w.u, node, w.dir('ldir'), 'named', w.stat);
  t.equal(w.stat.nlink, 1);
  t.equal(node.orphan, null);
  t.equal(w.node('ldir/named'), node);
  w.sys.close(fd);
});

unionTest(t, 'all names of one file are one node', layout, async (t, w) => {
  const node = w.file('up');
  t.equal(link(w.u, node, w.dir(''), 'again', w.stat), node);
  t.equal(w.stat.nlink, 2);
  t.equal(w.node('again'), node);
  await w.remount();
  const first = w.node('again');
  t.equal(w.node('up') as FileNode, first);
  t.same(readdirSync(w.upper as string).filter((name) => name === 'up' || name === 'again').length, 2);
});
