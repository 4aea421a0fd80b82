// Metadata-only copies go forth and back between kernel overlayfs and us; so do the layers of image
// tools, and marks of one overlay that are stored in another.

import t from 'tap';
import { type Agent, Agent as Client, hostAgent } from '../../support/agent.js';
import { chosen, kernel, native, nativeCached } from '../../support/configs.js';
import { fails, is, ok } from '../../support/expect.js';
import { O } from '../../support/linux.js';
import { type Mounted, onEach, type Setup } from '../../support/mounts.js';
import { startServer } from '../../support/server.js';
import { type Comparison, differences, dir, file, hardlink, readTree, type TreeSpec } from '../../support/tree.js';

const configs = chosen([native, nativeCached]);
const how: Comparison = { mtime: true, xattrs: 'all' };
const big = 'bytes of a file '.repeat(200_000);
const lowers: readonly TreeSpec[] = [
  {
    big,
    tiny: 'tiny',
    empty: '',
    one: file('several names', { mode: 0o640 }),
    two: hardlink('one'),
    a: dir({ f: 'a/f', g: 'a/g', h: 'a/h', sub: dir({ deep: 'deep' }) }),
    b: dir({ x: 'b/x' }),
    gone: dir({ f: 'gone' }),
  },
  { a: dir({ low: 'a/low' }), old: 'old' },
];
const options = 'metacopy=on,redirect_dir=on,index=on';
const setup: Omit<Setup, 'config'> = { lowers };

/** Changes of attributes and names alone. */
async function change(a: Agent): Promise<void> {
  await ok(a.chmod('big', 0o600));
  await ok(a.chown('tiny', 3, 4));
  await ok(a.utimens('empty', 1_000_000_007n, 1_000_000_007n));
  await ok(a.setxattr('old', 'user.k', 'v'));
  await ok(a.chmod('two', 0o600));
  await ok(a.link('one', 'b/three'));
  await ok(a.rename('a/f', 'a/renamed'));
  await ok(a.rename('a/g', 'b/moved'));
  await ok(a.rename('b/moved', 'b/again'));
  await ok(a.chmod('a/low', 0o600));
  await ok(a.rename('a', 'z'));
  await ok(a.chmod('z/sub/deep', 0o711));
  await ok(a.rename('z/h', 'z/sub/h'));
  await ok(a.mkdir('pure'));
  await ok(a.rename('z/low', 'pure/low'));
  await ok(a.rename('z/sub', 'pure/sub'));
  await ok(a.unlink('gone/f'));
}

/** Runs `work` on the layers under kernel overlayfs; the mount itself must be ended. */
async function inKernel<T>(m: Mounted, work: (a: Agent) => Promise<T>): Promise<T> {
  const server = await startServer({ ...kernel, options }, m.layers);
  const agent = await Client.start(m.root);
  try {
    return await work(agent);
  } finally {
    await agent.stop();
    await server.stop();
  }
}

/** Writes to what was only changed, in one way or another. */
async function write(a: Agent): Promise<void> {
  for (const path of ['big', 'b/three', 'pure/sub/deep']) await ok(a.put(path, '+', O.WRONLY | O.APPEND));
  await ok(a.put('pure/low', 'new', O.WRONLY | O.TRUNC));
  await ok(a.truncate('z/renamed', 2));
  // Writing has set times that are nobody's business here.
  for (const path of ['big', 'one', 'pure/sub/deep', 'pure/low', 'z/renamed']) await ok(a.utimens(path, 5n, 5n));
}

await t.test('made by kernel overlayfs, the same here; written here, the same there', (t) =>
  onEach(t, configs, setup, async (m, t) => {
    await m.unmount();
    const theirs = await inKernel(m, async (a) => {
      await change(a);
      return readTree('.', how, a);
    });
    await m.mount();
    t.same(differences(await m.tree(how), theirs), [], 'read');
    await write(m.client);
    const ours = await m.tree(how);
    t.match(ours, { './big': /size 3200001 / });
    await m.unmount();
    t.same(differences(await inKernel(m, (a) => readTree('.', how, a)), ours), [], 'written');
    await m.mount();
    t.same(differences(await m.tree(how), ours), [], 'and here again');
  }),
);

await t.test('made here with metacopy=on, the same in kernel overlayfs; written there, the same here', (t) =>
  onEach(t, configs, { ...setup, options: 'metacopy=on' }, async (m, t) => {
    await change(m.client);
    const host = await hostAgent();
    const { blocks, size } = await ok(host.stat(`${m.upper}/big`));
    t.equal(size, big.length);
    t.ok(blocks <= 16, `no data was copied: ${blocks} blocks`);
    const shown = await ok(m.client.stat('big'));
    t.equal(shown.blocks, (await ok(host.stat(`${m.lower}/big`))).blocks, 'the blocks shown are the data’s');
    const ours = await m.tree(how);
    await m.unmount();
    const theirs = await inKernel(m, async (a) => {
      t.same(differences(await readTree('.', how, a), ours), [], 'read');
      await write(a);
      return readTree('.', how, a);
    });
    await m.mount();
    t.same(differences(await m.tree(how), theirs), [], 'written');
  }),
);

await t.test('a reader and a mapping that began on the lower see what is written', (t) =>
  onEach(t, configs, { ...setup, options: 'metacopy=on' }, async (m, t) => {
    const a = m.client;
    const reader = await ok(a.open('big', O.RDONLY));
    await ok(a.chmod('big', 0o600));
    await is(a.pread(reader, 5, 0), 'bytes');
    const writer = await ok(a.open('big', O.RDWR));
    await ok(a.pwrite(writer, 'BYTES', 0));
    await is(a.pread(reader, 5, 0), 'BYTES');
    await ok(a.fsync(reader));
    await ok(a.close(reader));
    await ok(a.close(writer));
    t.equal((await ok(a.stat('big'))).size, big.length);
  }),
);

const xattrs = (pairs: Record<string, string>): TreeSpec[string] => file('x'.repeat(9), { xattrs: pairs });
await t.test('a copy without data: EIO by name, and the name stays listed', (t) =>
  onEach(
    t,
    configs,
    { lowers: [{ broken: xattrs({ 'trusted.overlay.metacopy': '' }), fine: '' }], options: 'timeout=0' },
    async (m, t) => {
      const host = await hostAgent();
      await ok(host.put(`${m.upper}/broken2`, ''));
      await ok(host.truncate(`${m.upper}/broken2`, 5000));
      await ok(host.setxattr(`${m.upper}/broken2`, 'trusted.overlay.metacopy', ''));
      await m.remount();
      t.same(await m.client.list('.'), ['broken', 'broken2', 'fine']);
      await fails(m.client.stat('broken2'), 'EIO');
      await fails(m.client.open('broken', O.RDONLY), 'EIO');
      await fails(m.client.open('broken', O.RDWR), 'EIO');
      await ok(m.client.stat('fine'));
      const said = m.server
        .stderr()
        .split('\n')
        .filter((line) => line.includes('metadata-only'));
      t.equal(said.length, 2, 'one line each');
    },
  ),
);

await t.test('marks of an overlay inside, as kernel overlayfs stores them', (t) =>
  onEach(t, configs, { lowers: [{ d: dir({ f: 'f' }), g: 'g' }] }, async (m, t) => {
    await m.unmount();
    const theirs = await inKernel(m, async (a) => {
      await ok(a.setxattr('d', 'trusted.overlay.opaque', 'x'));
      await ok(a.put('d/w', ''));
      await ok(a.setxattr('d/w', 'trusted.overlay.whiteout', ''));
      await ok(a.setxattr('g', 'trusted.overlay.overlay.metacopy', 'nested twice'));
      return readTree('.', how, a);
    });
    const host = await hostAgent();
    t.equal(await host.getxattr(`${m.upper}/d`, 'trusted.overlay.overlay.opaque'), 'x', 'stored escaped');
    await m.mount();
    t.same(differences(await m.tree(how), theirs), []);
    await is(m.client.getxattr('d', 'trusted.overlay.opaque'), 'x');
    await is(m.client.list('d'), ['f', 'w']);
  }),
);
