// The stored difference between the host's link counts and those that users see.

import t from 'tap';
import { copyUp } from '../../lib/union/copy-up.js';
import { readExtraLinks } from '../../lib/union/link-counts.js';
import { unlink } from '../../lib/union/remove.js';
import { FaultySyscalls } from '../support/faulty-syscalls.js';
import { raw } from '../support/plant.js';
import { file, hardlink } from '../support/tree.js';
import { TempUnion, unionTest } from '../support/union-in-temp.js';

const layout = { lowers: [{ a: file('x'), b: hardlink('a'), c: hardlink('a') }] };

unionTest(t, 'the stored count', layout, (t, w) => {
  const fd = w.sys.openPath(w.work, 0);
  w.sys.mknodAt(fd, 'f', 0o100600, 0);
  const stored = (value: string): number => {
    w.sys.setXattr(fd, 'f', 'trusted.overlay.nlink', raw(value), 0);
    return readExtraLinks(w.u, fd, 'f', 2, 5);
  };
  t.equal(readExtraLinks(w.u, fd, 'f', 2, 5), 0, 'none is stored');
  t.equal(stored('U+3'), 3);
  t.equal(stored('U-1'), -1);
  t.equal(stored('L-1'), 2, '5 lower links less one, 2 upper links are counted already');
  t.equal(stored('L+0'), 3);
  t.equal(stored('nonsense'), 0);
  w.sys.unlinkAt(fd, 'f', 0);
  w.sys.close(fd);
});

const count = (w: TempUnion, path: string): number => {
  w.node(path);
  w.has(path);
  return w.stat.nlink;
};

/** Kills at each change in turn; the counts that the next mount shows of `path`, from the undisturbed one back. */
async function countsAfterKills(path: string, operation: (w: TempUnion) => () => unknown): Promise<number[]> {
  const counts: number[] = [];
  for (let at = 1; ; at += 1) {
    const faulty = new FaultySyscalls();
    const w = await TempUnion.make({ ...layout, sys: faulty.syscalls, jobs: faulty.jobs });
    const act = operation(w);
    faulty.arm({ at, how: 'crash', only: 'mutating' });
    await w.run(act).catch(() => undefined);
    const { fired } = faulty;
    faulty.arm(null);
    w.dissolve();
    faulty.crashed = false;
    await w.assemble();
    counts.push(count(w, path));
    w.close();
    if (fired === null) return counts;
  }
}

t.test('a copy-up of a hard link, killed at each change: the count stays', async (t) => {
  const counts = await countsAfterKills('b', (w) => {
    const node = w.file('a');
    w.node('b');
    return () => copyUp(w.u, node, 'data');
  });
  t.ok(counts.length > 8, `${counts.length} changes`);
  t.same(new Set(counts), new Set([3]));
});

t.test('an unlink of a hard link, killed at each change: the count is never below the names', async (t) => {
  const counts = await countsAfterKills('b', (w) => {
    const root = w.dir('');
    w.node('a');
    w.node('b');
    return () => unlink(w.u, root, 'a');
  });
  t.equal(counts.pop(), 2);
  t.same(new Set(counts), new Set([3]));
});
