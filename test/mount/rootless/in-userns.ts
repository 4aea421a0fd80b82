// Runs inside the room `userns` (see support/rooms.ts): the user dialect on disk, kernel overlayfs's
// userxattr mount of the same layers, what outlasts a remount without file handles, foreign owners.

import { join } from 'node:path';
import t from 'tap';
import { Agent, hostAgent } from '../../support/agent.js';
import { userns } from '../../support/configs.js';
import { is, ok } from '../../support/expect.js';
import { S } from '../../support/linux.js';
import { type Mounted, withMount } from '../../support/mounts.js';
import { runScenario, scenarioLowers } from '../../support/scenario.js';
import { startServer } from '../../support/server.js';
import { differences, dir, file, hardlink, readTree, symlink, walkTree, whiteout } from '../../support/tree.js';

const kernel = { name: 'kernel', kind: 'kernel', options: 'userxattr' } as const;

/** Runs `work` on the mount's layers under the namespace's own kernel overlayfs; the mount must be ended. */
async function inKernel<T>(m: Mounted, work: (a: Agent) => Promise<T>): Promise<T> {
  const server = await startServer(kernel, m.layers);
  const agent = await Agent.start(m.root);
  try {
    return await work(agent);
  } finally {
    await agent.stop();
    await server.stop();
  }
}

const scenario = { config: userns, lowers: scenarioLowers };

await t.test('an upper made here is the same tree in a userxattr mount, and back', (t) =>
  withMount(t, scenario, async (m) => {
    await runScenario(m.client, { dirRenames: false });
    const ours = await m.tree({ mtime: true });
    await m.unmount();
    t.same(differences(await inKernel(m, (a) => readTree('.', { mtime: true }, a)), ours), [], 'writable');
    t.same(differences(await m.kernelTree({ mtime: true }), ours), [], 'read-only');
    await m.mount();
    t.same(differences(await m.tree({ mtime: true }), ours), [], 'here again');
  }),
);

await t.test('an upper made by a userxattr mount is the same tree here', (t) =>
  withMount(t, scenario, async (m) => {
    await m.unmount();
    // Without file handles the kernel gives some hard links numbers of their own.
    const how = { mtime: true, links: false };
    const theirs = await inKernel(m, async (a) => {
      await runScenario(a, { dirRenames: false });
      return readTree('.', how, a);
    });
    await m.mount();
    t.same(differences(await m.tree(how), theirs), []);
  }),
);

await t.test('a userxattr mount refuses a renamed directory, and shows nothing wrong in its place', (t) =>
  withMount(t, { config: userns, lowers: [{ d: dir({ f: 'f' }), e: dir({ g: 'g' }) }] }, async (m) => {
    await ok(m.client.rename('d', 'moved'));
    await is(m.client.cat('moved/f'), 'f');
    await m.unmount();
    await inKernel(m, async (a) => {
      t.equal(await a.lstat('moved'), -1, 'EPERM');
      t.equal(await a.lstat('d'), -2, 'ENOENT');
      await is(a.cat('e/g'), 'g');
    });
    await m.mount();
    await is(m.client.cat('moved/f'), 'f');
  }),
);

await t.test('with redirect_dir=off a directory of a lower layer is EXDEV', (t) =>
  withMount(t, { config: userns, lowers: [{ d: dir({ f: 'f' }) }], options: 'redirect_dir=off' }, async (m) => {
    t.equal(await m.client.rename('d', 'moved'), -18);
  }),
);

await t.test('whiteouts are char 0:0, marks are user.overlay, symlinks get none and nothing is logged', (t) =>
  withMount(
    t,
    { config: userns, lowers: [{ gone: 'x', d: dir({ x: 'x' }), link: symlink('gone'), f: 'f' }] },
    async (m) => {
      const a = m.client;
      await ok(a.unlink('gone'));
      await is(a.rmtree('d'), 0);
      await ok(a.mkdir('d'));
      await ok(a.chown('link', 7, 8));
      await ok(a.put('f', 'changed'));
      const entries = await walkTree(await hostAgent(), m.upper);
      const at = (path: string) => entries.find((entry) => entry.path === `./${path}`);
      t.equal((at('gone')?.mode ?? 0) & S.IFMT, S.IFCHR);
      t.equal(at('gone')?.rdev, '0:0');
      t.same(at('d')?.xattrs, ['user.overlay.opaque=y']);
      t.same(at('link')?.xattrs, []);
      t.match(at('f')?.xattrs.join(), /^user\.overlay\.origin=/);
      const lines = m.server.stderr().split('\n').filter(Boolean);
      t.ok(lines.length <= 1, 'one line at most, about passthrough', { lines });
    },
  ),
);

await t.test('numbers and hard links outlast a rename, a forget and a remount without file handles', (t) =>
  withMount(
    t,
    { config: userns, lowers: [{ f: 'f', one: 'linked', two: hardlink('one'), three: hardlink('one'), d: dir({}) }] },
    async (m) => {
      const ino = async (name: string): Promise<string> => (await ok(m.client.lstat(name))).ino;
      const [f, one] = [await ino('f'), await ino('one')];
      await ok(m.client.put('f', 'changed'));
      await ok(m.client.rename('f', 'd/g'));
      await ok(m.client.put('one', 'written'));
      for (const settle of [() => m.forget(), () => m.remount()]) {
        await settle();
        t.equal(await ino('d/g'), f);
        for (const name of ['three', 'one', 'two']) {
          t.equal(await ino(name), one, name);
          t.equal(await m.client.cat(name), 'written', name);
          t.equal((await ok(m.client.lstat(name))).nlink, 3, name);
        }
      }
      await ok(m.client.put('two', 'again'));
      t.equal(await m.client.cat('three'), 'again');
    },
  ),
);

await t.test('CVE-2023-0386: a file of an owner who does not exist here is read, and never copied up', (t) => {
  const foreign = join(process.env.STRATAFS_TEST_TMP as string, 'foreign');
  return withMount(t, { config: userns, lowers: [{}], extraLowers: [foreign] }, async (m) => {
    const a = m.client;
    const stat = await ok(a.stat('setuid'));
    t.same([stat.uid, stat.gid, stat.mode & 0o7777], [65534, 65534, 0o4777]);
    await is(a.cat('setuid'), 'foreign\n');
    t.equal(await a.put('setuid', 'x'), -75, 'a write is EOVERFLOW');
    t.equal(await a.chmod('setuid', 0o755), -75, 'chmod is EOVERFLOW');
    t.equal(await a.chown('setuid', 0, 0), -75, 'chown is EOVERFLOW');
    t.equal(await a.rename('setuid', 'mine'), -75, 'rename is EOVERFLOW');
    t.equal(await a.put('dir/new', 'x'), -75, 'so is a new name in such a directory');
    t.same(
      (await walkTree(await hostAgent(), m.upper)).map((entry) => entry.path),
      ['.'],
      'the upper holds nothing',
    );
    await ok(a.unlink('setuid'));
    t.equal(await a.stat('setuid'), -2, 'removing it needs no copy');
  });
});

await t.test('a whiteout in a lower made by root outside is one here', (t) =>
  withMount(t, { config: userns, lowers: [{ w: whiteout(), kept: file('k') }, { w: 'old' }] }, async (m) => {
    t.same(await m.client.list('.'), ['kept']);
  }),
);
