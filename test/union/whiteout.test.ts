// Writing whiteouts and opaque marks: the kernel's dialect, and AUFS names where the host refuses it.

import { existsSync, lstatSync, readdirSync, statSync } from 'node:fs';
import t from 'tap';
import { errno } from '../../lib/errno.js';
import { O_RDWR, S_IFCHR } from '../../lib/sys/constants.js';
import { createFile, mkdir } from '../../lib/union/create.js';
import { rmdir, unlink } from '../../lib/union/remove.js';
import { rename } from '../../lib/union/rename.js';
import { addWhiteout, setOpaque, WH_NAME_MAX } from '../../lib/union/whiteout.js';
import { FaultySyscalls } from '../support/faulty-syscalls.js';
import { dir, file } from '../support/tree.js';
import { codeOf, type Layout, root, type TempUnion, unionTest } from '../support/union-in-temp.js';

const lowers = [{ a: file('a'), b: file('b'), d: dir({ x: file('x') }), m: dir({}) }];

/** A host as a user namespace sees it: no devices, and optionally no trusted xattrs. */
function poorHost(...refused: string[]): Layout {
  const faulty = new FaultySyscalls();
  faulty.replace('mknodAt', ((fd: number, name: string, mode: number, rdev: number) => {
    if ((mode & 0o170000) === S_IFCHR) return -errno.EPERM;
    return new FaultySyscalls().syscalls.mknodAt(fd, name, mode, rdev);
  }) as never);
  for (const name of refused) faulty.refuse(name, errno.EOPNOTSUPP);
  return { lowers, upper: { both: file('u') }, sys: faulty.syscalls };
}

const upperNames = (w: TempUnion): string[] => readdirSync(w.upper as string).sort();

unionTest(t, 'hard links of one inode', { lowers }, (t, w) => {
  for (const name of ['a', 'b']) {
    w.node(name);
    unlink(w.u, w.dir(''), name);
  }
  t.equal(statSync(`${w.upper}/a`).ino, statSync(`${w.upper}/b`).ino);
  t.equal(statSync(`${w.upper}/a`).nlink, 3);
});

const emlink = new FaultySyscalls();
unionTest(
  t,
  'a whiteout that takes no further link is followed by a new one',
  { lowers, sys: emlink.syscalls },
  (t, w) => {
    unlink(w.u, w.dir(''), 'a');
    emlink.arm({ at: 1, how: errno.EMLINK, only: 'linkAt' });
    unlink(w.u, w.dir(''), 'b');
    emlink.arm(null);
    t.not(statSync(`${w.upper}/a`).ino, statSync(`${w.upper}/b`).ino);
  },
);

const nolink = new FaultySyscalls();
unionTest(t, 'a host without links gets whiteouts one by one', { lowers, sys: nolink.syscalls }, (t, w) => {
  nolink.refuse('linkAt', errno.EPERM);
  unlink(w.u, w.dir(''), 'a');
  nolink.replace('linkAt', null);
  t.ok(lstatSync(`${w.upper}/a`).isCharacterDevice());
  t.notOk(w.has('a'));
});

unionTest(t, '.wh. files where char 0:0 is refused', poorHost(), async (t, w) => {
  t.notOk(w.u.features.deviceWhiteout);
  unlink(w.u, w.dir(''), 'a');
  w.node('m');
  rmdir(w.u, w.dir(''), 'm');
  t.same(upperNames(w), ['.wh.a', '.wh.m', 'both']);
  t.same(w.names(), ['b', 'both', 'd']);
  await w.remount();
  t.same(w.names(), ['b', 'both', 'd']);
});

unionTest(t, 'and they go when the name comes back', poorHost(), (t, w) => {
  unlink(w.u, w.dir(''), 'a');
  const { fd } = createFile(w.u, w.dir(''), 'a', 0o644, O_RDWR, root, w.stat);
  w.sys.close(fd);
  t.same(upperNames(w), ['a', 'both']);
  unlink(w.u, w.dir(''), 'b');
  w.node('both');
  rename(w.u, w.dir(''), 'both', w.dir(''), 'b', 0);
  t.same(upperNames(w), ['a', 'b']);
});

unionTest(t, 'without xattrs an opaque mark is a file', poorHost('setXattr'), async (t, w) => {
  t.equal(w.u.features.dialect, null);
  w.node('d/x');
  unlink(w.u, w.dir('d'), 'x');
  rmdir(w.u, w.dir(''), 'd');
  w.u.nodes.remember(mkdir(w.u, w.dir(''), 'd', 0o755, root, w.stat));
  t.ok(existsSync(`${w.upper}/d/.wh..wh..opq`));
  t.same(w.names('d'), []);
  await w.remount();
  t.same(w.names('d'), []);
});

unionTest(t, 'a name too long for a .wh. file', poorHost(), (t, w) => {
  const upper = w.u.root.upper;
  if (upper === null || w.u.workdir === null) throw new Error('no upper');
  const add = (length: number): number =>
    codeOf(() => addWhiteout(w.u, w.u.workdir as never, upper, 'n'.repeat(length)));
  t.equal(WH_NAME_MAX, 251);
  t.equal(add(251), 0);
  t.equal(add(252), errno.ENAMETOOLONG);
});

const full = new FaultySyscalls();
unionTest(
  t,
  'an opaque mark that cannot be written for want of space is no file either',
  { lowers, sys: full.syscalls },
  (t, w) => {
    const upper = w.u.root.upper;
    if (upper === null) throw new Error('no upper');
    full.refuse('setXattr', errno.ENOSPC);
    t.equal(
      codeOf(() => setOpaque(w.u, w.u.dirFds.fd(upper), '')),
      errno.ENOSPC,
    );
    t.same(upperNames(w), []);
  },
);
