// RENAME_WHITEOUT from users: what is left at each end, the refusals, and the failure of every syscall.

import t from 'tap';
import { errno } from '../../lib/errno.js';
import { RENAME_EXCHANGE, RENAME_NOREPLACE, S_IFCHR, S_IFREG } from '../../lib/sys/constants.js';
import { mknodNested } from '../../lib/union/create.js';
import { renameLeavingWhiteout } from '../../lib/union/rename-whiteout.js';
import { sweep } from '../support/fault-sweep.js';
import { dir, file } from '../support/tree.js';
import { codeOf, type TempUnion, unionTest } from '../support/union-in-temp.js';

const layout = {
  lowers: [{ low: file('low'), other: file('other'), d: dir({ in: file('in') }) }],
  upper: { up: file('up') },
};
const root = { uid: 0, gid: 0, umask: 0 };

function leaving(w: TempUnion, from: string, to: string, flags = 0): () => void {
  w.node(from);
  if (w.has(to)) w.node(to);
  const parent = w.dir('');
  return () => renameLeavingWhiteout(w.u, { dir: parent, name: from }, { dir: parent, name: to }, flags, root, w.stat);
}

for (const [from, to] of [
  ['low', 'new'],
  ['up', 'new'],
  ['low', 'other'],
  ['up', 'other'],
  ['d', 'new'],
] as const) {
  unionTest(t, `${from} to ${to}`, layout, async (t, w) => {
    const wanted = from === 'd' ? 0o040000 : S_IFREG;
    await w.run(leaving(w, from, to));
    for (const again of [false, true]) {
      if (again) await w.remount();
      t.ok(w.has(from));
      t.equal(w.stat.mode, S_IFCHR, 'a device 0:0 is left');
      t.ok(w.has(to));
      t.equal(w.stat.mode & 0o170000, wanted);
      if (from !== 'd') t.equal(w.read(to), from);
    }
  });
}

unionTest(t, 'refusals', layout, async (t, w) => {
  t.equal(codeOf(leaving(w, 'up', 'low', RENAME_NOREPLACE)), errno.EEXIST);
  t.equal(codeOf(leaving(w, 'up', 'low', RENAME_EXCHANGE)), errno.EINVAL);
  const gone = leaving(w, 'up', 'new');
  await w.run(gone);
  const parent = w.dir('');
  const absent = { dir: parent, name: 'absent' };
  t.equal(
    codeOf(() => renameLeavingWhiteout(w.u, absent, { dir: parent, name: 'x' }, 0, root, w.stat)),
    errno.ENOENT,
  );
});

/** Two steps: a crash in between leaves what each of them leaves, never neither of the file's names. */
const oneIsThere = (found: Record<string, string>): boolean =>
  ['up', 'new', 'other'].some((name) => /\bup\b|size 2/.test(found[name] ?? ''));

const fresh = ['up', 'new', 'other'];
sweep(t, {
  name: 'to a free name',
  layout,
  prepare: (w) => leaving(w, 'up', 'new'),
  between: oneIsThere,
  fresh,
});
sweep(t, {
  name: 'a device 0:0',
  layout,
  prepare: (w) => {
    const parent = w.dir('d');
    return () => mknodNested(w.u, parent, 'zero', 0o600, root, w.stat);
  },
  between: (found) => found['d/zero'] === undefined && (found.d?.includes('trusted.overlay.opaque') ?? false),
  fresh: ['d/zero', 'd'],
});
