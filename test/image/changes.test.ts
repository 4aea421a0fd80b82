// What an upper changes: every dialect of whiteouts and opaque marks, and uppers that kernel overlayfs made.

import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { type Change, changesOf } from '../../lib/image/changes.js';
import { syscalls } from '../../lib/sys/syscalls.js';
import { freshDirectory } from '../support/paths.js';
import { plant } from '../support/plant.js';
import {
  device,
  dir,
  file,
  hardlink,
  type OpaqueDialect,
  symlink,
  type TreeSpec,
  type WhiteoutDialect,
  whiteout,
} from '../support/tree.js';

interface Places {
  readonly base: string;
  readonly upper: string;
  readonly work: string;
  readonly lowers: string[];
}

const line = ({ kind, path, what, from }: Change): string =>
  [kind, path, ...what, ...(from === undefined ? [] : [`from ${from}`])].join(' ');

function planted(t: Test, upper: TreeSpec, lowers: readonly TreeSpec[]): Places {
  const base = freshDirectory('changes');
  t.teardown(() => rmSync(base, { recursive: true, force: true }));
  const make = (name: string, spec: TreeSpec): string => {
    const path = join(base, name);
    mkdirSync(path);
    plant(path, spec);
    return path;
  };
  return {
    base,
    upper: make('upper', upper),
    work: make('work', {}),
    lowers: lowers.map((spec, index) => make(`lower${index}`, spec)),
  };
}

async function linesOf({ upper, work, lowers }: Places): Promise<string[]> {
  const { changes, untold } = await changesOf(syscalls, { upper, lowers, workdir: work });
  t.same(untold, []);
  return changes.map(line);
}

/** Runs a shell script in a mount of kernel overlayfs, or of another kind, of the places. */
function inKernel({ base, upper, work, lowers }: Places, script: string, more = ''): void {
  const at = join(base, 'at');
  mkdirSync(at);
  const options = `lowerdir=${lowers.join(':')},upperdir=${upper},workdir=${work}${more}`;
  execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', options, at]);
  try {
    execFileSync('sh', ['-ec', script], { cwd: at });
  } finally {
    execFileSync('umount', [at]);
  }
}

const lower: TreeSpec = {
  a: file('a\n'),
  b: symlink('a'),
  d: dir({ x: file('x\n'), y: file('y\n'), deep: dir({ z: file('z\n') }) }),
  h1: file('links\n'),
  h2: hardlink('h1'),
  'a.b': file(''),
};

for (const dialect of ['char', 'wh', 'xattr-trusted', 'xattr-user'] satisfies WhiteoutDialect[]) {
  void t.test(`whiteouts, ${dialect}`, async (t) => {
    const places = planted(t, { a: whiteout(dialect), d: dir({ x: whiteout(dialect), none: whiteout(dialect) }) }, [
      lower,
    ]);
    t.same(await linesOf(places), ['D /a', 'C /d', 'D /d/x']);
  });
}

for (const opaque of ['trusted', 'user', 'fuseoverlayfs', 'wh'] satisfies OpaqueDialect[]) {
  void t.test(`an opaque directory, ${opaque}`, async (t) => {
    const places = planted(t, { d: dir({ y: file('y\n'), n: file('') }, { opaque }) }, [lower]);
    t.same(await linesOf(places), ['C /d', 'D /d/deep', 'A /d/n', 'D /d/x']);
  });
}

void t.test('what has changed', async (t) => {
  const upper: TreeSpec = {
    a: file('b\n', { mtime: 5n }),
    b: symlink('elsewhere'),
    d: dir({
      x: file('x\n', { mode: 0o600 }),
      y: file('y\n', { uid: 7, xattrs: { 'user.k': 'v', 'trusted.overlay.origin': 'private' } }),
      deep: file('a file now'),
    }),
    h1: file('links\n'),
    'a.b': device(1, 3),
  };
  t.same(await linesOf(planted(t, upper, [lower])), [
    'C /a content',
    'C /a.b type',
    'C /b content',
    'C /d',
    'C /d/deep type',
    'C /d/x mode',
    'C /d/y owner xattr',
  ]);
});

void t.test('without lowers everything is added', async (t) => {
  const places = planted(t, { new: file(''), gone: whiteout(), d: dir({ x: 'x' }, { opaque: 'trusted' }) }, []);
  t.same(await linesOf(places), ['A /d', 'A /d/x', 'D /gone', 'A /new']);
});

const options = ',redirect_dir=on,metacopy=on,index=on';

void t.test('an upper of kernel overlayfs', async (t) => {
  const places = planted(t, {}, [lower]);
  inKernel(places, 'mv d e; chmod 700 e/x; echo more >> a; rm b; chmod 600 a.b; mkdir new; mv e/y new/y', options);
  t.same(await linesOf(places), [
    'C /a content',
    'C /a.b mode',
    'D /b',
    'D /d',
    'A /e rename from d',
    'A /e/deep',
    'A /e/deep/z',
    'A /e/x',
    'A /new',
    'A /new/y',
  ]);
});

void t.test('a file copied up and left as it was has not changed', async (t) => {
  const places = planted(t, {}, [lower]);
  inKernel(places, 'chmod 600 a d/x; chmod 644 a d/x', options);
  t.same(await linesOf(places), []);
});

void t.test('a lower file changed through one of its names', async (t) => {
  const places = planted(t, {}, [{ ...lower, d: dir({ h3: hardlink('h1') }) }]);
  inKernel(places, 'echo more >> h1', options);
  t.same(await linesOf(places), ['C /d', 'C /d/h3 content', 'C /h1 content', 'C /h2 content']);
});

void t.test('a path that cannot be told spoils no other', async (t) => {
  const upper = { bad: dir({}, { xattrs: { 'trusted.overlay.redirect': 'a/b' } }), good: file('') };
  const places = planted(t, upper, [{ ...lower, bad: dir({}) }]);
  const { changes, untold } = await changesOf(syscalls, places);
  t.same(changes.map(line), ['A /good']);
  t.same(
    untold.map(({ path }) => path),
    ['/bad'],
  );
});
