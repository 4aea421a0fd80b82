// What a file is called by number: one st_ino for its life, unique, equal to d_ino, on one device;
// and hard links of a lower layer that stay one file.

import { execFileSync } from 'node:child_process';
import t from 'tap';
import { chosen, native, nativeCached } from '../../support/configs.js';
import { is, ok } from '../../support/expect.js';
import { O } from '../../support/linux.js';
import { type Mounted, onEach } from '../../support/mounts.js';
import { dir, hardlink, symlink, type TreeSpec, walkTree } from '../../support/tree.js';

const configs = chosen([native, nativeCached]);

const lowers: TreeSpec[] = [
  { a: 'a', top: dir({ x: 'x' }), merged: dir({ fromtop: '1' }), link: symlink('a') },
  { b: 'b', merged: dir({ frombottom: '2', deeper: dir({ z: 'z' }) }) },
];

async function numbers(m: Mounted, paths: readonly string[]): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const path of paths) found[path] = (await ok(m.client.lstat(path))).ino;
  return found;
}

const paths = [
  '.',
  'a',
  'b',
  'top',
  'top/x',
  'merged',
  'merged/fromtop',
  'merged/frombottom',
  'merged/deeper',
  'merged/deeper/z',
  'link',
];

for (const tmpfs of [[], [1]]) {
  const where = tmpfs.length ? 'layers on two filesystems' : 'layers on one filesystem';
  await t.test(`st_ino is stable across copy-up, forget and remount: ${where}`, (t) =>
    onEach(t, configs, { lowers, tmpfs }, async (m, t) => {
      const before = await numbers(m, paths);
      t.equal(new Set(Object.values(before)).size, paths.length, 'they are unique');
      for (const path of paths) await ok(m.client.chown(path, 7, 7));
      t.same(await numbers(m, paths), before, 'after copy-up');
      await m.forget();
      t.same(await numbers(m, paths), before, 'after a forget');
      await m.remount();
      t.same(await numbers(m, paths), before, 'after a remount');
      await ok(m.client.rename('b', 'merged/moved'));
      t.equal((await ok(m.client.stat('merged/moved'))).ino, before.b, 'after a rename');
    }),
  );

  await t.test(`all numbers are unique, equal to d_ino, on one device: ${where}`, (t) =>
    onEach(t, configs, { lowers, tmpfs }, async (m, t) => {
      await ok(m.client.put('merged/new', 'new'));
      await ok(m.client.chmod('b', 0o600));
      const entries = await walkTree(m.client);
      t.equal(new Set(entries.map((entry) => entry.ino)).size, entries.length, 'unique');
      t.equal(new Set(entries.map((entry) => entry.dev)).size, 1, 'one device');
      for (const path of ['.', 'merged', 'merged/deeper', 'top']) {
        const stream = await ok(m.client.opendir(path));
        for (const entry of await ok(m.client.readdir(stream))) {
          if (entry.name === '..') continue;
          const st = await ok(m.client.lstat(`${path}/${entry.name}`));
          t.equal(entry.ino, st.ino, `d_ino of ${path}/${entry.name}`);
        }
        await m.client.closedir(stream);
      }
    }),
  );
}

const linked: TreeSpec = { d: dir({ new: 'one\n', other: 'other' }), 'new.hard': hardlink('d/new') };

const writes: Record<string, (m: Mounted, path: string) => Promise<string>> = {
  overwrite: async (m, path) => {
    const fd = await ok(m.client.open(path, O.WRONLY));
    await is(m.client.write(fd, 'two'), 3);
    await ok(m.client.close(fd));
    return 'two\n';
  },
  append: async (m, path) => {
    await ok(m.client.put(path, 'more', O.WRONLY | O.APPEND));
    return 'one\nmore';
  },
  truncate: async (m, path) => {
    await ok(m.client.put(path, 'new', O.WRONLY | O.TRUNC));
    return 'new';
  },
};

for (const [how, write] of Object.entries(writes)) {
  for (const [through, other] of [
    ['d/new', 'new.hard'],
    ['new.hard', 'd/new'],
  ] as const) {
    await t.test(`hard links of a lower: ${how} through ${through}, ${other} shows it, after a remount too`, (t) =>
      onEach(t, configs, { lowers: [linked] }, async (m, t) => {
        await ok(m.client.list('d'));
        const before = await ok(m.client.stat(other));
        t.equal(before.nlink, 2, 'two names');
        const wanted = await write(m, through);
        const same = async (when: string): Promise<void> => {
          t.equal(await m.client.cat(other), wanted, `${other} ${when}`);
          t.equal(await m.client.cat(through), wanted, `${through} ${when}`);
          const [one, two] = [await ok(m.client.stat(through)), await ok(m.client.stat(other))];
          t.same([one.ino, two.ino], [before.ino, before.ino], `one number ${when}`);
          t.same([one.nlink, two.nlink], [2, 2], `two names ${when}`);
        };
        await same('now');
        await m.forget();
        await same('after a forget');
        await m.remount();
        await same('after a remount');
      }),
    );
  }
}

await t.test('one of two hard links of a lower is removed, the other stays and is written', (t) =>
  onEach(t, configs, { lowers: [linked] }, async (m, t) => {
    await ok(m.client.unlink('new.hard'));
    t.equal((await ok(m.client.stat('d/new'))).nlink, 1, 'one name left');
    await ok(m.client.put('d/new', 'changed', O.WRONLY | O.TRUNC));
    await m.remount();
    t.equal(await m.client.cat('d/new'), 'changed');
    t.equal(await m.client.stat('new.hard'), -2, 'the other stays away');
  }),
);

await t.test('a hard link of a lower is renamed after its other name was replaced and all was forgotten', (t) =>
  onEach(t, configs, { lowers: [linked] }, async (m, t) => {
    await ok(m.client.rename('d/other', 'new.hard'));
    await m.forget();
    await ok(m.client.put('d/new', 'changed', O.WRONLY | O.TRUNC));
    await ok(m.client.rename('d/new', 'moved'));
    t.equal(await m.client.cat('moved'), 'changed');
    await m.remount();
    t.equal(await m.client.cat('moved'), 'changed');
    t.equal((await ok(m.client.stat('moved'))).nlink, 1);
    t.equal(await m.client.stat('d/new'), -2, 'the old name stays away');
  }),
);

await t.test('a directory is no longer marked impure once a listing has found it empty', (t) =>
  onEach(t, configs, { lowers: [{ moved: 'moved', made: dir({ sub: dir({}) }) }] }, async (m, t) => {
    const marks = (): string[] =>
      execFileSync('getfattr', ['-m', 'impure', 'made/new'], { cwd: m.upper }).toString().split('\n');
    await ok(m.client.mkdir('made/new'));
    await ok(m.client.rename('moved', 'made/new/moved'));
    t.match(marks(), ['# file: made/new', 'trusted.overlay.impure']);
    await ok(m.client.unlink('made/new/moved'));
    const before = await ok(m.client.lstat('made/new'));
    await is(m.client.list('made/new'), []);
    t.same(marks(), ['']);
    t.equal((await ok(m.client.lstat('made/new'))).ctime, before.ctime, 'which is no change that users see');
    await ok(m.client.put('a', 'a'));
    await ok(m.client.rename('made/sub', 'made/new/sub'));
    t.match(marks(), ['# file: made/new', 'trusted.overlay.impure'], 'and is again when it holds such a name');
  }),
);
