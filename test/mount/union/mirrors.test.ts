// What is answered for without JavaScript looks, and acts, as on the host's own filesystem: files while they are made, and the
// directories that they are made in.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import t from 'tap';
import type { Agent } from '../../support/agent.js';
import { chosen, kernel, native, nativeCached } from '../../support/configs.js';
import { fails, ok } from '../../support/expect.js';
import { O } from '../../support/linux.js';
import { onEach } from '../../support/mounts.js';
import { dir } from '../../support/tree.js';

const run = promisify(execFile);
const configs = chosen([kernel, native, nativeCached]);
const layers = { lowers: [{ low: dir({ f: 'lower', g: 'lower' }) }], upper: { up: dir({}) } };

async function shown(a: Agent, path: string) {
  const { mode, uid, gid, nlink, size, mtime } = await ok(a.stat(path));
  return { mode: mode & 0o7777, uid, gid, nlink, size: Number(size), mtime };
}

await t.test('a file that is being made', (t) =>
  onEach(t, configs, layers, async (m, t) => {
    const a = m.client;
    const fd = await ok(a.open('up/new', O.RDWR | O.CREAT | O.EXCL, 0o600));
    await ok(a.write(fd, 'twelve bytes'));
    await ok(a.chmod('up/new', 0o640));
    await ok(a.chown('up/new', 7, 8));
    await ok(a.utimens('up/new', 3_000_000_000n, -5_000_000_000n));
    const after = { mode: 0o640, uid: 7, gid: 8, nlink: 1, size: 12, mtime: -5_000_000_000n };
    t.match(await shown(a, 'up/new'), after);
    await ok(a.link('up/new', 'up/other'));
    await ok(a.rename('up/new', 'up/moved'));
    t.match(await shown(a, 'up/other'), { ...after, nlink: 2 });
    await ok(a.chmod('up/moved', 0o4755));
    t.match(await shown(a, 'up/other'), { mode: 0o4755 });
    await ok(a.chown('up/moved', 9, 9));
    t.match(await shown(a, 'up/other'), { mode: 0o755, uid: 9 }, 'the host takes setuid away');
    await ok(a.unlink('up/other'));
    await ok(a.unlink('up/moved'));
    await ok(a.futimens(fd, 1n, 2_000_000_000n));
    t.match(await ok(a.fstat(fd)), { nlink: 0, mtime: 2_000_000_000n });
    await ok(a.close(fd));
  }),
);

await t.test('flags that protect it count at once', (t) =>
  onEach(t, configs, layers, async (m) => {
    const a = m.client;
    const fd = await ok(a.open('up/new', O.RDWR | O.CREAT | O.EXCL, 0o600));
    await ok(a.chmod('up/new', 0o644));
    await run('chattr', ['+i', `${m.root}/up/new`]);
    await fails(a.chmod('up/new', 0o600), 'EPERM');
    await fails(a.utimens('up/new', 1n, 1n), 'EPERM');
    await run('chattr', ['-i', `${m.root}/up/new`]);
    await ok(a.chmod('up/new', 0o600));
    await ok(a.chmod('up', 0o700));
    await run('chattr', ['+i', `${m.root}/up`]);
    await fails(a.chmod('up', 0o755), 'EPERM');
    await run('chattr', ['-i', `${m.root}/up`]);
    await ok(a.close(fd));
  }),
);

await t.test('a directory in which names are made and copies appear', (t) =>
  onEach(t, configs, layers, async (m, t) => {
    const a = m.client;
    const before = await ok(a.stat('low'));
    await ok(a.put('low/f', 'changed'));
    const copied = await ok(a.stat('low'));
    t.equal(copied.mtime, before.mtime, 'a copy shows in no time');
    await ok(a.mkdir('low/made', 0o755));
    const made = await ok(a.stat('low'));
    t.ok(made.mtime > before.mtime);
    await ok(a.utimens('low', 1_000_000_000n, 2_000_000_000n));
    t.equal((await ok(a.stat('low'))).mtime, 2_000_000_000n);
    await ok(a.put('low/g', 'changed'));
    t.equal((await ok(a.stat('low'))).mtime, 2_000_000_000n);
    await ok(a.rmdir('low/made'));
    t.ok((await ok(a.stat('low'))).mtime > made.mtime);
    await ok(a.chmod('low', 0o2711));
    await ok(a.chown('low', 3, 4));
    t.match(await shown(a, 'low'), { mode: 0o2711, uid: 3, gid: 4 });
  }),
);
