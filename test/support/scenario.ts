// One fixed sequence of changes that leaves every kind of trace in an upper, and the layers it runs
// on. For tests that hand an upper from one implementation to another.

import type { Agent } from './agent.js';
import { room } from './configs.js';
import { is, ok } from './expect.js';
import { O, S } from './linux.js';
import { dir, file, hardlink, symlink, type TreeSpec, whiteout } from './tree.js';

/** Two layers with whiteouts and opaque directories in kernel overlayfs's dialect. */
export const scenarioLowers: readonly TreeSpec[] = [
  {
    a: 'a from the top\n',
    hidden: whiteout(),
    fresh: dir({ new: 'new\n' }, { opaque: room === undefined ? 'trusted' : 'user' }),
    merged: dir({ one: '1\n', gone: whiteout(), sub: dir({ x: 'x\n' }) }),
    link: symlink('a'),
    twin: file('two names\n', { mode: 0o640, uid: 3, gid: 4 }),
    'twin.hard': hardlink('twin'),
  },
  {
    a: 'a from below\n',
    b: file('b from below\n', { mode: 0o755, xattrs: { 'user.tag': 'below' } }),
    hidden: 'hidden\n',
    fresh: dir({ old: 'old\n' }),
    merged: dir({ gone: 'gone\n', two: '2\n', sub: dir({ y: 'y\n' }) }),
    tree: dir({ p: dir({ q: dir({ r: 'deep\n' }) }), empty: dir({}), f: 'f\n' }),
    moving: dir({ inside: 'inside\n', deeper: dir({ leaf: 'leaf\n' }) }),
  },
];

/** Runs the sequence in the root of a mount. */
export async function runScenario(a: Agent, options: { dirRenames: boolean }): Promise<void> {
  await ok(a.put('a', 'appended\n', O.WRONLY | O.APPEND));
  await ok(a.chmod('b', 0o600));
  await ok(a.setxattr('b', 'user.more', 'more'));
  await ok(a.unlink('merged/one'));
  await ok(a.put('merged/gone', 'back again\n'));
  await ok(a.rename('merged/two', 'tree/two'));
  await is(a.rmtree('tree/p'), 0);
  await ok(a.mkdir('tree/p'));
  await ok(a.put('tree/p/other', 'other\n'));
  await ok(a.rmdir('tree/empty'));
  await ok(a.put('tree/empty', 'a file now\n'));
  await ok(a.mkdir('made', 0o2755));
  await ok(a.mkdir('made/by'));
  await ok(a.symlink('../a', 'made/by/link'));
  if (room === undefined) await ok(a.mknod('made/dev', S.IFCHR | 0o600, 1, 3));
  await ok(a.mknod('made/pipe', S.IFIFO | 0o600));
  await ok(a.link('b', 'made/b.hard'));
  await ok(a.rename('link', 'made/link'));
  await ok(a.unlink('fresh/new'));
  await ok(a.rename('made/by', 'made/for'));
  await ok(a.utimens('made', 1_000_000_000_000_000_001n, 1_000_000_000_000_000_002n));
  if (!options.dirRenames) return;
  await ok(a.rename('moving', 'moved'));
  await ok(a.rename('moved/deeper', 'merged/deeper'));
  await ok(a.mkdir('moving'));
  await ok(a.put('moving/new', 'not the old one\n'));
  await ok(a.put('merged/deeper/leaf', 'changed leaf\n'));
}
