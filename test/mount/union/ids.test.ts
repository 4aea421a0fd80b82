// Shown ids: mappings and squashes as users of a mount see them, and what then is on the disk.

import { Buffer } from 'node:buffer';
import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { hostAgent } from '../../support/agent.js';
import { chosen, native, nativeCached } from '../../support/configs.js';
import { fails, is, ok } from '../../support/expect.js';
import { O } from '../../support/linux.js';
import { type Mounted, onEach } from '../../support/mounts.js';
import { dir, file, symlink } from '../../support/tree.js';

const configs = chosen([native, nativeCached]);

const lowers = [
  {
    zero: file('0', { uid: 0, gid: 0 }),
    five: file('five', { uid: 5, gid: 6, mode: 0o640 }),
    far: file('far', { uid: 5000, gid: 5000, mode: 0o4755 }),
    shared: dir({}, { uid: 5, gid: 9, mode: 0o2777 }),
    link: symlink('zero', { uid: 5, gid: 5 }),
  },
];

async function owner(m: Mounted, path: string): Promise<number[]> {
  const st = await ok(m.client.lstat(path));
  return [st.uid, st.gid];
}

function onDisk(m: Mounted, path: string): number[] {
  const { uid, gid } = lstatSync(join(m.upper, path));
  return [uid, gid];
}

const open = { '.': dir({}, { mode: 0o777 }) };
const mapping = 'uidmapping=:0:100000:1000,gidmapping=:0:200000:1000';

await t.test('uidmapping and gidmapping: stat, creation, chown and ACLs, after a remount too', (t) =>
  onEach(t, configs, { lowers, upper: open, options: mapping }, async (m, t) => {
    t.same(await owner(m, 'five'), [100005, 200006]);
    t.same(await owner(m, 'link'), [100005, 200005]);
    t.same(await owner(m, 'far'), [65534, 65534]);
    const user = await m.newClient('.', 100005, 200006);
    await is(user.cat('five'), 'five');
    await ok(user.put('made', 'x'));
    t.same(await owner(m, 'made'), [100005, 200006]);
    t.same(onDisk(m, 'made'), [5, 6]);
    await ok(user.put('shared/inherits', 'x'));
    t.same(await owner(m, 'shared/inherits'), [100005, 200009]);
    t.same(onDisk(m, 'shared/inherits'), [5, 9]);
    await ok(user.put('five', 'more', O.WRONLY | O.APPEND));
    t.same(onDisk(m, 'five'), [5, 6], 'copy-up keeps the owner');
    await ok(m.client.chown('zero', 100007, 200008));
    t.same(
      [await owner(m, 'zero'), onDisk(m, 'zero')],
      [
        [100007, 200008],
        [7, 8],
      ],
    );
    await fails(m.client.chown('zero', 7, 8), 'EOVERFLOW');
    await ok(m.client.put('server', 'x'));
    t.same(await owner(m, 'server'), [100000, 200000], 'who runs the server makes things as itself');
    const stranger = await m.newClient('.', 7, 8);
    await fails(stranger.put('no', 'x'), 'EOVERFLOW');
    await fails(m.client.chmod('far', 0o700), 'EOVERFLOW');
    await m.remount();
    t.same(
      [await owner(m, 'zero'), await owner(m, 'made')],
      [
        [100007, 200008],
        [100005, 200006],
      ],
    );
  }),
);

/** user::rw-, user:ID:rw-, group::r--, mask::rw-, other::--- */
function acl(id: number): string {
  const entries = [
    [1, 6, 0xffffffff],
    [2, 6, id],
    [4, 4, 0xffffffff],
    [0x10, 6, 0xffffffff],
    [0x20, 0, 0xffffffff],
  ];
  const out = Buffer.alloc(4 + 8 * entries.length);
  out.writeUInt32LE(2, 0);
  entries.forEach(([tag, bits, who], at) => {
    out.writeUInt16LE(tag as number, 4 + 8 * at);
    out.writeUInt16LE(bits as number, 6 + 8 * at);
    out.writeUInt32LE(who as number, 8 + 8 * at);
  });
  return out.toString('latin1');
}

await t.test('an ACL names shown ids, and gives what it says', (t) =>
  onEach(
    t,
    configs,
    { lowers: [{ a: file('secret', { uid: 1, gid: 1, mode: 0o600 }) }], options: mapping },
    async (m, t) => {
      const friend = await m.newClient('.', 100042, 200042);
      await fails(friend.cat('a'), 'EACCES');
      await ok(m.client.setxattr('a', 'system.posix_acl_access', acl(100042)));
      await is(friend.cat('a'), 'secret');
      await is(m.client.getxattr('a', 'system.posix_acl_access'), acl(100042));

      const host = await hostAgent();
      await is(host.getxattr(join(m.upper, 'a'), 'system.posix_acl_access'), acl(42));
      await fails(m.client.setxattr('a', 'system.posix_acl_access', acl(42)), 'EOVERFLOW');
      await m.remount();
      const again = await m.newClient('.', 100042, 200042);
      await is(again.cat('a'), 'secret');
      t.pass('after a remount');
    },
  ),
);

for (const [options, shown] of [
  ['squash_to_root', [0, 0]],
  ['squash_to_uid=33,squash_to_gid=34', [33, 34]],
  ['squash_to_root,squash_to_uid=33', [33, 0]],
] as const) {
  await t.test(`${options}: one owner for all`, (t) =>
    onEach(t, configs, { lowers, options }, async (m, t) => {
      for (const path of ['.', 'zero', 'five', 'far', 'shared', 'link']) t.same(await owner(m, path), shown, path);
      await ok(m.client.chown('zero', 7, 8));
      await ok(m.client.chown('link', 7, 8));
      t.same([await owner(m, 'zero'), onDisk(m, 'zero')], [shown, [7, 8]]);
      const user = await m.newClient('shared', 1000, 1001);
      await ok(user.put('made', 'x'));
      t.same(await owner(m, 'shared/made'), shown);
      await ok(m.client.put('five', 'y'));
      t.same(onDisk(m, 'five'), shown, 'a copy belongs to whom it is shown as');
    }),
  );
}
