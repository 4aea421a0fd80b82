// Replacing an empty merged directory: its whiteouts make way, in one exchange.

import { readdirSync } from 'node:fs';
import t, { type Test } from 'tap';
import { errno } from '../../lib/errno.js';
import { RENAME_EXCHANGE, RENAME_WHITEOUT } from '../../lib/sys/constants.js';
import { syscalls } from '../../lib/sys/syscalls.js';
import { mkdir } from '../../lib/union/create.js';
import { rmdir, unlink } from '../../lib/union/remove.js';
import { rename } from '../../lib/union/rename.js';
import { clearReplaced } from '../../lib/union/rename-clear.js';
import { FaultySyscalls } from '../support/faulty-syscalls.js';
import { dir, file, whiteout } from '../support/tree.js';
import { root, type TempUnion, unionTest } from '../support/union-in-temp.js';

const layout = {
  lowers: [{ e: dir({ x: file('') }), plain: dir({}) }],
  upper: { e: dir({ x: whiteout() }, { mode: 0o711, uid: 5 }), plain: dir({}) },
};

unionTest(t, 'whiteouts go, owner and mode stay, the lower stays hidden', layout, async (t, w) => {
  const upper = w.u.root.upper;
  if (upper === null) throw new Error('no upper');
  const before = await w.diskView();
  const node = w.dir('e');
  clearReplaced(w.u, node, upper, 'e');
  t.same(readdirSync(`${w.upper}/e`), []);
  t.same(await w.diskView(), before);
  t.not(node.orphan, null, 'what the kernel refers to stays reachable');
});

unionTest(t, 'an empty one is left as it is', layout, (t, w) => {
  const upper = w.u.root.upper;
  if (upper === null) throw new Error('no upper');
  const node = w.dir('plain');
  clearReplaced(w.u, node, upper, 'plain');
  t.not(node.orphan, null);
  t.same(w.leftovers(), []);
});

/** A host without: char 0:0 (`devices`), private xattrs (`xattrs`), RENAME_EXCHANGE and RENAME_WHITEOUT (`flags`). */
function poorHost(...missing: readonly string[]): FaultySyscalls {
  const poor = new FaultySyscalls();
  if (missing.includes('devices')) {
    poor.replace('mknodAt', ((fd: number, name: string, mode: number, rdev: number) =>
      (mode & 0o170000) === 0o020000 ? -errno.EPERM : syscalls.mknodAt(fd, name, mode, rdev)) as never);
  }
  if (missing.includes('xattrs')) poor.refuse('setXattr', errno.EOPNOTSUPP);
  if (missing.includes('flags')) {
    poor.replace('renameAt', ((a: number, b: string, c: number, d: string, flags: number) =>
      (flags & (RENAME_EXCHANGE | RENAME_WHITEOUT)) !== 0
        ? -errno.EINVAL
        : syscalls.renameAt(a, b, c, d, flags)) as never);
  }
  return poor;
}

const poorHosts = [
  ['devices'],
  ['xattrs'],
  ['flags'],
  ['devices', 'xattrs'],
  ['devices', 'flags'],
  ['xattrs', 'flags'],
  ['devices', 'xattrs', 'flags'],
];
const crowded = { lowers: [{ e: dir({ x: file('old'), y: file('old') }), gone: dir({ z: file('old') }) }] };

function mkdirIn(w: TempUnion, name: string): void {
  w.u.nodes.remember(mkdir(w.u, w.dir(''), name, 0o755, root, w.stat));
}

/** The directory `new` comes to `to`, and holds what it held. */
async function moveNew(t: Test, w: TempUnion, to: string): Promise<void> {
  mkdirIn(w, 'new');
  w.node(to);
  rename(w.u, w.dir(''), 'new', w.dir(''), to, 0);
  t.notOk(w.has('new'));
  t.same(w.names(to), []);
  t.same(w.leftovers(), [], 'nothing is left in the workdir');
  await w.remount();
  t.same(w.names(to), [], 'nothing comes back after a remount');
  t.notOk(w.has('new'));
}

for (const missing of poorHosts) {
  const host = `without ${missing.join(', ')}`;
  const sys = poorHost(...missing).syscalls;
  unionTest(
    t,
    `a rename onto an emptied merged directory is not ENOTEMPTY, ${host}`,
    { ...crowded, sys },
    async (t, w) => {
      w.node('e');
      for (const name of ['x', 'y']) unlink(w.u, w.dir('e'), name);
      await moveNew(t, w, 'e');
    },
  );
  unionTest(t, `a rename onto a directory made again is not ENOTEMPTY, ${host}`, { ...crowded, sys }, async (t, w) => {
    w.node('gone/z');
    unlink(w.u, w.dir('gone'), 'z');
    rmdir(w.u, w.dir(''), 'gone');
    mkdirIn(w, 'gone');
    await moveNew(t, w, 'gone');
  });
  unionTest(t, `a directory onto a whiteout, ${host}`, { ...crowded, sys }, async (t, w) => {
    w.node('gone/z');
    unlink(w.u, w.dir('gone'), 'z');
    rmdir(w.u, w.dir(''), 'gone');
    mkdirIn(w, 'new');
    rename(w.u, w.dir(''), 'new', w.dir(''), 'gone', 0);
    t.same(w.names(), ['e', 'gone']);
    await w.remount();
    t.same(w.names('gone'), []);
    t.same(w.names(), ['e', 'gone']);
  });
}
