// Files that are opened for the first time, which happens without JavaScript, act as on kernel overlayfs whatever is done next.

import t from 'tap';
import type { Agent } from '../../support/agent.js';
import { chosen, kernel, native, nativeCached } from '../../support/configs.js';
import { fails, ok } from '../../support/expect.js';
import { O } from '../../support/linux.js';
import { type Mounted, onEach } from '../../support/mounts.js';
import { dir, type TreeSpec } from '../../support/tree.js';

/** So many are opened, and so many of those without JavaScript at least: what else runs here may make the kernel forget. */
const [MANY, SOME] = [20, 5];
const configs = chosen([kernel, native, nativeCached]);
const files: TreeSpec = Object.fromEntries(Array.from({ length: MANY }, (_, at) => [`f${at}`, `of ${at}`]));
const layers = { lowers: [{ low: dir(files) }], upper: { up: dir({}) } };
const names = Array.from({ length: MANY }, (_, at) => `low/f${at}`);

/** How many files were opened so, so far. */
async function opened(m: Mounted): Promise<number> {
  return m.config === kernel ? 0 : ((await m.stats()).opened ?? 0);
}

async function openAll(a: Agent, paths: readonly string[]): Promise<number[]> {
  const fds: number[] = [];
  for (const path of paths) fds.push(await ok(a.open(path, O.RDONLY)));
  return fds;
}

async function content(a: Agent, fd: number): Promise<string> {
  return Buffer.from(await ok(a.pread(fd, 100, 0))).toString();
}

await t.test('what is read is what is there', (t) =>
  onEach(t, configs, layers, async (m, t) => {
    const fds = await openAll(m.client, names);
    if (m.config !== kernel) t.ok((await opened(m)) >= SOME, `${await opened(m)} without JavaScript`);
    for (const [at, fd] of fds.entries()) t.equal(await content(m.client, fd), `of ${at}`);
    for (const fd of fds) await ok(m.client.close(fd));
    await m.forget();
    for (const [at, name] of names.entries()) t.equal(await ok(m.client.cat(name)), `of ${at}`);
  }),
);

await t.test('what is done to the file meanwhile', (t) =>
  onEach(t, configs, layers, async (m, t) => {
    const a = m.client;
    const fds = (await openAll(a, names)) as [number, number, number, number];
    const writer = await ok(a.open('low/f0', O.WRONLY));
    await ok(a.pwrite(writer, 'OF', 0));
    t.equal(await content(a, fds[0]), 'OF 0');
    t.equal(await ok(a.cat('low/f0')), 'OF 0');
    await ok(a.unlink('low/f1'));
    t.equal(await content(a, fds[1]), 'of 1');
    await fails(a.open('low/f1', O.RDONLY), 'ENOENT');
    await ok(a.rename('low/f2', 'up/moved'));
    t.equal(await content(a, fds[2]), 'of 2');
    t.equal(await ok(a.cat('up/moved')), 'of 2');
    await ok(a.put('up/new', 'new'));
    await ok(a.rename('up/new', 'low/f3'));
    t.equal(await content(a, fds[3]), 'of 3');
    t.equal(await ok(a.cat('low/f3')), 'new');
    for (const fd of [...fds, writer]) await ok(a.close(fd));
    await m.remount();
    t.same(await m.tree(), await m.kernelTree());
  }),
);

await t.test('files that were made here', (t) =>
  onEach(t, configs, layers, async (m, t) => {
    const a = m.client;
    const own = Array.from({ length: MANY }, (_, at) => `up/n${at}`);
    await fails(a.stat('up/none'), 'ENOENT');
    for (const path of own) await ok(a.put(path, path));
    const before = await opened(m);
    const fds = await openAll(a, own);
    if (m.config !== kernel)
      t.ok((await opened(m)) - before >= SOME, `${(await opened(m)) - before} without JavaScript`);
    for (const [at, fd] of fds.entries()) t.equal(await content(a, fd), own[at]);
    const writer = await ok(a.open('up/n0', O.RDWR));
    await ok(a.pwrite(writer, 'UP', 0));
    t.equal(await content(a, fds[0] as number), 'UP/n0');
    await ok(a.unlink('up/n1'));
    t.equal(await content(a, fds[1] as number), 'up/n1');
    await ok(a.truncate('up/n2', 2));
    t.equal(await content(a, fds[2] as number), 'up');
    for (const fd of [...fds, writer]) await ok(a.close(fd));
    t.same(await m.tree(), await m.kernelTree());
  }),
);
