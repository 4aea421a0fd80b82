// The bytes of a copy: inline, as a job, shared by those who wait, dropped when nobody does.

import t from 'tap';
import { errno } from '../../lib/errno.js';
import { dropCopy, INLINE_BYTES } from '../../lib/union/copy-data.js';
import { copyUp } from '../../lib/union/copy-up.js';
import { Pending } from '../../lib/union/pending.js';
import { FaultySyscalls } from '../support/faulty-syscalls.js';
import { file, sparse } from '../support/tree.js';
import { codeOf, type Layout, type TempUnion, unionTest } from '../support/union-in-temp.js';

const size = INLINE_BYTES * 2;
const lowers = [{ small: file('s'), big: file('b'.repeat(size)), holes: sparse(size, { 0: 'a', 1500000: 'z' }) }];
const layout: Layout = { lowers };

function pendingOf(operation: () => void): Pending {
  try {
    operation();
  } catch (error) {
    if (error instanceof Pending) return error;
    throw error;
  }
  throw new Error('nothing to wait for');
}

const wait = (w: TempUnion, path: string): Pending => pendingOf(() => copyUp(w.u, w.file(path), 'data'));

unionTest(t, 'all who want the copy wait for one', layout, async (t, w) => {
  const node = w.file('big');
  const [one, two] = [wait(w, 'big'), wait(w, 'big')];
  t.equal(one.work, two.work);
  t.equal(node.copying?.waiters, 2);
  one.abandon?.();
  t.not(node.copying, null, 'one still waits');
  await two.work;
  copyUp(w.u, node, 'data');
  t.equal(w.read('big').length, size);
});

unionTest(t, 'nobody waits any more: the copy stops', layout, async (t, w) => {
  const pending = wait(w, 'big');
  const cancel = w.file('big').copying?.cancel;
  pending.abandon?.();
  t.equal(w.file('big').copying, null);
  t.equal(cancel?.[0], 1);
  await pending.work;
  await new Promise((resolve) => setTimeout(resolve, 5));
  t.notOk(w.file('big').inUpper);
});

unionTest(t, 'the end of the mount while a copy runs', layout, async (t, w) => {
  const pending = wait(w, 'big');
  dropCopy(w.file('big'));
  await pending.work;
  await new Promise((resolve) => setTimeout(resolve, 5));
  t.pass('descriptors are counted at the end');
});

unionTest(t, 'truncation wants no data', layout, (t, w) => {
  copyUp(w.u, w.file('big'), 'empty');
  t.equal(w.read('big'), '');
});

unionTest(t, 'holes stay holes', layout, async (t, w) => {
  await w.run(() => copyUp(w.u, w.file('holes'), 'data'));
  w.has('holes');
  t.equal(w.stat.size, size);
  t.ok(w.stat.blocks * 512 < size / 2, `${w.stat.blocks} blocks`);
  t.equal(w.read('holes')[1500000], 'z');
});

const faulty = new FaultySyscalls();
unionTest(
  t,
  'a copy that fails is made anew the next time',
  { lowers, sys: faulty.syscalls, jobs: faulty.jobs },
  async (t, w) => {
    faulty.refuse('clone', errno.EOPNOTSUPP);
    faulty.arm({ at: 1, how: errno.ENOSPC, only: 'job.copyData' });
    await wait(w, 'big').work;
    t.equal(
      codeOf(() => copyUp(w.u, w.file('big'), 'data')),
      errno.ENOSPC,
    );
    t.equal(w.file('big').copying, null);
    await w.run(() => copyUp(w.u, w.file('big'), 'data'));
    t.equal(w.read('big').length, size);
    t.notOk(w.u.features.reflink, 'a host without reflinks is asked once');
  },
);

const late = new FaultySyscalls();
unionTest(
  t,
  'a finished copy that nobody came for goes with its node',
  { lowers, sys: late.syscalls },
  async (t, w) => {
    for (const end of ['forgotten', 'dissolved']) {
      const node = w.file('big');
      await wait(w, 'big').work;
      late.arm({ at: 1, how: errno.EIO, only: 'statAt' });
      t.equal(
        codeOf(() => copyUp(w.u, node, 'data')),
        errno.EIO,
        end,
      );
      late.arm(null);
      t.not(node.copying, null);
      if (end === 'forgotten') w.u.nodes.forget(node.id, node.nlookup);
    }
  },
);
