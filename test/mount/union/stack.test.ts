// Stacks of other shapes: read-only ones, deep ones, one layer only.

import t from 'tap';
import { chosen, fuseNative, native, nativeCached } from '../../support/configs.js';
import { fails, is, ok } from '../../support/expect.js';
import { O } from '../../support/linux.js';
import { onEach } from '../../support/mounts.js';
import { dir, type TreeSpec, whiteout } from '../../support/tree.js';

const configs = chosen([native, nativeCached, fuseNative]);

await t.test('no upper: every change is EROFS, every read works', (t) =>
  onEach(t, configs, { lowers: [{ f: 'top', d: dir({ x: 'x' }) }, { g: 'bottom' }], upper: null }, async (m, t) => {
    const a = m.client;
    t.same(await a.list('.'), ['d', 'f', 'g']);
    await is(a.cat('f'), 'top');
    await fails(a.put('new', 'x'), 'EROFS');
    await fails(a.open('f', O.RDWR), 'EROFS');
    await fails(a.mkdir('newdir'), 'EROFS');
    await fails(a.unlink('f'), 'EROFS');
    await fails(a.rmdir('d'), 'EROFS');
    await fails(a.rename('f', 'h'), 'EROFS');
    await fails(a.link('f', 'h'), 'EROFS');
    await fails(a.symlink('f', 'h'), 'EROFS');
    await fails(a.chmod('f', 0o600), 'EROFS');
    await fails(a.chown('f', 1, 1), 'EROFS');
    await fails(a.utimens('f', 1n, 1n), 'EROFS');
    await fails(a.truncate('f', 0), 'EROFS');
    await fails(a.setxattr('f', 'user.x', 'x'), 'EROFS');
    await fails(a.access('f', 2), 'EROFS');
    t.same(await m.tree({ xattrs: 'none' }), await m.kernelTree({ xattrs: 'none' }), 'kernel overlayfs shows the same');
  }),
);

await t.test('one lower layer without an upper', (t) =>
  onEach(t, configs, { lowers: [{ f: 'only', d: dir({ x: 'x' }) }], upper: null }, async (m, t) => {
    const how = { mtime: m.config.channel !== 'fuse-native' };
    t.same(await m.tree(how), await m.kernelTree(how));
    await fails(m.client.put('f', 'x'), 'EROFS');
  }),
);

/** Thirty layers: each adds a file, changes one, hides one that a layer below made. */
const thirty: TreeSpec[] = Array.from({ length: 30 }, (_v, index) => {
  const level = 29 - index;
  const layer: Record<string, TreeSpec[string]> = {
    common: `common ${level}`,
    [`only-${level}`]: `${level}`,
    d: dir({ [`in-${level}`]: `${level}`, common: `d ${level}` }),
  };
  if (level % 3 === 2) layer[`only-${level - 1}`] = whiteout();
  return layer;
});

await t.test('thirty layers', (t) =>
  onEach(t, configs, { lowers: thirty }, async (m, t) => {
    const a = m.client;
    t.equal(await a.cat('common'), 'common 29');
    t.equal(await a.cat('d/common'), 'd 29');
    t.equal(((await a.list('d')) as string[]).length, 31);
    for (let level = 0; level < 30; level++) {
      const hidden = level % 3 === 1 && level < 29;
      t.equal(await a.cat(`only-${level}`), hidden ? -2 : `${level}`, `only-${level}`);
    }
    await ok(a.put('d/in-0', 'changed'));
    await ok(a.unlink('common'));
    await fails(a.stat('common'), 'ENOENT');
    t.same(await m.tree(), await m.kernelTree(), 'kernel overlayfs shows the same');
    await m.remount();
    t.equal(await m.client.cat('d/in-0'), 'changed');
    await fails(m.client.stat('common'), 'ENOENT');
  }),
);
