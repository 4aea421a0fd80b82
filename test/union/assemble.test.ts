// Assembling a union: locks, the workdir, the root's stack; and that nothing stays when it fails.

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { errno } from '../../lib/errno.js';
import { jobs, syscalls } from '../../lib/sys/syscalls.js';
import { assembleUnion, dissolveUnion } from '../../lib/union/assemble.js';
import { FakePlane } from '../support/fake-plane.js';
import { FaultySyscalls } from '../support/faulty-syscalls.js';
import { dir, file } from '../support/tree.js';
import { type TempUnion, unionTest } from '../support/union-in-temp.js';

const layout = { lowers: [{ a: file('1'), d: dir({}) }, { b: file('2') }] };
const quiet = { attributes: () => undefined };
const second = (w: TempUnion, more = {}, sys = syscalls) =>
  assembleUnion(sys, jobs, { ...w.options, ...more }, new FakePlane(), quiet);

unionTest(t, 'the root', layout, (t, w) => {
  t.equal(w.u.root.id, 1);
  t.equal(w.u.root.stack.length, 3);
  t.same(w.names(), ['a', 'b', 'd']);
  t.equal(w.u.passthrough, false);
});

unionTest(t, 'one writer', layout, async (t, w) => {
  await t.rejects(second(w), {
    name: 'MountError',
    message: `upperdir ${w.upper} is in use by another writable mount`,
  });
  const other = `${w.base}/upper2`;
  mkdirSync(other);
  await t.rejects(second(w, { upper: other }), { message: `workdir ${w.work} is in use by another writable mount` });
  const reader = await second(w, { readOnly: true });
  t.equal(reader.workdir, null, 'a reader may come');
  t.equal(reader.layers[0]?.writable, false);
  dissolveUnion(reader);
  w.dissolve();
  const next = await second(w);
  dissolveUnion(next);
  t.pass('and another writer when the first has gone');
});

unionTest(t, 'a workdir elsewhere', layout, async (t, w) => {
  w.dissolve();
  await t.rejects(second(w, { workdir: '/dev/shm' }), {
    message: /workdir \/dev\/shm is not on the filesystem of upperdir/,
  });
});

unionTest(t, 'what a crash left in work goes', layout, async (t, w) => {
  w.dissolve();
  mkdirSync(`${w.work}/work/#1/deep/er`, { recursive: true });
  writeFileSync(`${w.work}/work/#1/deep/file`, 'x');
  writeFileSync(`${w.work}/work/#2`, 'x');
  await w.assemble();
  t.same(readdirSync(`${w.work}/work`), []);
});

unionTest(t, 'the index is there only when it can be used', layout, async (t, w) => {
  t.ok(w.u.index);
  await w.remount({ index: false });
  t.equal(w.u.index, null);
});

const opaqueRoot = { lowers: [{ '.wh..wh..opq': file(''), a: file('') }, { b: file('') }] };
unionTest(t, 'an opaque root ends the stack', opaqueRoot, (t, w) => {
  t.same(w.names(), ['a']);
});

unionTest(t, 'no upper', { ...layout, upper: null }, (t, w) => {
  t.equal(w.u.workdir, null);
  t.same(w.names(), ['a', 'b', 'd']);
});

unionTest(
  t,
  'each syscall of a mount fails once: a plain error or a union, and nothing stays open',
  layout,
  async (t, w) => {
    w.dissolve();
    const before = readdirSync('/proc/self/fd').length;
    let at = 1;
    for (; ; at += 1) {
      const faulty = new FaultySyscalls();
      faulty.arm({ at, how: errno.EIO });
      const made = await second(w, {}, faulty.syscalls).catch((error: unknown) => {
        t.match(error, { name: /^(MountError|ErrnoError)$/ }, String(faulty.fired));
        return null;
      });
      const { fired } = faulty;
      faulty.arm(null);
      if (made !== null) dissolveUnion(made);
      const now = readdirSync('/proc/self/fd').length;
      if (now !== before) t.fail(`${now - before} descriptors stay after EIO at ${fired}`);
      if (fired === null) break;
    }
    t.ok(at > 20, `${at} calls`);
    t.equal(readFileSync(`${w.lowers[0]}/a`, 'utf8'), '1');
  },
);
