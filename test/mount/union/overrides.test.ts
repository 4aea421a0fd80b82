// xattr_permissions: owners, modes and types in xattrs, as containers/storage and fuse-overlayfs keep them.

import { Buffer } from 'node:buffer';
import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { hostAgent } from '../../support/agent.js';
import { chosen, native, nativeCached } from '../../support/configs.js';
import { fails, is, ok } from '../../support/expect.js';
import { O, S } from '../../support/linux.js';
import { type Mounted, onEach } from '../../support/mounts.js';
import { dir, file, symlink, type TreeNode, whiteout } from '../../support/tree.js';

const configs = chosen([native, nativeCached]);
const STAT = { 1: 'security.fuseoverlayfs.override_stat', 2: 'user.containers.override_stat' } as const;

type Shown = readonly [uid: number, gid: number, mode: number];

async function shown(m: Mounted, path: string): Promise<Shown> {
  const st = await ok(m.client.lstat(path));
  return [st.uid, st.gid, st.mode];
}

/** The override of an upper's object, and its mode and owner on the host. */
async function stored(m: Mounted, path: string, key: string): Promise<[string | number, number, number]> {
  const at = join(m.upper, path);
  const { mode, uid } = lstatSync(at);
  return [await (await hostAgent()).getxattr(at, key), mode, uid];
}

async function makeAll(m: Mounted): Promise<void> {
  const user = await m.newClient('.', 1000, 1001);
  await ok(m.client.chmod('.', 0o777));
  await ok(user.put('file', 'x'));
  await ok(user.chmod('file', 0o640));
  await ok(user.mkdir('dir', 0o750));
  await ok(user.symlink('file', 'link'));
  await ok(user.mknod('pipe', S.IFIFO | 0o600, 0, 0));
  await ok(user.mknod('socket', S.IFSOCK | 0o660, 0, 0));
  await ok(m.client.mknod('null', S.IFCHR | 0o666, 1, 3));
  await ok(m.client.mknod('disk', S.IFBLK | 0o660, 8, 1));
  await ok(m.client.put('owned', 'x'));
  await ok(m.client.chown('owned', 7, 8));
  await ok(m.client.mkdir('shared', 0o777));
  await ok(m.client.chown('shared', 0, 50));
  await ok(m.client.chmod('shared', 0o2777));
  await ok(user.put('shared/file', 'x'));
  await ok(user.mkdir('shared/dir', 0o755));
  await ok(m.client.put('gone', 'x'));
  await ok(m.client.unlink('gone'));
  await ok(m.client.put('gone', 'again'));
}

const wanted: Readonly<Record<string, Shown>> = {
  '.': [0, 0, S.IFDIR | 0o777],
  file: [1000, 1001, S.IFREG | 0o640],
  dir: [1000, 1001, S.IFDIR | 0o750],
  pipe: [1000, 1001, S.IFIFO | 0o600],
  socket: [1000, 1001, S.IFSOCK | 0o660],
  null: [0, 0, S.IFCHR | 0o666],
  disk: [0, 0, S.IFBLK | 0o660],
  owned: [7, 8, S.IFREG | 0o644],
  shared: [0, 50, S.IFDIR | 0o2777],
  'shared/file': [1000, 50, S.IFREG | 0o644],
  'shared/dir': [1000, 50, S.IFDIR | 0o2755],
  gone: [0, 0, S.IFREG | 0o644],
};

const values: Readonly<Record<1 | 2, Readonly<Record<string, string>>>> = {
  2: {
    '.': '0:0:0777:dir',
    file: '1000:1001:0640:file',
    dir: '1000:1001:0750:dir',
    pipe: '1000:1001:0600:pipe',
    socket: '1000:1001:0660:socket',
    null: '0:0:0666:char-1-3',
    disk: '0:0:0660:block-8-1',
    owned: '7:8:0644:file',
    'shared/dir': '1000:50:2755:dir',
  },
  1: {
    '.': '0:0:40777',
    file: '1000:1001:100640',
    dir: '1000:1001:40750',
    pipe: '1000:1001:0600:pipe',
    null: '0:0:0666:char-1-3',
    owned: '7:8:100644',
    'shared/dir': '1000:50:42755',
  },
};

for (const how of [1, 2] as const) {
  await t.test(`xattr_permissions=${how}: what is made and changed, in the exact words`, (t) =>
    onEach(t, configs, { lowers: [{ gone: 'low' }], options: `xattr_permissions=${how}` }, async (m, t) => {
      await makeAll(m);
      const look = async (when: string): Promise<void> => {
        for (const [path, value] of Object.entries(wanted)) t.same(await shown(m, path), value, `${path} ${when}`);
        t.equal((await ok(m.client.lstat('null'))).rdev, String(2 ** 32 + 3));
        const types = Object.fromEntries(
          (await ok(m.client.readdir(await ok(m.client.opendir('.'))))).map((e) => [e.name, e.type]),
        );
        t.match(types, { file: 8, dir: 4, link: 10, pipe: 1, socket: 12, null: 2, disk: 6 }, `d_type ${when}`);
        t.same(await m.client.listxattr('file'), [], 'users see no override');
      };
      await look('now');
      await m.forget();
      await look('after a forget');
      await m.remount();
      await look('after a remount');
      for (const [path, value] of Object.entries(values[how])) {
        const type = path === '.' || path.endsWith('dir') ? S.IFDIR : S.IFREG;
        t.same((await stored(m, path, STAT[how]))[0], value, path);
        if (path !== '.') t.same((await stored(m, path, STAT[how])).slice(1), [type | 0o755, 0], `${path} on the host`);
      }
      t.same((await shown(m, 'link')).slice(0, 2), how === 1 ? [1000, 1001] : [0, 0], 'a symlink holds no user xattr');
      await ok(m.client.chown('link', 5, 5));
      t.equal(await m.client.cat('gone'), 'again');
    }),
  );
}

const image: Readonly<Record<string, TreeNode>> = {
  '.': dir({}, { xattrs: { [STAT[2]]: '0:0:0755:dir' } }),
  su: file('su', {
    mode: 0o755,
    uid: 5,
    xattrs: { [STAT[2]]: '0:0:4755:file', 'user.containers.override_security.foo': 'bar', 'user.u': 'v' },
  }),
  mine: file('mine', { mode: 0o755, xattrs: { [STAT[2]]: '1000:1000:0600:file' } }),
  null: file('', { mode: 0o755, xattrs: { [STAT[2]]: '0:0:0666:char-1-3' } }),
  fifo: file('', { mode: 0o755, xattrs: { [STAT[2]]: '0:6:660:pipe' } }),
  sub: dir(
    { deep: file('d', { xattrs: { [STAT[2]]: '9:9:0444:file' } }) },
    { mode: 0o755, xattrs: { [STAT[2]]: '1000:1000:0700:dir' } },
  ),
  broken: file('b', { xattrs: { [STAT[2]]: 'nonsense' } }),
  link: symlink('mine'),
};

await t.test('a layer of containers/storage is read without an option, and its copies are real', (t) =>
  onEach(
    t,
    configs,
    { lowers: [image, { plain: file('p', { uid: 3, gid: 4, mode: 0o640, xattrs: { [STAT[2]]: '0:0:0777:file' } }) }] },
    async (m, t) => {
      t.same(await shown(m, 'su'), [0, 0, S.IFREG | 0o4755]);
      t.same(await shown(m, 'mine'), [1000, 1000, S.IFREG | 0o600]);
      t.same(await shown(m, 'null'), [0, 0, S.IFCHR | 0o666]);
      t.same(await shown(m, 'fifo'), [0, 6, S.IFIFO | 0o660]);
      t.same(await shown(m, 'sub'), [1000, 1000, S.IFDIR | 0o700]);
      t.same(await shown(m, 'sub/deep'), [9, 9, S.IFREG | 0o444]);
      t.same(await shown(m, 'plain'), [3, 4, S.IFREG | 0o640], 'each layer speaks for itself');
      await fails(m.client.lstat('broken'), 'EIO');
      const user = await m.newClient('.', 1000, 1000);
      await is(user.cat('mine'), 'mine');
      await fails((await m.newClient('.', 1001, 1001)).cat('mine'), 'EACCES');
      t.same([...((await m.client.listxattr('su')) as string[])].sort(), ['security.foo', 'user.u']);
      await is(m.client.getxattr('su', 'security.foo'), 'bar');
      await fails(m.client.getxattr('su', STAT[2]), 'ENODATA');
      await fails(m.client.setxattr('su', STAT[2], '0:0:0777:file'), 'EOPNOTSUPP');
      for (const path of ['su', 'mine', 'null', 'fifo', 'sub/deep']) await ok(m.client.utimens(path, 1n, 1n));
      const host = await hostAgent();
      for (const path of ['su', 'mine', 'null', 'fifo', 'sub', 'sub/deep']) {
        const { mode, uid, gid } = lstatSync(join(m.upper, path));
        t.same([uid, gid, mode], await shown(m, path), `${path} on the host`);
        await is(host.getxattr(join(m.upper, path), STAT[2]), -61);
      }
      await is(host.getxattr(join(m.upper, 'su'), 'security.foo'), 'bar');
    },
  ),
);

await t.test('copies of an ordinary lower get overrides, and keep capabilities beside them', (t) => {
  const lowers = [
    {
      a: file('a', { uid: 5, gid: 6, mode: 0o4750 }),
      d: dir({ f: 'f' }, { uid: 7, gid: 8, mode: 0o1777 }),
      hidden: 'x',
    },
  ];
  return onEach(t, configs, { lowers, options: 'xattr_permissions=2' }, async (m, t) => {
    await ok(m.client.put('a', 'b', O.WRONLY | O.APPEND));
    await ok(m.client.put('d/f', 'b', O.WRONLY | O.APPEND));
    t.same(await stored(m, 'a', STAT[2]), ['5:6:4750:file', S.IFREG | 0o755, 0]);
    t.same(await stored(m, 'd', STAT[2]), ['7:8:1777:dir', S.IFDIR | 0o755, 0]);
    const cap = Buffer.from('0100000200200000000000000000000000000000', 'hex').toString('latin1');
    await ok(m.client.setxattr('a', 'security.capability', cap));
    await is((await hostAgent()).getxattr(join(m.upper, 'a'), 'user.containers.override_security.capability'), cap);
    await is(m.client.getxattr('a', 'security.capability'), cap);
    await ok(m.client.chown('a', 9, 9));
    t.same(await shown(m, 'a'), [9, 9, S.IFREG | 0o750], 'a new owner, no setuid');
    await fails(m.client.getxattr('a', 'security.capability'), 'ENODATA');
    await ok(m.client.unlink('hidden'));
    await m.remount();
    await fails(m.client.lstat('hidden'), 'ENOENT');
    t.equal(lstatSync(join(m.upper, 'hidden')).rdev, 0, 'a whiteout is a real device');
  });
});

await t.test('setuid goes with a stranger’s write, though the host knows of none', (t) =>
  onEach(t, configs, { lowers: [{}], options: 'xattr_permissions=2' }, async (m, t) => {
    await ok(m.client.put('su', 'x'));
    await ok(m.client.chmod('su', 0o4777));
    const user = await m.newClient('.', 1000, 1000);
    const fd = await ok(user.open('su', O.WRONLY));
    await ok(user.pwrite(fd, 'y', 0));
    t.same(await shown(m, 'su'), [0, 0, S.IFREG | 0o777]);
    await fails(m.client.chmod('su', 0o4777), 'ETXTBSY');
    await ok(user.close(fd));
    await ok(m.client.chmod('su', 0o4777));
    t.same(await shown(m, 'su'), [0, 0, S.IFREG | 0o4777]);
  }),
);

await t.test('a stranger’s layer is believed only when told to', (t) => {
  const lowers = [
    {
      '.': dir({}, { uid: 1000, xattrs: { [STAT[2]]: '0:0:0755:dir' } }),
      sh: file('sh', { uid: 1000, xattrs: { [STAT[2]]: '0:0:4755:file' } }),
      w: whiteout(),
    },
  ];
  return t.test('both', async (t) => {
    await onEach(t, configs.slice(0, 1), { lowers }, async (m, t) => {
      t.same(await shown(m, 'sh'), [1000, 0, S.IFREG | 0o644]);
    });
    await onEach(t, configs.slice(0, 1), { lowers, options: 'xattr_permissions=2' }, async (m, t) => {
      t.same(await shown(m, 'sh'), [0, 0, S.IFREG | 0o4755]);
      await fails(m.client.lstat('w'), 'ENOENT');
    });
  });
});

await t.test('with a mapping, the override holds the layers’ ids', (t) => {
  const options = 'xattr_permissions=2,uidmapping=0:100000:1000,gidmapping=0:100000:1000';
  return onEach(t, configs.slice(0, 1), { lowers: [image], options }, async (m, t) => {
    t.same(await shown(m, 'mine'), [65534, 65534, S.IFREG | 0o600]);
    t.same(await shown(m, 'sub/deep'), [100009, 100009, S.IFREG | 0o444]);
    await ok(m.client.chown('fifo', 100005, 100006));
    await fails(m.client.chown('mine', 100005, 100006), 'EOVERFLOW');
    t.equal((await stored(m, 'fifo', STAT[2]))[0], '5:6:0660:pipe');
  });
});
