// Files of lowers that the kernel knows though the server has no object of them: every way to use one shows the same file,
// and those that the kernel forgets are forgotten.

import t from 'tap';
import type { Agent } from '../../support/agent.js';
import { chosen, kernel, native, nativeCached } from '../../support/configs.js';
import { eventually, fails, ok } from '../../support/expect.js';
import { O } from '../../support/linux.js';
import { onEach } from '../../support/mounts.js';
import { dir, file, hardlink, sparse, symlink, type TreeSpec } from '../../support/tree.js';

const configs = chosen([kernel, native, nativeCached]);
const COUNT = 60;
const many = (from: number, to: number): TreeSpec =>
  Object.fromEntries(
    Array.from({ length: to - from }, (_, at) => [
      `f${from + at}`,
      file(`content ${from + at}`, { mode: 0o640, uid: 7 }),
    ]),
  );
const layers = {
  lowers: [
    { d: dir({ ...many(0, 30), link: symlink('f0'), several: file('several'), other: hardlink('d/several') }) },
    { d: dir({ ...many(20, COUNT), holes: sparse(1 << 20, { 4096: 'x' }) }), '.keep': file('') },
  ],
};

/** Looks at every file, so that the kernel knows it. */
async function seen(a: Agent): Promise<Map<string, string>> {
  const numbers = new Map<string, string>();
  const stream = await ok(a.opendir('d'));
  for (const { name, ino } of await ok(a.readdir(stream))) {
    if (name.startsWith('.')) continue;
    const stat = await ok(a.lstat(`d/${name}`));
    if (stat.ino !== ino) throw new Error(`${name}: d_ino ${ino}, st_ino ${stat.ino}`);
    numbers.set(name, stat.ino);
  }
  await ok(a.closedir(stream));
  return numbers;
}

await t.test('whatever is done with them', (t) =>
  onEach(t, configs, layers, async (m, t) => {
    const a = m.client;
    const before = await seen(a);
    t.equal(before.size, COUNT + 4);
    t.match(await ok(a.stat('d/f25')), { mode: 0o100640, uid: 7, nlink: 1, size: 10 });
    if (m.config !== kernel) {
      const { found } = await m.stats();
      t.ok(found !== undefined && found >= COUNT - 10, `${found} were found without JavaScript`);
    }
    t.equal(await ok(a.cat('d/f1')), 'content 1');
    t.equal(await ok(a.readlink('d/link')), 'f0');
    t.equal(await ok(a.cat('d/link')), 'content 0');
    await ok(a.chmod('d/f2', 0o600));
    await ok(a.put('d/f3', 'written'));
    await ok(a.unlink('d/f4'));
    await ok(a.rename('d/f5', 'd/renamed'));
    await ok(a.rename('d/f6', 'd/f7'));
    await ok(a.link('d/f8', 'd/linked'));
    await ok(a.setxattr('d/f9', 'user.x', 'y'));
    await ok(a.truncate('d/f40', 3));
    await ok(a.mkdir('e'));
    await ok(a.rename('d/f41', 'e/f41'));
    const check = async () => {
      t.match(await ok(a.stat('d/f2')), { mode: 0o100600, size: 9 });
      t.equal(await ok(a.cat('d/f2')), 'content 2');
      t.equal(await ok(a.cat('d/f3')), 'written');
      await fails(a.stat('d/f4'), 'ENOENT');
      t.equal(await ok(a.cat('d/renamed')), 'content 5');
      t.equal(await ok(a.cat('d/f7')), 'content 6');
      await fails(a.stat('d/f6'), 'ENOENT');
      t.match(await ok(a.stat('d/f8')), { nlink: 2 });
      t.equal(await ok(a.cat('d/linked')), 'content 8');
      t.equal(await ok(a.getxattr('d/f9', 'user.x')), 'y');
      t.equal(await ok(a.cat('d/f40')), 'con');
      t.equal(await ok(a.cat('e/f41')), 'content 41');
      for (const name of ['f1', 'f2', 'f3', 'f8', 'f9', 'f10', 'f40', 'link']) {
        t.equal((await ok(a.lstat(`d/${name}`))).ino, before.get(name), `${name} keeps its number`);
      }
      t.equal((await ok(a.stat('d/several'))).ino, (await ok(a.stat('d/other'))).ino);
      t.match(await ok(a.stat('d/holes')), { size: 1 << 20 });
    };
    await check();
    await m.forget();
    await check();
  }),
);

await t.test('files that are held while their names go', (t) =>
  onEach(t, configs, layers, async (m, t) => {
    const a = m.client;
    await seen(a);
    const held = await Promise.all(['f10', 'f11', 'f12', 'f45'].map((name) => ok(a.open(`d/${name}`, O.PATH))));
    const [removed, replaced, stays, moved] = held as [number, number, number, number];
    await ok(a.unlink('d/f10'));
    await ok(a.rename('d/f13', 'd/f11'));
    await ok(a.rename('d/f45', 'd/elsewhere'));
    await m.forget();
    // Kernel overlayfs has copied nothing up, and shows the links of the lowers.
    const gone = m.config === kernel ? { size: 10 } : { nlink: 0, size: 10 };
    t.match(await ok(a.fstat(removed)), gone);
    t.match(await ok(a.fstat(replaced)), gone);
    t.match(await ok(a.fstat(stays)), { nlink: 1, size: 10 });
    t.equal((await ok(a.fstat(moved))).ino, (await ok(a.stat('d/elsewhere'))).ino);
    for (const fd of held) await ok(a.close(fd));
  }),
);

await t.test('what the kernel forgets', (t) =>
  onEach(t, chosen([native, nativeCached]), layers, async (m, t) => {
    const a = m.client;
    for (let round = 0; round < 3; round += 1) {
      await seen(a);
      const { nodes } = await m.stats();
      t.ok(nodes >= COUNT, `${nodes} nodes`);
      await m.forget();
      t.ok(await eventually(async () => (await m.stats()).nodes <= 2), 'is forgotten');
    }
    await ok(a.cat('d/f1'));
  }),
);
