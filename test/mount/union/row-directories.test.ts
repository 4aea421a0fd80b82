// Directories of lowers that the server enters without JavaScript: what they show is what kernel overlayfs shows, whatever is
// done in them or with them first, and what the kernel forgets is forgotten.

import t from 'tap';
import type { Agent } from '../../support/agent.js';
import { chosen, kernel, native, nativeCached } from '../../support/configs.js';
import { eventually, fails, ok } from '../../support/expect.js';
import { O, S } from '../../support/linux.js';
import { type Mounted, onEach } from '../../support/mounts.js';
import { dir, file, hardlink, sparse, symlink, type TreeSpec, whiteout } from '../../support/tree.js';

const ours = chosen([native, nativeCached]);
const configs = chosen([kernel, native, nativeCached]);

/** Of a layer: files of its own, and some that others have, too. */
const leaves = (layer: number): TreeSpec => ({
  [`own${layer}`]: file(`own ${layer}`, { mode: 0o640, uid: 7 }),
  shared: file(`shared ${layer}`),
  link: symlink(`own${layer}`),
});
const merged = (layer: number): TreeSpec => ({
  ...leaves(layer),
  sub: dir({ ...leaves(layer), deep: dir(leaves(layer)) }, { mode: 0o750 }),
  [`only${layer}`]: dir(leaves(layer)),
});
/** A table wants some names: these are in the root. */
const root = (layer: number): TreeSpec => ({
  ...Object.fromEntries(Array.from({ length: 12 }, (_, at) => [`d${at}`, dir(merged(layer))])),
  [`file${layer}`]: file(''),
});

const layers = {
  lowers: [
    {
      ...root(0),
      opaque: dir(merged(0), { opaque: 'trusted' }),
      hides: dir({ ...leaves(0), shared: whiteout(), sub: whiteout() }),
      above: dir({ x: file('') }),
      below: file(''),
      gone: whiteout(),
      several: dir({ a: file('several'), b: hardlink('several/a'), c: file('one') }),
    },
    {
      ...root(1),
      opaque: dir(merged(1)),
      hides: dir(merged(1)),
      above: file('a file'),
      below: dir(merged(1)),
      gone: dir(merged(1)),
      holes: dir({ a: sparse(1 << 20, { 4096: 'x' }), b: file('b') }),
    },
    { ...root(2), opaque: dir(merged(2)), hides: dir(merged(2)), above: dir(merged(2)) },
  ],
} as const;

/** Looks into `path` and everything below it as find does, so that the kernel knows it all: what was seen, modes in octal. */
async function walk(a: Agent, path: string, seen: Record<string, string> = {}): Promise<Record<string, string>> {
  const stream = await ok(a.opendir(path));
  for (const { name, ino } of await ok(a.readdir(stream))) {
    if (name === '.' || name === '..') continue;
    const below = `${path}/${name}`;
    const stat = await ok(a.lstat(below));
    if (stat.ino !== ino) throw new Error(`${below}: d_ino ${ino}, st_ino ${stat.ino}`);
    seen[below] = `${stat.mode.toString(8)} ${stat.uid}:${stat.gid}`;
    if ((stat.mode & S.IFMT) === S.IFDIR) await walk(a, below, seen);
  }
  await ok(a.closedir(stream));
  return seen;
}

/** The same of a tree. */
function shortened(tree: Record<string, string>): Record<string, string> {
  const lines = Object.entries(tree).filter(([path]) => path !== '.');
  return Object.fromEntries(lines.map(([path, line]) => [path, line.split(' ', 2).join(' ')]));
}

await t.test('they show what kernel overlayfs shows', (t) =>
  onEach(t, ours, layers, async (m, t) => {
    const expected = await m.kernelTree();
    t.ok(Object.keys(expected).length > 300);
    for (const when of ['at first', 'after the kernel forgot them']) {
      t.same(await walk(m.client, '.'), shortened(expected), when);
      const { entered = 0 } = await m.stats();
      t.ok(entered >= 50, `${entered} were entered without JavaScript`);
      t.equal(await ok(m.client.cat('d1/sub/own1')), 'own 1');
      t.equal(await ok(m.client.cat('d2/sub/deep/shared')), 'shared 0');
      t.same(await m.tree(), expected, 'and as objects');
      t.same(await walk(m.client, '.'), shortened(expected), 'again');
      await m.forget();
    }
  }),
);

const byName = {
  lowers: [
    {
      ...root(0),
      hides: dir({ ...leaves(0), own1: whiteout('wh'), sub: whiteout('wh') }),
      opaque: dir(leaves(0), { opaque: 'wh' }),
    },
    { ...root(1), hides: dir(merged(1)), opaque: dir(merged(1)) },
    { ...root(2), hides: dir(merged(2)), opaque: dir(merged(2)) },
  ],
} as const;

await t.test('nor do they show what names of AUFS hide', (t) =>
  onEach(t, ours, byName, async (m, t) => {
    const below = async (path: string): Promise<string[]> =>
      Object.keys(await walk(m.client, path)).map((name) => name.slice(path.length + 1));
    const beside = [1, 2].flatMap((layer) => Object.keys(leaves(layer)).map((name) => `only${layer}/${name}`));
    const shown = ['link', 'only1', 'only2', 'own0', 'own2', 'shared', ...beside];
    t.same((await below('hides')).sort(), shown.sort());
    t.same((await below('opaque')).sort(), Object.keys(leaves(0)).sort());
  }),
);

/** Each in a directory of its own, as the first thing that JavaScript hears of it. */
const deeds: readonly ((a: Agent, d: string) => Promise<void>)[] = [
  async (a, d) => void (await ok(a.put(`${d}/sub/deep/new`, 'new'))),
  async (a, d) => void (await ok(a.unlink(`${d}/sub/deep/shared`))),
  async (a, d) => void (await ok(a.rename(`${d}/sub/own1`, `${d}/only2/moved`))),
  async (a, d) => void (await ok(a.chmod(`${d}/sub/deep`, 0o700))),
  async (a, d) => void (await ok(a.mkdir(`${d}/sub/deep/made`))),
  async (a, d) => {
    await fails(a.rmdir(`${d}/sub`), 'ENOTEMPTY');
    for (const name of ['own0', 'own1', 'own2', 'shared', 'link']) await ok(a.unlink(`${d}/sub/deep/${name}`));
    await ok(a.rmdir(`${d}/sub/deep`));
    await fails(a.stat(`${d}/sub/deep/own0`), 'ENOENT');
  },
  async (a, d) => void (await ok(a.rename(`${d}/sub`, `${d}/only1/renamed`))),
  async (a, d) => void (await ok(a.link(`${d}/sub/deep/own2`, `${d}/linked`))),
  async (a, d) => void (await ok(a.setxattr(`${d}/sub/deep`, 'user.x', 'y'))),
  async (a, d) => void (await ok(a.put(`${d}/sub/shared`, 'written'))),
  async (a, d) => void (await ok(a.rename(`${d}/only0`, `${d}/sub/deep/only0`))),
];

/** Those that leave the directory where it was. */
const stays = (at: number): boolean => at !== 5 && at !== 6;

for (const known of [true, false]) {
  await t.test(`whatever is done in them or with them, ${known ? 'known' : 'not known'} before`, (t) =>
    onEach(t, configs, layers, async (m, t) => {
      const a = m.client;
      for (const [at, deed] of deeds.entries()) {
        const d = `d${at}`;
        if (known) await walk(a, d);
        const { ino } = await ok(a.stat(`${d}/sub/deep`));
        await deed(a, d);
        if (stays(at)) t.equal((await ok(a.stat(`${d}/sub/deep`))).ino, ino, `${d} keeps its number`);
      }
      if (m.config === kernel) return;
      t.same(await m.tree(), await m.kernelTree());
      await m.forget();
      t.same(await m.tree(), await m.kernelTree(), 'after the kernel forgot them');
      await m.remount();
      t.same(await m.tree(), await m.kernelTree(), 'after a remount');
    }),
  );
}

await t.test('all but the first names that are removed there go without JavaScript', (t) =>
  onEach(t, ours, layers, async (m, t) => {
    const a = m.client;
    await walk(a, 'd1');
    const names = ['own0', 'own1', 'own2', 'shared'].map((name) => `d1/sub/deep/${name}`);
    for (const name of names) await ok(a.unlink(name));
    const { removed = 0 } = await m.stats();
    t.equal(removed, names.length - 1);
    for (const name of names) await fails(a.lstat(name), 'ENOENT');
    t.same(await m.tree(), await m.kernelTree());
  }),
);

/** The server ends with as few nodes as it began with. */
const forgotten = async (m: Mounted): Promise<boolean> => {
  await m.forget();
  return eventually(async () => (await m.stats()).nodes <= 2);
};

await t.test('what is held in them stays what it is', (t) =>
  onEach(t, configs, layers, async (m, t) => {
    const a = m.client;
    const paths = ['d1/sub/deep/own1', 'd2/sub/deep/shared', 'd3/sub/own0', 'd4/sub/deep', 'several/b'];
    const held = await Promise.all(paths.map((path) => ok(a.open(path, O.PATH))));
    const opened = await ok(a.open('d5/sub/deep/own2', O.RDONLY));
    const numbers = await Promise.all(held.map(async (fd) => (await ok(a.fstat(fd))).ino));
    for (let round = 0; round < 2; round += 1) {
      await m.forget();
      for (const [at, path] of paths.entries()) t.equal((await ok(a.lstat(path))).ino, numbers[at], path);
    }
    t.equal(await ok(a.pread(opened, 9, 0)), 'own 2');
    for (const fd of [...held, opened]) await ok(a.close(fd));
    if (m.config !== kernel) t.ok(await forgotten(m), 'and goes');
  }),
);

await t.test('what the kernel forgets', (t) =>
  onEach(t, ours, layers, async (m, t) => {
    for (let round = 0; round < 3; round += 1) {
      await walk(m.client, '.');
      const { nodes } = await m.stats();
      t.ok(nodes > 300, `${nodes} nodes`);
      t.ok(await forgotten(m), 'is forgotten');
    }
    t.equal(await ok(m.client.cat('d1/sub/deep/shared')), 'shared 0');
  }),
);
