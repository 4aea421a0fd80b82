// Whiteouts and opaque marks: every dialect is read, in a lower layer and in the upper; only kernel
// overlayfs's own is written.

import t from 'tap';
import { hostAgent } from '../../support/agent.js';
import { chosen, fileWhiteouts, native, nativeCached } from '../../support/configs.js';
import { fails, is, ok } from '../../support/expect.js';
import { S } from '../../support/linux.js';
import { onEach } from '../../support/mounts.js';
import {
  dir,
  type OpaqueDialect,
  type TreeSpec,
  type WhiteoutDialect,
  walkTree,
  whiteout,
} from '../../support/tree.js';

const configs = chosen([native, nativeCached]);
const readers = chosen([native, nativeCached, fileWhiteouts]);
const whiteouts: readonly WhiteoutDialect[] = ['char', 'wh', 'xattr-trusted', 'xattr-user'];
const opaques: readonly OpaqueDialect[] = ['trusted', 'user', 'fuseoverlayfs', 'wh'];

const hidden: TreeSpec = Object.fromEntries([
  ...whiteouts.map((d) => [`w-${d}`, dir({ gone: 'old', gonedir: dir({ deep: 'old' }), stays: 'stays' })]),
  ...opaques.map((d) => [`o-${d}`, dir({ old: 'old', both: 'old', sub: dir({ deep: 'old' }) })]),
]);

const hiding: TreeSpec = Object.fromEntries([
  ...whiteouts.map((d) => [`w-${d}`, dir({ gone: whiteout(d), gonedir: whiteout(d), extra: 'extra' })]),
  ...opaques.map((d) => [`o-${d}`, dir({ both: 'new', only: 'new' }, { opaque: d })]),
]);

const wanted: Record<string, string[]> = Object.fromEntries([
  ...whiteouts.map((d) => [`w-${d}`, ['extra', 'stays']]),
  ...opaques.map((d) => [`o-${d}`, ['both', 'only']]),
]);

const places = {
  'a lower layer': { lowers: [hiding, hidden] },
  'a layer in the middle': { lowers: [{ above: 'x' }, hiding, hidden] },
  'the upper': { lowers: [hidden], upper: hiding },
};

for (const [place, setup] of Object.entries(places)) {
  await t.test(`every dialect is read in ${place}`, (t) =>
    onEach(t, readers, setup, async (m, t) => {
      for (const [name, names] of Object.entries(wanted)) {
        t.same(await m.client.list(name), names, `${name} lists`);
        const missing = name.startsWith('w-') ? ['gone', 'gonedir', 'gonedir/deep'] : ['old', 'sub', 'sub/deep'];
        for (const path of missing) t.equal(await m.client.lstat(`${name}/${path}`), -2, `${name}/${path} by name`);
      }
    }),
  );

  await t.test(`what ${place} hides can be made again`, (t) =>
    onEach(t, readers, setup, async (m, t) => {
      const a = m.client;
      for (const d of whiteouts) {
        t.equal(await a.put(`w-${d}/gone`, 'new'), 0, `${d}: create`);
        t.equal(await a.mkdir(`w-${d}/gonedir`), 0, `${d}: mkdir`);
        t.same(await a.list(`w-${d}/gonedir`), [], `${d}: the new directory is empty`);
        t.equal(await a.unlink(`w-${d}/stays`), 0, `${d}: unlink`);
      }
      for (const d of opaques) t.equal(await a.put(`o-${d}/old`, 'new'), 0, `opaque by ${d}: create`);
      await m.remount();
      for (const d of whiteouts) {
        t.equal(await m.client.cat(`w-${d}/gone`), 'new', `${d}: the file after a remount`);
        t.same(await m.client.list(`w-${d}`), ['extra', 'gone', 'gonedir'], `${d}: the names after a remount`);
        t.same(await m.client.list(`w-${d}/gonedir`), [], `${d}: empty after a remount`);
      }
      for (const d of opaques) t.equal(await m.client.cat(`o-${d}/old`), 'new', `opaque by ${d}: after a remount`);
    }),
  );
}

await t.test('a directory above an opaque one still merges with it', (t) =>
  onEach(
    t,
    configs,
    { lowers: [{ d: dir({ top: 't' }) }, { d: dir({ mid: 'm' }, { opaque: 'trusted' }) }, { d: dir({ low: 'l' }) }] },
    async (m) => {
      await is(m.client.list('d'), ['mid', 'top']);
      await fails(m.client.stat('d/low'), 'ENOENT');
    },
  ),
);

await t.test('a file hides the directories below it, and below that nothing comes back', (t) =>
  onEach(
    t,
    configs,
    { lowers: [{ x: dir({ a: 'top' }) }, { x: 'a file' }, { x: dir({ b: 'bottom' }) }] },
    async (m) => {
      await is(m.client.list('x'), ['a']);
      await fails(m.client.stat('x/b'), 'ENOENT');
    },
  ),
);

const written = {
  lowers: [{ file: 'x', dir: dir({ a: 'a', b: 'b', sub: dir({ deep: 'deep' }) }), keep: dir({ one: '1', two: '2' }) }],
};

await t.test('what is written is char 0:0 and trusted.overlay.opaque', (t) =>
  onEach(t, configs, written, async (m, t) => {
    const a = m.client;
    await ok(a.unlink('file'));
    await ok(a.unlink('keep/one'));
    await is(a.rmtree('dir'), 0);
    await ok(a.mkdir('dir'));
    await ok(a.put('dir/new', 'new'));
    const host = await hostAgent();
    for (const name of ['file', 'keep/one']) {
      const st = await ok(host.lstat(`${m.upper}/${name}`));
      t.same([st.mode & S.IFMT, st.rdev], [S.IFCHR, '0'], `${name} is a whiteout`);
    }
    t.equal(await host.getxattr(`${m.upper}/dir`, 'trusted.overlay.opaque'), 'y', 'the directory is opaque');
    t.equal(await host.getxattr(`${m.upper}/keep`, 'trusted.overlay.opaque'), -61, 'a merged one is not');
    const names = (await walkTree(host, m.upper)).map((entry) => entry.path);
    t.same(
      names.filter((name) => name.includes('.wh.')),
      [],
      'no .wh. name is written',
    );
  }),
);

await t.test('a pure upper file leaves no whiteout', (t) =>
  onEach(t, configs, { lowers: [{ dir: dir({ a: 'a' }) }] }, async (m, t) => {
    await ok(m.client.put('dir/new', 'x'));
    await ok(m.client.unlink('dir/new'));
    await ok(m.client.mkdir('newdir'));
    await ok(m.client.rmdir('newdir'));
    const host = await hostAgent();
    t.same(await host.list(`${m.upper}/dir`), []);
    t.same(await host.list(m.upper), ['dir']);
  }),
);

await t.test('rm -rf and mkdir: old files are gone by name, now and after a remount', (t) =>
  onEach(t, configs, written, async (m) => {
    const gone = async (): Promise<void> => {
      for (const name of ['dir/a', 'dir/b', 'dir/sub', 'dir/sub/deep']) await fails(m.client.stat(name), 'ENOENT');
      await is(m.client.list('dir'), []);
    };
    await ok(m.client.stat('dir/sub/deep'));
    await is(m.client.rmtree('dir'), 0);
    await ok(m.client.mkdir('dir'));
    await gone();
    await m.forget();
    await gone();
    await m.remount();
    await gone();
  }),
);

await t.test('names of the .wh. dialect are no names of the union', (t) =>
  onEach(t, configs, { lowers: [{ file: 'x' }, { d: dir({}) }] }, async (m) => {
    await fails(m.client.put('.wh.file', ''), 'EINVAL', 'EPERM');
    await fails(m.client.mkdir('d/.wh..wh..opq'), 'EINVAL', 'EPERM');
    await fails(m.client.rename('file', '.wh.other'), 'EINVAL', 'EPERM');
    await fails(m.client.stat('.wh.file'), 'ENOENT');
    await is(m.client.cat('file'), 'x');
  }),
);
