// Names that are made and removed without JavaScript act as on kernel overlayfs, whatever is done to them next.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import t from 'tap';
import type { Agent } from '../../support/agent.js';
import { chosen, kernel, native, nativeCached } from '../../support/configs.js';
import { fails, ok } from '../../support/expect.js';
import { O } from '../../support/linux.js';
import { type Mounted, onEach } from '../../support/mounts.js';
import { dir, type TreeSpec } from '../../support/tree.js';

const run = promisify(execFile);
/** So many are changed, and so many of those without JavaScript at least: what else runs here may make the kernel forget. */
const [MANY, SOME] = [20, 5];
const configs = chosen([kernel, native, nativeCached]);
const files = (from: number, to: number): TreeSpec =>
  Object.fromEntries(Array.from({ length: to - from }, (_, at) => [`f${from + at}`, `${from + at}`]));
const layers = {
  lowers: [{ low: dir(files(0, 40)), both: dir(files(0, 10)) }, { low: dir(files(30, 60)) }],
  upper: { up: dir({}), both: dir({ own: 'own' }) },
};
const NEW = O.RDWR | O.CREAT | O.EXCL;

/** From now on names of `path` change without JavaScript: what users did there has made it a mirror of which is known what it lacks. */
async function begun(a: Agent, path: string): Promise<void> {
  for (const name of ['first', 'second']) {
    await fails(a.stat(`${path}/${name}`), 'ENOENT');
    await ok(a.close(await ok(a.open(`${path}/${name}`, NEW))));
    await ok(a.stat(path));
  }
}

/** How many were made and removed so. */
async function counts({ config, stats }: Mounted, self: Mounted): Promise<{ created: number; removed: number } | null> {
  if (config === kernel) return null;
  const { created = 0, removed = 0 } = await stats.call(self);
  return { created, removed };
}

/** Runs `body`, in which so many names at least are made and removed without JavaScript. */
async function without(t: Tap, m: Mounted, created: number, removed: number, body: () => Promise<void>): Promise<void> {
  const before = await counts(m, m);
  await body();
  const after = await counts(m, m);
  if (before === null || after === null) return;
  t.ok(after.created - before.created >= created, `${after.created - before.created} were made`);
  t.ok(after.removed - before.removed >= removed, `${after.removed - before.removed} were removed`);
}
type Tap = Parameters<Parameters<typeof onEach>[3]>[1];

async function shown(a: Agent, path: string) {
  const { mode, uid, gid, nlink, size } = await ok(a.lstat(path));
  return { mode, uid, gid, nlink, size: Number(size) };
}

await t.test('what is made is what was asked for', (t) =>
  onEach(t, configs, layers, async (m, t) => {
    const a = m.client;
    for (const path of ['up', 'both']) {
      await begun(a, path);
      await without(t, m, SOME, 0, async () => {
        await ok(a.umask(0o027));
        await ok(a.close(await ok(a.open(`${path}/masked`, NEW, 0o666))));
        await ok(a.mkdir(`${path}/dir`, 0o1777));
        await ok(a.umask(0));
        await ok(a.close(await ok(a.open(`${path}/open`, NEW, 0o666))));
        await ok(a.symlink('f\xffar/away', `${path}/link`));
        await ok(a.mkdir(`${path}/${'l'.repeat(255)}`));
        for (let at = 0; at < MANY; at += 1) await ok(a.symlink('x', `${path}/x${at}`));
      });
      t.match(await shown(a, `${path}/masked`), { mode: 0o100640, uid: 0, gid: 0, nlink: 1, size: 0 });
      t.match(await shown(a, `${path}/open`), { mode: 0o100666 });
      t.match(await shown(a, `${path}/dir`), { mode: 0o41750 });
      t.equal(await ok(a.readlink(`${path}/link`)), 'f\xffar/away');
      await fails(a.mkdir(`${path}/dir`), 'EEXIST');
      await fails(a.open(`${path}/masked`, NEW), 'EEXIST');
      await ok(a.put(`${path}/dir/inside`, 'inside'));
      const names = (await ok(a.list(path))).sort();
      for (const name of ['dir', 'first', 'link', 'masked', 'open', 'second']) t.ok(names.includes(name), name);
    }
    await m.forget();
    t.match(await shown(a, 'up/masked'), { mode: 0o100640 });
    await m.remount();
    t.equal(await ok(m.client.cat('both/dir/inside')), 'inside');
    t.same(await m.tree(), await m.kernelTree());
  }),
);

await t.test('what the host hands down comes along', (t) =>
  onEach(t, configs, layers, async (m, t) => {
    const a = m.client;
    await ok(a.chown('up', 0, 77));
    await ok(a.chmod('up', 0o2777));
    await begun(a, 'up');
    await ok(a.close(await ok(a.open('up/f', NEW, 0o644))));
    await ok(a.mkdir('up/d', 0o755));
    t.match(await shown(a, 'up/f'), { mode: 0o100644, gid: 77 });
    t.match(await shown(a, 'up/d'), { mode: 0o42755, gid: 77 });
    await run('setfacl', ['-d', '-m', 'u:5:rwx,m::rwx', `${m.root}/both`]);
    await begun(a, 'both');
    await ok(a.umask(0o077));
    await ok(a.close(await ok(a.open('both/acl', NEW, 0o666))));
    t.match(await shown(a, 'both/acl'), { mode: 0o100664 }, 'a default ACL stands for the mask');
    t.match((await run('getfacl', ['-nc', `${m.root}/both/acl`])).stdout, /^user:5:rwx/m);
    await ok(a.close(await ok(a.open('both/setuid', NEW, 0o4755))));
    t.match(await shown(a, 'both/setuid'), { mode: 0o104755 });
    const b = await m.newClient('both', 1000);
    await fails(b.open('not mine', NEW), 'EACCES');
    await ok(a.chmod('both', 0o777));
    await ok(b.close(await ok(b.open('mine', NEW, 0o600))));
    t.match(await shown(a, 'both/mine'), { uid: 1000, gid: 1000 });
  }),
);

await t.test('a file that was just made', (t) =>
  onEach(t, configs, layers, async (m, t) => {
    const a = m.client;
    await begun(a, 'up');
    const fd = await ok(a.open('up/new', NEW, 0o600));
    await ok(a.write(fd, 'twelve bytes'));
    await ok(a.fsync(fd));
    t.match(await shown(a, 'up/new'), { size: 12 });
    const second = await ok(a.open('up/new', O.RDWR));
    await ok(a.pwrite(second, 'T', 0));
    t.equal(await ok(a.pread(fd, 6, 0)), 'Twelve');
    await ok(a.close(fd));
    await ok(a.write(second, 'T'));
    const map = await ok(a.mmap(second, 12, 3, 1));
    await ok(a.close(second));
    await ok(a.mapwrite(map, 0, 'X'));
    await ok(a.munmap(map));
    t.equal(await ok(a.cat('up/new')), 'Xwelve bytes');
    for (const [mode, uid] of [[0o640, 7] as const, [0o4711, 8] as const]) {
      await ok(a.chown('up/new', uid, uid));
      await ok(a.chmod('up/new', mode));
      t.match(await shown(a, 'up/new'), { mode: 0o100000 | mode, uid });
    }
    await ok(a.utimens('up/new', 1n, 2_000_000_000n));
    t.equal((await ok(a.stat('up/new'))).mtime, 2_000_000_000n);
    await ok(a.truncate('up/new', 3));
    await ok(a.setxattr('up/new', 'user.x', 'y'));
    await ok(a.link('up/new', 'up/other'));
    t.match(await shown(a, 'up/new'), { size: 3, nlink: 2 });
    await ok(a.rename('up/new', 'both/moved'));
    await ok(a.unlink('up/other'));
    t.match(await shown(a, 'both/moved'), { size: 3, nlink: 1 });
    t.equal(await ok(a.getxattr('both/moved', 'user.x')), 'y');
    await ok(a.unlink('both/moved'));
    await fails(a.stat('both/moved'), 'ENOENT');
  }),
);

await t.test('attributes of what was closed are the host’s own', (t) =>
  onEach(t, configs, layers, async (m, t) => {
    const a = m.client;
    await begun(a, 'up');
    for (const name of ['a', 'b', 'c', 'd', 'e']) await ok(a.put(`up/${name}`, name));
    await ok(a.chmod('up/a', 0o640));
    await ok(a.chown('up/a', 1, 2));
    await ok(a.utimens('up/a', 5n, 6n));
    t.match(await shown(a, 'up/a'), { mode: 0o100640, uid: 1, gid: 2, size: 1 });
    await ok(a.rename('up/b', 'up/a'));
    t.equal(await ok(a.cat('up/a')), 'b');
    t.match(await shown(a, 'up/a'), { mode: 0o100644, uid: 0 });
    await ok(a.rename('up/c', 'up/d', 2));
    t.same([await ok(a.cat('up/c')), await ok(a.cat('up/d'))], ['d', 'c']);
    await ok(a.put('up/e', 'much longer'));
    t.match(await shown(a, 'up/e'), { size: 11 });
    const held = await ok(a.open('up/e', O.PATH));
    await ok(a.unlink('up/e'));
    await ok(a.put('up/e', 'another'));
    t.match(await ok(a.fstat(held)), { nlink: 0 });
    t.match(await shown(a, 'up/e'), { nlink: 1, size: 7 });
    await ok(a.close(held));
    t.same((await ok(a.list('up'))).filter((name) => name.length === 1).sort(), ['a', 'c', 'd', 'e']);
  }),
);

await t.test('what is removed stays for those who have it open', (t) =>
  onEach(t, configs, layers, async (m, t) => {
    const a = m.client;
    await begun(a, 'up');
    await begun(a, 'low');
    for (let at = 0; at < 40; at += 1) await ok(a.access(`low/f${at}`, 0));
    const own = await ok(a.open('up/held', NEW));
    const lower = await ok(a.open('low/f1', O.RDONLY));
    const path = await ok(a.open('low/f2', O.PATH));
    await ok(a.write(own, 'held'));
    await ok(a.unlink('low/f0'));
    await without(t, m, 0, SOME, async () => {
      await ok(a.unlink('up/held'));
      for (let at = 1; at <= MANY; at += 1) await ok(a.unlink(`low/f${at}`));
    });
    t.match(await ok(a.fstat(own)), { nlink: 0 });
    for (const fd of [lower, path]) t.equal((await ok(a.fstat(fd))).size, 1);
    t.equal(await ok(a.pread(own, 9, 0)), 'held');
    t.equal(await ok(a.pread(lower, 9, 0)), '1');
    for (const fd of [own, lower, path]) await ok(a.close(fd));
    for (const name of ['up/held', 'low/f1', 'low/f2', 'low/f3']) {
      await fails(a.stat(name), 'ENOENT');
      await fails(a.unlink(name), 'ENOENT');
    }
    await ok(a.put('low/f1', 'again'));
    await ok(a.mkdir('low/f2'));
    await ok(a.put('up/held', 'again'));
    t.equal((await ok(a.list('low'))).length, 60 + 2 - (1 + MANY) + 2);
    await m.forget();
    await fails(a.stat('low/f3'), 'ENOENT');
    t.same(await ok(a.list('low/f2')), []);
    await m.remount();
    t.equal(await ok(m.client.cat('low/f1')), 'again');
    t.same(await m.tree(), await m.kernelTree());
  }),
);

await t.test('a name that was removed is made again', (t) =>
  onEach(t, configs, layers, async (m, t) => {
    const a = m.client;
    for (const path of ['up', 'low', 'both']) {
      await begun(a, path);
      await without(t, m, SOME, SOME, async () => {
        for (let round = 0; round < MANY; round += 1) {
          await ok(a.put(`${path}/again`, `${round}`));
          t.equal(await ok(a.cat(`${path}/again`)), `${round}`);
          await ok(a.unlink(`${path}/again`));
          await ok(a.mkdir(`${path}/again`));
          await ok(a.rmdir(`${path}/again`));
        }
      });
    }
    t.same(await m.tree(), await m.kernelTree());
  }),
);

await t.test('protected directories and files', (t) =>
  onEach(t, configs, layers, async (m) => {
    const a = m.client;
    await begun(a, 'up');
    await ok(a.put('up/f', 'f'));
    await run('chattr', ['+i', `${m.root}/up/f`]);
    await fails(a.unlink('up/f'), 'EPERM');
    await fails(a.chmod('up/f', 0o600), 'EPERM');
    await run('chattr', ['-i', `${m.root}/up/f`]);
    await run('chattr', ['+a', `${m.root}/up`]);
    await ok(a.put('up/g', 'g'));
    await fails(a.unlink('up/g'), 'EPERM');
    await run('chattr', ['-a', `${m.root}/up`]);
    await run('chattr', ['+i', `${m.root}/up`]);
    await fails(a.open('up/h', NEW), 'EPERM');
    await fails(a.unlink('up/g'), 'EPERM');
    await run('chattr', ['-i', `${m.root}/up`]);
    await ok(a.unlink('up/g'));
    await ok(a.unlink('up/f'));
  }),
);

await t.test('a directory that goes while names are made in it', (t) =>
  onEach(t, configs, layers, async (m, t) => {
    const a = m.client;
    const inside = await m.newClient('up');
    await begun(a, 'up');
    await ok(a.rename('up', 'moved'));
    await ok(inside.close(await ok(inside.open('here', NEW))));
    await ok(inside.mkdir('sub'));
    t.same((await ok(a.list('moved'))).sort(), ['first', 'here', 'second', 'sub']);
    for (const name of ['first', 'second', 'here']) await ok(inside.unlink(name));
    await ok(a.rmdir('moved/sub'));
    await ok(a.rmdir('moved'));
    await fails(inside.open('late', NEW), 'ENOENT');
    await fails(inside.mkdir('late'), 'ENOENT');
    await fails(inside.symlink('x', 'late'), 'ENOENT');
  }),
);

await t.test('more at once than are written down', (t) =>
  onEach(t, configs, layers, async (m, t) => {
    const script = `
      cd "$1/up" || exit 1
      for round in 1 2 3; do
        seq 700 | xargs touch
        seq -f d%g 300 | xargs mkdir
        seq 700 | xargs rm
        seq -f d%g 300 | xargs rmdir
        seq 300 | xargs touch
        cd ../low && rm -f f* && cd ../up
      done`;
    await begun(m.client, 'up');
    await Promise.all([
      run('sh', ['-c', script, 'sh', m.root]),
      run('sh', [
        '-c',
        `cd "$1/both" && for i in $(seq 400); do echo $i >n$i && mv n$i m$i && rm m$i; done`,
        'sh',
        m.root,
      ]),
    ]);
    t.equal((await ok(m.client.list('up'))).length, 302);
    t.same((await ok(m.client.list('low'))).length, 0);
    t.same((await ok(m.client.list('both'))).length, 11);
    t.same(await m.tree(), await m.kernelTree());
  }),
);
