// Copy-up keeps everything a file is, on the mount and in the upper, and touches nothing else.

import t from 'tap';
import { hostAgent } from '../../support/agent.js';
import type { FileStat } from '../../support/agent-calls.js';
import { chosen, native, nativeCached } from '../../support/configs.js';
import { is, ok } from '../../support/expect.js';
import { O, S, UTIME } from '../../support/linux.js';
import { type Mounted, onEach } from '../../support/mounts.js';
import { device, dir, fifo, file, MADE_AT, sparse, symlink, type TreeSpec } from '../../support/tree.js';

const configs = chosen([native, nativeCached]);
const OLD = 1_111_111_111_222_333_444n;
const MIB = 1 << 20;
const capability = `\x01\x00\x00\x02\x00\x04${'\x00'.repeat(14)}`;
const acl =
  '\x02\0\0\0\x01\0\x06\0\xff\xff\xff\xff\x02\0\x04\0\xd2\x04\0\0\x04\0\0\0\xff\xff\xff\xff\x10\0\x04\0\xff\xff\xff\xff\x20\0\0\0\xff\xff\xff\xff';

const all = { mode: 0o4751, uid: 11, gid: 22, mtime: OLD };
const tree: TreeSpec = {
  rich: file('content', { ...all, xattrs: { 'user.one': '1', 'trusted.two': '2', 'security.capability': capability } }),
  shared: file('acl', { mode: 0o640, mtime: OLD, xattrs: { 'system.posix_acl_access': acl } }),
  holed: sparse(32 * MIB, { 0: 'start', [16 * MIB]: 'middle', [32 * MIB - 3]: 'end' }, { mtime: OLD }),
  empty: file('', { mtime: OLD }),
  big: file('0123456789abcdef'.repeat((3 * MIB) / 16), { mtime: OLD }),
  link: symlink('some/where', { uid: 5, gid: 6, mtime: OLD }),
  dev: device(1, 7, { ...all, mode: 0o640 }),
  pipe: fifo({ ...all, mode: 0o600 }),
  dir: dir(
    { sub: dir({ leaf: file('leaf', { mtime: OLD }) }, { ...all, mode: 0o2750, xattrs: { 'user.d': 'sub' } }) },
    { ...all, mode: 0o1755, xattrs: { 'user.d': 'dir', 'system.posix_acl_default': acl } },
  ),
};

type Kept = Pick<FileStat, 'mode' | 'uid' | 'gid' | 'size' | 'mtime' | 'rdev'>;

function kept(st: FileStat): Kept {
  const { mode, uid, gid, size, mtime, rdev } = st;
  return { mode, uid, gid, size, mtime, rdev };
}

/** The same on the mount before and after `act`, and on the host in the upper after it. */
async function keeps(m: Mounted, path: string, act: () => Promise<unknown>): Promise<void> {
  const host = await hostAgent();
  const before = await ok(m.client.lstat(path));
  const lower = await ok(host.lstat(`${m.lower}/${path}`));
  await act();
  const upper = await ok(host.lstat(`${m.upper}/${path}`));
  const after = await ok(m.client.lstat(path));
  await is(kept(after), kept(before));
  await is(after.ino, before.ino);
  await is(kept(upper), kept(lower));
}

async function openForWriting(m: Mounted, path: string): Promise<void> {
  const fd = await ok(m.client.open(path, O.RDWR));
  await ok(m.client.close(fd));
}

await t.test('opening for writing copies up and changes nothing', (t) =>
  onEach(t, configs, { lowers: [tree] }, async (m) => {
    const host = await hostAgent();
    for (const path of ['rich', 'shared', 'empty', 'big']) await keeps(m, path, () => openForWriting(m, path));
    for (const key of ['user.one', 'trusted.two', 'security.capability']) {
      const value = await ok(host.getxattr(`${m.lower}/rich`, key));
      await is(host.getxattr(`${m.upper}/rich`, key), value);
      await is(m.client.getxattr('rich', key), value);
    }
    await is(host.getxattr(`${m.upper}/shared`, 'system.posix_acl_access'), acl);
    await is(m.client.cat('big'), '0123456789abcdef'.repeat((3 * MIB) / 16));
  }),
);

await t.test('holes stay holes', (t) =>
  onEach(t, configs, { lowers: [tree] }, async (m, t) => {
    await keeps(m, 'holed', () => openForWriting(m, 'holed'));
    const host = await hostAgent();
    const [lower, upper] = [await ok(host.stat(`${m.lower}/holed`)), await ok(host.stat(`${m.upper}/holed`))];
    t.ok(upper.blocks <= lower.blocks + 8, `${upper.blocks} blocks for ${lower.blocks}`);
    const fd = await ok(m.client.open('holed', O.RDONLY));
    await is(m.client.pread(fd, 8, 16 * MIB - 1), '\0middle\0');
    await is(m.client.pread(fd, 4, 32 * MIB - 4), '\0end');
  }),
);

await t.test('a symlink, a device and a fifo keep what they are', (t) =>
  onEach(t, configs, { lowers: [tree] }, async (m) => {
    for (const path of ['link', 'dev', 'pipe']) {
      await keeps(m, path, () => ok(m.client.utimensRaw(path, UTIME.NOW, UTIME.OMIT)));
    }
    await is(m.client.readlink('link'), 'some/where');
  }),
);

await t.test('a directory keeps mode, owner, times, xattrs and default ACL when something in it changes', (t) =>
  onEach(t, configs, { lowers: [tree] }, async (m) => {
    const host = await hostAgent();
    await keeps(m, 'dir', () => openForWriting(m, 'dir/sub/leaf'));
    const sub = await ok(host.lstat(`${m.upper}/dir/sub`));
    await is([sub.mode, sub.uid, sub.gid, sub.mtime], [0o42750, 11, 22, OLD]);
    await is(host.getxattr(`${m.upper}/dir`, 'user.d'), 'dir');
    await is(host.getxattr(`${m.upper}/dir/sub`, 'user.d'), 'sub');
    await is(host.getxattr(`${m.upper}/dir`, 'system.posix_acl_default'), acl);
    await is((await ok(m.client.stat('.'))).mtime, MADE_AT);
    await is((await ok(m.client.stat('dir/sub/leaf'))).mode, 0o100644);
  }),
);

await t.test('each change of metadata copies up and leaves the content', (t) =>
  onEach(t, configs, { lowers: [tree] }, async (m) => {
    const a = m.client;
    const content = '0123456789abcdef'.repeat((3 * MIB) / 16);
    await ok(a.chmod('big', 0o600));
    await is(a.cat('big'), content);
    await ok(a.setxattr('shared', 'user.x', 'y'));
    await is([await a.cat('shared'), (await ok(a.stat('shared'))).mtime], ['acl', OLD]);
    await ok(a.chown('rich', 99, 99));
    await is([await a.cat('rich'), (await ok(a.stat('rich'))).mtime], ['content', OLD]);
    await ok(a.rename('empty', 'dir/moved'));
    await is((await ok(a.stat('dir/moved'))).mtime, OLD);
  }),
);

await t.test('reading copies nothing up', (t) =>
  onEach(t, configs, { lowers: [tree] }, async (m, t) => {
    await m.tree();
    await m.client.cat('dir/sub/leaf');
    await m.client.access('rich', 4);
    await m.client.listxattr('rich');
    t.same(await (await hostAgent()).list(m.upper), [], 'the upper is empty');
  }),
);

await t.test('the workdir holds no temporary after copy-ups', (t) =>
  onEach(t, configs, { lowers: [tree] }, async (m, t) => {
    for (const path of ['rich', 'big', 'dir/sub/leaf']) await openForWriting(m, path);
    await ok(m.client.unlink('shared'));
    await is(m.client.rmtree('dir'), 0);
    const host = await hostAgent();
    const left = async (): Promise<string[]> => {
      const names = await host.list(`${m.layers.work}/work`);
      return typeof names === 'number' ? [] : names;
    };
    // One whiteout may wait there while the mount lives: whiteouts are hard links of it.
    const waiting = await left();
    t.ok(waiting.length <= 1, `at most the shared whiteout: ${waiting}`);
    for (const name of waiting) t.equal((await ok(host.lstat(`${m.layers.work}/work/${name}`))).mode & S.IFMT, S.IFCHR);
    await m.unmount();
    t.same(await left(), [], 'nothing after the end');
    await m.mount();
  }),
);
