// An idmapped bind of the mount (FUSE_ALLOW_IDMAP): ids shown, made and set through it are mapped by the
// kernel, and the rules that depend on who asks hold although most requests then come without ids.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Agent, hostAgent } from '../../support/agent.js';
import { chosen, native, nativeCached } from '../../support/configs.js';
import { fails, is, ok } from '../../support/expect.js';
import { O } from '../../support/linux.js';
import { type Mounted, onEach } from '../../support/mounts.js';
import { forceUnmount } from '../../support/server.js';
import { dir, file } from '../../support/tree.js';

const configs = chosen([native, nativeCached]);
const lowers = [
  {
    low: file('low', { uid: 5, gid: 6, mode: 0o640 }),
    shared: dir({}, { uid: 5, gid: 9, mode: 0o2777 }),
    open: dir({}, { mode: 0o777 }),
  },
];

/** Runs `body` with clients in an idmapped bind: ids of the mount from 0 on are shown from 10000 on. */
async function withIdmap(m: Mounted, body: (start: (uid?: number, gid?: number) => Promise<Agent>) => Promise<void>) {
  const target = join(m.base, 'idmapped');
  mkdirSync(target);
  const host = await hostAgent();
  await ok(host.idmapbind(m.root, target, '0 10000 1000', '0 20000 1000'));
  const agents: Agent[] = [];
  try {
    await body(async (uid, gid = 0) => {
      const agent = await Agent.start(target);
      agents.push(agent);
      if (uid !== undefined) await ok(agent.setids(uid, gid));
      return agent;
    });
  } finally {
    await Promise.all(agents.map((agent) => agent.stop()));
    await forceUnmount(target);
  }
}

async function owner(agent: Agent, path: string): Promise<number[]> {
  const st = await ok(agent.lstat(path));
  return [st.uid, st.gid];
}

await t.test('an idmapped bind: stat, creation, chown, copy-up, setgid directories', (t) =>
  onEach(t, configs, { lowers }, (m, t) =>
    withIdmap(m, async (start) => {
      const user = await start(10005, 20006);
      t.same(await owner(user, 'low'), [10005, 20006]);
      await is(user.cat('low'), 'low');
      await ok(user.put('open/file', 'x'));
      await ok(user.mkdir('open/dir', 0o755));
      await ok(user.symlink('x', 'open/link'));
      await ok(user.put('shared/file', 'x'));
      await ok(user.mkdir('shared/dir', 0o755));
      for (const name of ['file', 'dir', 'link']) {
        t.same(await owner(user, `open/${name}`), [10005, 20006], `${name} through the bind`);
        t.same(await owner(m.client, `open/${name}`), [5, 6], `${name} without`);
      }
      for (const name of ['file', 'dir']) t.same(await owner(m.client, `shared/${name}`), [5, 9], `setgid: ${name}`);
      t.equal((await ok(user.stat('shared/dir'))).mode & 0o7777, 0o2755);
      const tmp = await ok(user.open('open', O.TMPFILE | O.RDWR, 0o600));
      const st = await ok(user.fstat(tmp));
      t.same([st.uid, st.gid], [10005, 20006], 'O_TMPFILE');
      await ok(user.close(tmp));
      await ok(user.put('low', 'more', O.WRONLY | O.APPEND));
      t.same(await owner(m.client, 'low'), [5, 6], 'copied up by a writer');
      const root = await start();
      await ok(root.chown('low', 10007, 20008));
      t.same(await owner(m.client, 'low'), [7, 8]);
      await fails(root.chown('low', 7, 8), 'EINVAL', 'EOVERFLOW');
      await fails(root.put('open/unmapped', 'x'), 'EOVERFLOW');
      const stranger = await start(10001, 20001);
      await fails(stranger.cat('low'), 'EACCES');
      await m.forget();
      t.same(await owner(m.client, 'open/file'), [5, 6], 'after a forget');
    }),
  ),
);

await t.test('who asks still counts: trusted xattrs, setuid under a writer, setgid of a member', (t) => {
  const upper = {
    f: file('f', { mode: 0o666, xattrs: { 'trusted.t': 'x', 'user.u': 'y' } }),
    suid: file('s', { mode: 0o4777, uid: 3 }),
    sgid: file('g', { mode: 0o2766, uid: 3, gid: 50 }),
  };
  return onEach(t, configs, { lowers: [{}], upper }, async (m, t) => {
    const user = await m.newClient('.', 1000, 50);
    t.same(await user.listxattr('f'), ['user.u']);
    t.same([...((await m.client.listxattr('f')) as string[])].sort(), ['trusted.t', 'user.u']);
    const write = async (agent: Agent, path: string): Promise<number> => {
      const fd = await ok(agent.open(path, O.WRONLY));
      await ok(agent.pwrite(fd, 'w', 0));
      await ok(agent.close(fd));
      return (await ok(m.client.stat(path))).mode & 0o7777;
    };
    t.equal(await write(m.client, 'suid'), 0o4777, 'root keeps setuid');
    t.equal(await write(user, 'suid'), 0o777, 'a user does not');
    t.equal(await write(user, 'sgid'), 0o2766, 'a member keeps setgid without group execution');
    const stranger = await m.newClient('.', 1001, 1001);
    t.equal(await write(stranger, 'sgid'), 0o766, 'a stranger does not');
    // Root writes, then sets the bits on what it still holds open, as tar and install do.
    const fd = await ok(m.client.open('f', O.WRONLY | O.TRUNC));
    await ok(m.client.pwrite(fd, 'w', 0));
    await ok(m.client.fchmod(fd, 0o4755));
    await ok(m.client.close(fd));
    t.equal((await ok(m.client.stat('f'))).mode & 0o7777, 0o4755);
  });
});
