// A server that has no descriptor left answers EMFILE, keeps what is open, and is whole again once
// some are closed. And layers that vanish or change beneath a mount: no crash, no hang.

import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { command } from '../../support/command.js';
import { chosen, native, nativeCached } from '../../support/configs.js';
import { eventually, fails, is, ok } from '../../support/expect.js';
import { O, shownResult } from '../../support/linux.js';
import { type Mounted, onEach } from '../../support/mounts.js';
import { freshDirectory, mainScript } from '../../support/paths.js';
import { dir, type TreeSpec } from '../../support/tree.js';

const configs = chosen([native, nativeCached]).filter((config) => config.kind === 'stratafs');
const LIMIT = 200;
const numbered = (count: number, make: (at: number) => TreeSpec[string]): TreeSpec =>
  Object.fromEntries(Array.from({ length: count }, (_v, at) => [`n${at}`, make(at)]));

/** Opens until there is no descriptor left, not even the one that reading takes; the open ones. */
async function openAll(m: Mounted): Promise<number[]> {
  const open: number[] = [];
  let copies = true;
  for (let at = 0; ; at += 1) {
    const fd = await m.client.open(`files/n${at}`, copies && at % 2 === 1 ? O.RDWR : O.RDONLY);
    if (fd >= 0) open.push(fd);
    else if (shownResult(fd) !== 'EMFILE') throw new Error(`the answer is ${shownResult(fd)}`);
    else if (copies) copies = false;
    else return open;
  }
}

async function closeAll(m: Mounted, open: readonly number[]): Promise<void> {
  for (const fd of open) await m.client.close(fd);
}

const place = freshDirectory('exhaustion');
t.teardown(() => rmSync(place, { recursive: true }));
/** Starts the server with few descriptors: how many it may have decides how many directories it keeps open. */
const limited = join(place, 'limited.mjs');
writeFileSync(
  limited,
  `import { spawnSync } from 'node:child_process';
   spawnSync('prlimit', ['--nofile=${LIMIT}:${LIMIT}', '--pid', String(process.pid)]);
   await import(${JSON.stringify(mainScript)});`,
);

await t.test('no descriptor is left', (t) =>
  onEach(
    t,
    configs.map((config) => ({ ...config, program: limited })),
    { lowers: [{ files: dir(numbered(300, (at) => `${at}`)), dirs: dir(numbered(150, () => dir({ f: 'f' }))) }] },
    async (m, t) => {
      const open = await openAll(m);
      t.ok(open.length > 50, `${open.length} files were open`);
      await is(m.client.pread(open[0] as number, 3, 0), '0');
      await is(m.client.pread(open[1] as number, 3, 0), '1');
      await ok(m.client.stat('files/n250'));
      await fails(m.client.chmod('files/n251', 0o600), 'EMFILE');
      await fails(m.client.put('files/new', ''), 'EMFILE');
      await fails(m.client.stat('files/new'), 'ENOENT');
      await closeAll(m, open);
      t.ok(await eventually(async () => (await m.client.put('files/new', 'x')) === 0), 'as soon as some are closed');
      await ok(m.client.chmod('files/n251', 0o600));
      for (let at = 0; at < 150; at += 1) await is(m.client.cat(`dirs/n${at}/f`), 'f');
      // The kernel tells the server of a close some time after it.
      const many = async (): Promise<boolean> => {
        const again = await openAll(m);
        await closeAll(m, again);
        return again.length > 20;
      };
      t.ok(await eventually(many), 'directories do not take them all');
    },
  ),
);

await t.test('a lower that is unmounted beneath stays; one whose files vanish answers errors', (t) =>
  onEach(t, configs, { lowers: [{}, {}], tmpfs: [0], changesLowers: true }, async (m) => {
    const [first, second] = m.layers.lowers as [string, string];
    await m.unmount();
    writeFileSync(join(first, 'kept'), 'kept');
    for (const name of ['gone', 'changed']) writeFileSync(join(second, name), name);
    mkdirSync(join(second, 'd'));
    writeFileSync(join(second, 'd', 'in'), 'in');
    await m.mount();
    await is(m.client.list('.'), ['changed', 'd', 'gone', 'kept']);
    await command(['umount', '-l', first]);
    await is(m.client.cat('kept'), 'kept');
    rmSync(join(second, 'gone'));
    renameSync(join(second, 'd'), join(second, 'e'));
    writeFileSync(join(second, 'changed'), 'longer than before');
    writeFileSync(join(second, 'd'), 'a file now');
    await fails(m.client.cat('gone'), 'ENOENT');
    await fails(m.client.chmod('gone', 0o600), 'ENOENT');
    await ok(m.client.unlink('gone'));
    await fails(m.client.cat('d/in'), 'ENOTDIR', 'ESTALE');
    await fails(m.client.put('d/new', 'new'), 'ENOTDIR', 'ESTALE');
    await fails(m.client.rename('d', 'f'), 'ENOTDIR', 'ESTALE');
    await ok(m.client.chmod('changed', 0o600));
    await ok(m.client.put('mine', 'mine'));
    await is(m.client.cat('mine'), 'mine');
  }),
);

await t.test('a workdir that others used: leftovers go, strangers stay', (t) =>
  onEach(t, configs, { lowers: [{ f: 'f' }] }, async (m, t) => {
    await m.unmount();
    const work = m.layers.work as string;
    writeFileSync(join(work, 'stranger'), 'mine');
    mkdirSync(join(work, 'work', '#1', 'deep'), { recursive: true });
    writeFileSync(join(work, 'work', '#1', 'deep', 'left'), '');
    await command(['mknod', join(work, 'work', '#2'), 'c', '0', '0']);
    await command(['chmod', '0', join(work, 'work')]);
    await m.mount();
    t.same(readdirSync(join(work, 'work')), []);
    t.same(readdirSync(work).sort(), ['index', 'stranger', 'work']);
    await ok(m.client.unlink('f'));
    await fails(m.client.stat('f'), 'ENOENT');
  }),
);
