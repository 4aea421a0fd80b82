// Sealing an upper while it is mounted: who may ask, what is refused, what is on disk if it fails at any call, and that
// nobody notices. Random sequences of it are the oracle's.

import { Buffer } from 'node:buffer';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import { ErrnoError, errno } from '../../lib/errno.js';
import type { Syscalls } from '../../lib/sys/calls.js';
import { O_RDONLY, O_WRONLY } from '../../lib/sys/constants.js';
import { syscalls } from '../../lib/sys/syscalls.js';
import { createUnnamed, link } from '../../lib/union/create.js';
import { nameAfter, sealUpper, upperName } from '../../lib/union/fresh-upper.js';
import { release } from '../../lib/union/handles.js';
import { openFile } from '../../lib/union/open.js';
import { Pending } from '../../lib/union/pending.js';
import { unlink } from '../../lib/union/remove.js';
import { planSealing } from '../../lib/union/sealing.js';
import { TRUSTED_UPPER, USER_UPPER } from '../../lib/union/told-layers.js';
import { getXattr, setXattr } from '../../lib/union/xattrs.js';
import { raw } from '../support/plant.js';
import { dir, file, hardlink } from '../support/tree.js';
import { codeOf, root, TempUnion, unionTest } from '../support/union-in-temp.js';

const options = { sealed: 0 };
const as = (uid: number) => ({ uid, gid: uid, pid: 0 });
/** Where the uppers lie. */
const homeOf = (w: { readonly upper: string | null }): string => dirname(w.upper ?? '');
const big = 'x'.repeat(2 << 20);

t.test('the names of uppers', async (t) => {
  t.same(['upper', 'upper-1', 'upper-9', 'a-b'].map(nameAfter), ['upper-1', 'upper-2', 'upper-10', 'a-b-1']);
});

unionTest(t, 'who may ask', { lowers: [{}], options }, (t, w) => {
  const { u } = w;
  t.equal(Buffer.from(getXattr(u, u.root, TRUSTED_UPPER, as(0))).toString(), 'upper');
  const asked = (uid: number): number => codeOf(() => setXattr(u, u.root, USER_UPPER, raw('x'), 0, false, as(uid)));
  t.equal(asked(0), 0, 'an xattr like any, where trusted ones can be had');
  Object.assign(u.features, { privileged: false });
  t.same([asked(1000), asked(0)], [errno.EPERM, errno.ESTALE]);
  t.equal(
    codeOf(() => setXattr(u, u.root, TRUSTED_UPPER, raw('other'), 0, false, as(0))),
    errno.ESTALE,
    'of another upper',
  );
  setXattr(u, u.root, TRUSTED_UPPER, raw('upper'), 0, false, as(0));
  t.equal(upperName(u), 'upper-1');
  t.equal(
    codeOf(() => setXattr(u, u.root, TRUSTED_UPPER, raw('upper'), 0, false, as(0))),
    errno.ESTALE,
    'once',
  );
});

unionTest(t, 'a mount that was not said to be sealable', { lowers: [{}] }, (t, w) => {
  t.equal(
    codeOf(() => getXattr(w.u, w.u.root, TRUSTED_UPPER, as(0))),
    errno.ENODATA,
  );
  t.equal(
    codeOf(() => sealUpper(w.u, 'upper')),
    errno.EOPNOTSUPP,
  );
});

const lowers = [{ a: file('a'), d: dir({ b: file('b') }), h1: file('h'), h2: hardlink('h1'), gone: file('') }];

unionTest(t, 'the plan: what is held open, and the directories on the way', { lowers, options }, (t, w) => {
  const held = openFile(w.u, w.file('d/b'), O_WRONLY);
  openFile(w.u, w.file('a'), O_RDONLY);
  const plan = planSealing(w.u);
  t.same(
    plan.moving.map(({ node, names }) => [node.name, names.length]),
    [['b', 1]],
  );
  t.same(
    plan.directories.map(({ name }) => name),
    ['d'],
  );
  release(w.u, held.handle.fh);
  t.same(planSealing(w.u).moving, []);
});

unionTest(
  t,
  'a lower hard link that changed under one name is not left with the other',
  { lowers, options },
  (t, w) => {
    release(w.u, openFile(w.u, w.file('h1'), O_WRONLY).handle.fh);
    t.equal(
      codeOf(() => sealUpper(w.u, 'upper')),
      errno.EXDEV,
    );
    release(w.u, openFile(w.u, w.file('h2'), O_WRONLY).handle.fh);
    w.node('h1');
    t.equal(upperName(w.u), 'upper');
  },
);

unionTest(t, 'a file held open under a name that nobody knows', { lowers, options }, (t, w) => {
  const { node, fd } = createUnnamed(w.u, w.u.root, 0o600, O_WRONLY, root, w.stat);
  syscalls.close(fd);
  w.u.nodes.remember(node);
  link(w.u, node, w.u.root, 'one', w.stat);
  link(w.u, node, w.dir('d'), 'two', w.stat);
  const held = openFile(w.u, node, O_WRONLY);
  node.aliases = null;
  t.equal(
    codeOf(() => sealUpper(w.u, 'upper')),
    errno.EBUSY,
  );
  release(w.u, held.handle.fh);
});

unionTest(t, 'writers go on, and the sealed upper stays as it was', { lowers, options }, async (t, w) => {
  const { u } = w;
  const log = openFile(u, w.file('d/b'), O_WRONLY).handle;
  const gone = openFile(u, w.file('gone'), O_WRONLY).handle;
  unlink(u, u.root, 'gone');
  syscalls.pwrite(log.fd, raw('first'), 0);
  const before = w.view({ nlink: true, dirTimes: true });
  const home = homeOf(w);
  await w.run(() => sealUpper(u, upperName(u)));
  t.same(w.view({ nlink: true, dirTimes: true }), before, 'nobody notices');
  syscalls.pwrite(log.fd, raw('second'), 0);
  syscalls.pwrite(gone.fd, raw('unseen'), 0);
  await w.run(() => sealUpper(u, upperName(u)));
  syscalls.pwrite(log.fd, raw('third!'), 0);
  const at = (upper: string): string => readFileSync(join(home, upper, 'd/b'), 'utf8');
  t.same(['upper', 'upper-1', 'upper-2'].map(at), ['first', 'second', 'third!']);
  t.equal(w.read('d/b'), 'third!');
  t.notOk(w.has('gone'));
  t.same(readdirSync(join(home, 'upper-2')), ['d'], 'what nobody holds stays beneath');
  for (const { fh } of [log, gone]) release(u, fh);
});

unionTest(
  t,
  'a large open file is copied aside; who gives up leaves nothing',
  { lowers: [{}], options },
  async (t, w) => {
    writeFileSync(join(homeOf(w), 'upper', 'big'), big);
    const held = openFile(w.u, w.file('big'), O_WRONLY).handle;
    let pending: Pending | null = null;
    try {
      sealUpper(w.u, 'upper');
    } catch (error) {
      pending = error as Pending;
    }
    if (pending instanceof Pending) pending.abandon?.();
    // The job lets go of its descriptors when it notices.
    await pending?.work;
    t.equal(w.u.frozen.size, 0);
    await w.run(() => sealUpper(w.u, 'upper'));
    const [sealed, fresh] = ['upper', 'upper-1'].map((name) => statSync(join(homeOf(w), name, 'big')));
    t.same([sealed?.nlink, fresh?.nlink], [1, 1]);
    t.equal(sealed?.size, big.length);
    release(w.u, held.fh);
  },
);

const changing = ['mkdirAt', 'linkAt', 'renameAt', 'unlinkAt', 'setXattr', 'chmodAt', 'utimensAt', 'openAt', 'flock'];

/** Fails the `at`th call that changes something on disk; where `dies`, all that come after it too. */
function failing(at: { left: number; dies: boolean }): Syscalls {
  return new Proxy(syscalls, {
    get(target, key: string) {
      const call = target[key as keyof Syscalls] as (...args: unknown[]) => unknown;
      if (!changing.includes(key)) return call;
      return (...args: unknown[]) => {
        at.left -= 1;
        return at.left === 0 || (at.dies && at.left < 0) ? -errno.ENOSPC : call.apply(target, args);
      };
    },
  });
}

const at = { left: 0, dies: false };
unionTest(
  t,
  'failed at any call: the upper as it was, or the fresh one',
  { lowers, options, sys: failing(at) },
  async (t, w) => {
    const held = openFile(w.u, w.file('d/b'), O_WRONLY).handle;
    const before = w.view({ nlink: true });
    let [failed, sealed] = [0, 0];
    for (let nth = 1; ; nth += 1) {
      const name = upperName(w.u);
      at.left = nth;
      let error: unknown = null;
      try {
        await w.run(() => sealUpper(w.u, name));
      } catch (thrown) {
        error = thrown;
      }
      const reached = at.left <= 0;
      at.left = 0;
      if (error !== null && !(error instanceof ErrnoError)) throw error;
      if (error === null) sealed += 1;
      else failed += 1;
      t.equal(existsSync(join(homeOf(w), nameAfter(name))), error === null);
      t.same(w.view({ nlink: true }), before, `call ${nth}`);
      if (!reached) break;
    }
    t.ok(failed > 10 && sealed > 0, `${failed} failed, ${sealed} sealed`);
    release(w.u, held.fh);
  },
);

/** The view of the layers that a server leaves which ends before its `nth` change of the disk; null when it ended all. */
async function killedAt(nth: number): Promise<{ before: unknown; after: unknown; uppers: number; done: boolean }> {
  const death = { left: 0, dies: false };
  const w = await TempUnion.make({ lowers, options, sys: failing(death) });
  try {
    const held = openFile(w.u, w.file('d/b'), O_WRONLY).handle;
    for (const name of ['h1', 'h2']) release(w.u, openFile(w.u, w.file(name), O_WRONLY).handle.fh);
    unlink(w.u, w.u.root, 'gone');
    syscalls.pwrite(held.fd, raw('first'), 0);
    const before = w.view();
    Object.assign(death, { left: nth, dies: true });
    try {
      await w.run(() => sealUpper(w.u, 'upper'));
    } catch (error) {
      if (!(error instanceof ErrnoError)) throw error;
    }
    const done = death.left > 0;
    syscalls.pwrite(held.fd, raw('later'), 0);
    Object.assign(death, { left: 0, dies: false });
    const uppers = ['upper-1', 'upper'].map((name) => join(homeOf(w), name)).filter(existsSync);
    const [upper = '', ...sealed] = uppers;
    w.options = { ...w.options, upper, lowers: [...sealed, ...w.lowers], sealed: sealed.length };
    const after = await w.diskView();
    return { before, after, uppers: uppers.length, done };
  } finally {
    w.close();
  }
}

t.test('killed at any call: the upper as it was, or the fresh one over it', async (t) => {
  const seen = [0, 0, 0];
  for (let nth = 1; ; nth += 1) {
    const { before, after, uppers, done } = await killedAt(nth);
    t.same(withoutTimes(after, 'later'), withoutTimes(before, 'first'), `call ${nth}, ${uppers} uppers`);
    seen[uppers] = (seen[uppers] ?? 0) + 1;
    if (done) break;
  }
  t.ok((seen[1] ?? 0) > 10 && (seen[2] ?? 0) > 3, `${seen}`);
});

/** What was held open went on being written, whoever died. */
function withoutTimes(view: unknown, written: string): Record<string, string> {
  const lines = view as Record<string, string>;
  const told = lines['d/b'] ?? '';
  return { ...lines, 'd/b': told.replace(`"${written}"`, '').replace(/mtime [\d.]+/, '') };
}
