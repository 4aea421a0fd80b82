// chattr +i and +a: what they refuse here is what kernel overlayfs refuses, and either keeps the other's.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import t from 'tap';
import type { Agent } from '../../support/agent.js';
import { chosen, kernel, native } from '../../support/configs.js';
import { fails, is, ok } from '../../support/expect.js';
import { O } from '../../support/linux.js';
import { type Mounted, onEach, type Setup, withMount } from '../../support/mounts.js';
import { startServer } from '../../support/server.js';
import { dir } from '../../support/tree.js';

const configs = chosen([kernel, native]);
const run = promisify(execFile);
const chattr = (m: Mounted, flags: string, ...paths: string[]): Promise<unknown> =>
  run('chattr', [flags, ...paths.map((path) => (path.startsWith('/') ? path : `${m.root}/${path}`))]);
const setup: Omit<Setup, 'config'> = {
  lowers: [{ i: 'i', a: 'a', free: 'free', d: dir({ x: 'x' }), log: dir({ old: 'old' }) }],
};

async function immutable(a: Agent, path: string): Promise<void> {
  await ok(a.cat(path));
  await fails(a.open(path, O.WRONLY), 'EPERM');
  await fails(a.open(path, O.WRONLY | O.APPEND), 'EPERM');
  await fails(a.truncate(path, 0), 'EPERM');
  await fails(a.chmod(path, 0o600), 'EPERM');
  await fails(a.chown(path, 1, 1), 'EPERM');
  await fails(a.utimens(path, 1n, 1n), 'EPERM');
  await fails(a.setxattr(path, 'user.x', 'y'), 'EPERM');
  await fails(a.link(path, `${path}2`), 'EPERM');
  await fails(a.rename(path, `${path}2`), 'EPERM');
  await fails(a.rename('free', path), 'EPERM');
  await fails(a.unlink(path), 'EPERM');
}

async function appendOnly(a: Agent, path: string): Promise<void> {
  await fails(a.open(path, O.WRONLY), 'EPERM');
  await fails(a.open(path, O.WRONLY | O.APPEND | O.TRUNC), 'EPERM');
  await ok(a.put(path, '+', O.WRONLY | O.APPEND));
  await fails(a.truncate(path, 0), 'EPERM');
  await fails(a.chmod(path, 0o600), 'EPERM');
  await fails(a.rename(path, `${path}2`), 'EPERM');
  await fails(a.unlink(path), 'EPERM');
}

async function protectedTree(a: Agent): Promise<void> {
  await immutable(a, 'i');
  await appendOnly(a, 'a');
  await fails(a.put('d/new', ''), 'EPERM');
  await fails(a.mkdir('d/new'), 'EPERM');
  await fails(a.unlink('d/x'), 'EPERM');
  await fails(a.rename('free', 'd/free'), 'EPERM');
  await fails(a.rmdir('d'), 'EPERM');
  await ok(a.put('d/x', 'a file in it is another matter', O.WRONLY | O.TRUNC));
  await fails(a.unlink('log/old'), 'EPERM');
  await fails(a.rename('log/old', 'log/older'), 'EPERM');
}

async function protectAll(m: Mounted): Promise<void> {
  await chattr(m, '+i', 'i', 'd');
  await chattr(m, '+a', 'a', 'log');
}

async function freeAll(m: Mounted): Promise<void> {
  await chattr(m, '-i', 'i', 'd');
  await chattr(m, '-a', 'a', 'log');
  await ok(m.client.put('i', 'free', O.WRONLY | O.TRUNC));
  await ok(m.client.put('a', 'free', O.WRONLY | O.TRUNC));
  await ok(m.client.unlink('log/old'));
  await ok(m.client.unlink('d/x'));
  await is(m.client.list('d'), []);
}

await t.test('set on the mount: heeded, kept, taken off', (t) =>
  onEach(t, configs, setup, async (m) => {
    await protectAll(m);
    await protectedTree(m.client);
    await ok(m.client.put('log/one', '1'));
    await m.forget();
    await protectedTree(m.client);
    await m.remount();
    await protectedTree(m.client);
    await freeAll(m);
  }),
);

await t.test('set on the lower layer', (t) =>
  onEach(t, configs, setup, async (m, t) => {
    const all = ['i', 'd', 'a', 'log'].map((name) => `${m.lower}/${name}`);
    const [i, d, a, log] = all as [string, string, string, string];
    await m.unmount();
    await chattr(m, '+i', i, d);
    await chattr(m, '+a', a, log);
    try {
      await m.mount();
      await protectedTree(m.client);
      t.equal(await m.client.put('log/one', '1'), 0);
      await m.remount();
      await protectedTree(m.client);
      await freeAll(m);
    } finally {
      await chattr(m, '-ia', ...all);
    }
  }),
);

await t.test('kernel overlayfs and stratafs keep each other’s', (t) =>
  withMount(t, { ...setup, config: native }, async (m) => {
    const other = async (work: () => Promise<void>): Promise<void> => {
      await m.unmount();
      const server = await startServer(kernel, m.layers);
      try {
        await work();
      } finally {
        await server.stop();
      }
      await m.mount();
    };
    await protectAll(m);
    await other(async () => {
      const { stdout } = await run('lsattr', ['-d', `${m.root}/i`, `${m.root}/a`, `${m.root}/d`]);
      await is(
        stdout.split('\n').map((line) => line.slice(0, 6)),
        ['----i-', '-----a', '----i-', ''],
      );
      await chattr(m, '-i', 'd');
      await chattr(m, '+i', 'free');
    });
    await fails(m.client.unlink('i'), 'EPERM');
    await fails(m.client.unlink('free'), 'EPERM');
    await ok(m.client.unlink('d/x'));
    await chattr(m, '-i', 'i', 'free');
    await chattr(m, '-a', 'a', 'log');
  }),
);

await t.test('a copy keeps the flags S, A, d and D of its lower', (t) =>
  onEach(t, chosen([native]), { ...setup, changesLowers: true }, async (m, t) => {
    const flagsOf = async (...paths: string[]): Promise<string[]> =>
      (await run('lsattr', ['-d', ...paths])).stdout.split('\n').map((line) => line.split(' ')[0] as string);
    const changed = [`${m.root}/a`, `${m.root}/d`, `${m.root}/log`];
    await m.unmount();
    await chattr(m, '+SAd', `${m.lower}/a`);
    await chattr(m, '+ADd', `${m.lower}/d`);
    await m.mount();
    const before = await flagsOf(...changed);
    await ok(m.client.put('a', '+', O.WRONLY | O.APPEND));
    await ok(m.client.put('d/new', 'new'));
    await ok(m.client.chmod('log', 0o700));
    t.same(await flagsOf(...changed), before);
    t.same(await flagsOf(`${m.upper}/a`, `${m.upper}/d`, `${m.upper}/log`), before);
    await m.remount();
    t.same(await flagsOf(...changed), before);
    await chattr(m, '-A', 'a');
    t.same(await flagsOf(`${m.root}/a`), [(before[0] as string).replace('A', '-'), '']);
  }),
);
