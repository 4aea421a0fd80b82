// The mechanisms by which other union filesystems, or the kernel beneath them, let users have more than
// they should: one test each, by the number of the advisory.

import { execFile } from 'node:child_process';
import { chown, mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { errno } from '../../../lib/errno.js';
import { mountFuse } from '../../../lib/session/mount.js';
import { syscalls } from '../../../lib/sys/syscalls.js';
import { namesIn } from '../../../lib/union/lookup.js';
import { hostAgent } from '../../support/agent.js';
import { chosen, native, nativeCached } from '../../support/configs.js';
import { fails, is, ok, yes } from '../../support/expect.js';
import { FaultySyscalls } from '../../support/faulty-syscalls.js';
import { MAP, O, PROT, S } from '../../support/linux.js';
import { type Mounted, onEach } from '../../support/mounts.js';
import { freshDirectory } from '../../support/paths.js';
import { FIRST_ID, roomsMissing, runInside } from '../../support/rooms.js';
import { mountTmpfs, unmountBelow } from '../../support/server.js';
import { dir, file, symlink as link, makeTree } from '../../support/tree.js';
import { unionTest } from '../../support/union-in-temp.js';
import { capability, capabilityOf } from './capability.js';

const run = promisify(execFile);
const configs = chosen([native, nativeCached]);
const OWNER = 1234;
const STRANGER = 4321;
const CAPABILITY = 'security.capability';
/** Ends with 3 when the shell has the capability. */
const seesCapability =
  'while read k v; do [ "$k" = CapEff: ] && [ "$v" = 0000000000000400 ] && exit 3; done </proc/$$/status; exit 4';

/** Nothing was copied up. */
async function untouched(m: Mounted): Promise<void> {
  const host = await hostAgent();
  await is(host.list(m.upper), []);
}

const noRoom = roomsMissing();
await t.test('in a user namespace', noRoom === undefined ? {} : { skip: noRoom }, async (t) => {
  const base = freshDirectory('cves');
  const host = await hostAgent();
  try {
    await mkdir(join(base, 'lower'));
    await makeTree(join(base, 'lower'), {
      '.': dir({}, { uid: FIRST_ID, gid: FIRST_ID }),
      suid: file('#!/bin/sh\n', { mode: 0o4755 }),
      mine: file('mine\n', { uid: FIRST_ID, gid: FIRST_ID, mode: 0o755 }),
      covered: dir({ secret: 'secret\n' }, { uid: FIRST_ID, gid: FIRST_ID }),
    });
    for (const name of ['upper', 'work']) {
      await mkdir(join(base, name));
      await chown(join(base, name), FIRST_ID, FIRST_ID);
    }
    await host.chmod(base, 0o755);
    await mountTmpfs(join(base, 'lower', 'covered'));
    await runInside(t, 'userns', 'mount/cves/inside-userns.js', base);
    await is(await host.list(join(base, 'upper')), ['mine']);
    await is(await host.getxattr(join(base, 'upper', 'mine'), CAPABILITY), capabilityOf(FIRST_ID));
  } finally {
    await unmountBelow(base);
    await rm(base, { recursive: true, force: true });
  }
});

await t.test('CVE-2021-3493: a capability of another namespace is copied up as that', (t) =>
  onEach(
    t,
    configs,
    { lowers: [{ f: file('f\n', { mode: 0o755, xattrs: { [CAPABILITY]: capabilityOf(77_000) } }) }] },
    async (m) => {
      await ok(m.client.chmod('f', 0o711));
      await is((await hostAgent()).getxattr(`${m.upper}/f`, CAPABILITY), capabilityOf(77_000));
    },
  ),
);

await t.test('CVE-2023-2640, CVE-2023-32629: users set no capabilities and no marks', (t) =>
  onEach(t, configs, { lowers: [{ mine: file('x', { uid: OWNER }), theirs: file('x') }] }, async (m) => {
    const user = await m.newClient('.', OWNER);
    for (const path of ['mine', 'theirs']) {
      await fails(user.setxattr(path, CAPABILITY, capability), 'EPERM');
      await fails(user.setxattr(path, 'trusted.overlay.metacopy', ''), 'EPERM');
      await fails(user.setxattr(path, 'trusted.overlay.redirect', '/theirs'), 'EPERM');
    }
    await untouched(m);
    await ok(user.chmod('mine', 0o755));
    await is((await hostAgent()).getxattr(`${m.upper}/mine`, CAPABILITY), -errno.ENODATA);
  }),
);

await t.test('CVE-2021-3847: a capability of a nosuid layer gets no effect', (t) =>
  onEach(t, configs, { lowers: [{ sh: file('', { mode: 0o755 }) }], tmpfs: [0] }, async (m) => {
    const host = await hostAgent();
    const lower = `${m.lower}/sh`;
    await m.unmount();
    await run('cp', ['/bin/dash', lower]);
    await ok(host.setxattr(lower, CAPABILITY, capability));
    await run('mount', ['-o', 'remount,nosuid', m.lower]);
    await m.mount();
    const user = await m.newClient('.', OWNER);
    await fails(m.client.getxattr('sh', CAPABILITY), 'ENODATA');
    await is(m.client.listxattr('sh'), []);
    await is(user.exec('./sh', '-c', seesCapability), 4);
    await ok(m.client.chmod('sh', 0o711));
    await fails(host.getxattr(`${m.upper}/sh`, CAPABILITY), 'ENODATA');
    await is(user.exec('./sh', '-c', seesCapability), 4);
    await ok(m.client.setxattr('sh', CAPABILITY, capability));
    await is(user.exec('./sh', '-c', seesCapability), 3);
    // For the comparison at the end: the lower is what it was before.
    await m.unmount();
    await run('mount', ['-o', 'remount,suid', m.lower]);
    await m.mount();
    await ok(m.client.unlink('sh'));
    await m.unmount();
    await ok(host.removexattr(lower, CAPABILITY));
    await ok(host.truncate(lower, 0));
    await ok(host.utimens(lower, 1_500_000_000_123_456_789n, 1_500_000_000_123_456_789n));
    await m.mount();
  }),
);

await t.test('CVE-2020-16120: who may not read or write copies nothing up', (t) =>
  onEach(
    t,
    configs,
    {
      lowers: [
        {
          closed: dir({ f: 'f\n' }, { mode: 0o700 }),
          secret: file('secret\n', { mode: 0o600 }),
          dropbox: file('kept\n', { mode: 0o622 }),
        },
      ],
    },
    async (m) => {
      const user = await m.newClient('.', OWNER);
      for (const path of ['closed/f', 'secret']) {
        await fails(user.open(path, O.RDONLY), 'EACCES');
        await fails(user.open(path, O.WRONLY), 'EACCES');
        await fails(user.truncate(path, 0), 'EACCES');
      }
      await untouched(m);
      await ok(user.put('dropbox', 'more\n', O.WRONLY | O.APPEND));
      await fails(user.open('dropbox', O.RDONLY), 'EACCES');
      await fails(user.open('dropbox', O.RDWR), 'EACCES');
    },
  ),
);

await t.test('CVE-2015-1328: nothing is made in a directory that the user may not write', (t) =>
  onEach(t, configs, { lowers: [{ d: dir({ f: 'f\n' }), 'f.own': file('x', { uid: OWNER }) }] }, async (m) => {
    const user = await m.newClient('.', OWNER);
    await fails(user.put('d/new', 'x'), 'EACCES');
    await fails(user.mkdir('d/new'), 'EACCES');
    await fails(user.symlink('x', 'd/new'), 'EACCES');
    await fails(user.mknod('d/new', S.IFIFO | 0o600), 'EACCES');
    await fails(user.mknod('d/new', S.IFCHR, 0, 0), 'EACCES');
    await fails(user.link('f.own', 'd/new'), 'EACCES');
    await fails(user.rename('f.own', 'd/new'), 'EACCES');
    await fails(user.open('d', O.WRONLY | O.TMPFILE), 'EACCES');
    await fails(user.unlink('d/f'), 'EACCES');
    await untouched(m);
  }),
);

await t.test('CVE-2015-8660: attributes are changed by the owner', (t) =>
  onEach(t, configs, { lowers: [{ f: file('f\n', { uid: OWNER, mode: 0o644 }) }] }, async (m) => {
    const user = await m.newClient('.', STRANGER);
    await fails(user.chmod('f', 0o4777), 'EPERM');
    await fails(user.chown('f', STRANGER, -1), 'EPERM');
    await fails(user.truncate('f', 0), 'EACCES');
    await fails(user.utimens('f', 1n, 1n), 'EPERM');
    await fails(user.setxattr('f', 'user.a', 'b'), 'EACCES');
    await untouched(m);
    await is((await ok(m.client.stat('f'))).mode, S.IFREG | 0o644);
  }),
);

await t.test('CVE-2026-46054: noexec holds for mappings, passed through or not', (t) =>
  onEach(
    t,
    configs,
    { lowers: [{}], upper: { f: file('f'.repeat(4096), { mode: 0o755 }) }, options: 'noexec' },
    async (m) => {
      const fd = await ok(m.client.open('f', O.RDWR));
      await fails(m.client.mmap(fd, 4096, PROT.READ | PROT.EXEC, MAP.PRIVATE), 'EPERM');
      await ok(m.client.mmap(fd, 4096, PROT.READ | PROT.WRITE, MAP.SHARED));
      await fails(m.client.exec('./f'), 'EACCES');
    },
  ),
);

const longNames = new FaultySyscalls();
unionTest(
  t,
  'CVE-2026-31694: no listed name is longer than 255 bytes',
  { lowers: [{ f: 'f' }], sys: longNames.syscalls },
  (t, w) => {
    longNames.replace('readNames', ((...args: Parameters<typeof syscalls.readNames>) => {
      const [, into, from] = args;
      const at = from + syscalls.readNames(...args);
      const record = Buffer.alloc(280);
      record.writeUInt32LE(5, 0);
      record.writeUInt16LE(record.length, 16);
      record[18] = 8;
      record.write('x'.repeat(256), 19);
      into.set(record, at);
      return at + record.length - from;
    }) as never);
    t.same(
      [...namesIn(w.u, w.u.root).entries.named()].map(([name]) => name),
      ['f'],
    );
  },
);

await t.test('CVE-2018-10906, CVE-2022-1011: a name of a layer brings no allow_other along', async (t) => {
  const faulty = new FaultySyscalls();
  let given = '';
  faulty.replace('openPath', () => 1000);
  faulty.replace('close', () => 0);
  faulty.replace('mount', () => -errno.EPERM);
  faulty.replace('fusermount', ((_target: string, options: string) => {
    given = options;
    return 5;
  }) as never);
  const source = 'x,allow_other\\,allow_other,fsname=\\';
  mountFuse(faulty.syscalls, {
    mountpoint: '/m',
    source,
    subtype: 'stratafs',
    readOnly: false,
    allowOther: false,
    uid: OWNER,
    gid: OWNER,
    flags: [],
  });
  const words = given.split(/(?<!(?:^|[^\\])(?:\\\\)*\\),/);
  t.notOk(words.includes('allow_other'), given);
  t.ok(words.includes('default_permissions'));
});

await t.test('a layer that is changed to symlinks while it is used leads nowhere else', (t) =>
  onEach(
    t,
    configs,
    {
      lowers: [{ d: dir({ sub: dir({ f: 'f\n' }), file: 'file\n' }), top: 'top\n', e: dir({ g: dir({ h: 'h\n' }) }) }],
    },
    async (m) => {
      const outside = `${m.base}/outside`;
      await mkdir(join(outside, 'sub'), { recursive: true });
      for (const name of ['f', 'file', 'sub/f', 'top', 'h']) await writeFile(join(outside, name), 'outside\n');
      const swap = async (path: string): Promise<void> => {
        await rename(`${m.lower}/${path}`, `${m.base}/kept-${path.replace('/', '-')}`);
        await symlink(path.includes('/') || path === 'd' ? outside : join(outside, path), `${m.lower}/${path}`);
      };
      const restore = async (path: string): Promise<void> => {
        await rm(`${m.lower}/${path}`);
        await rename(`${m.base}/kept-${path.replace('/', '-')}`, `${m.lower}/${path}`);
      };
      // Known to the driver, not yet opened: a directory, a file, and a directory below one that is open.
      await ok(m.client.lstat('d'));
      await ok(m.client.lstat('top'));
      await is(m.client.list('e'), ['g']);
      // Whoever forgets them looks again, finds a symlink, and may follow it as its own.
      const held = await Promise.all(['d', 'top', 'e/g'].map((path) => ok(m.client.open(path, O.PATH))));
      const host = await hostAgent();
      const times = await Promise.all(['.', 'e'].map(async (path) => ok(host.stat(`${m.lower}/${path}`))));
      for (const path of ['d', 'top', 'e/g']) await swap(path);
      for (const path of ['d/file', 'd/sub/f', 'top', 'e/g/h', 'e/g/f']) {
        const found = await m.client.cat(path);
        yes(found !== 'outside\n', `${path} shows what is outside`);
        yes(typeof (await m.client.put(path, 'written')) === 'number', path);
      }
      for (const path of ['d', 'e/g']) {
        const names = await m.client.list(path);
        yes(typeof names === 'number' || !names.includes('top'), `${path} lists what is outside: ${names}`);
      }
      for (const name of ['f', 'file', 'sub/f', 'top', 'h']) await is(host.cat(join(outside, name)), 'outside\n');
      for (const fd of held) await m.client.close(fd);
      for (const path of ['d', 'top', 'e/g']) await restore(path);
      for (const [at, path] of ['.', 'e'].entries()) {
        const st = times[at] as { mtime: bigint };
        await ok(host.utimens(`${m.lower}/${path}`, st.mtime, st.mtime));
      }
    },
  ),
);

await t.test('a redirect leads nowhere but down the layers', (t) =>
  onEach(
    t,
    configs,
    {
      lowers: [{ target: dir({ secret: 'secret\n' }), link: link('target') }],
      upper: {
        up: dir({}, { xattrs: { 'trusted.overlay.redirect': '/../../../../etc' } }),
        dots: dir({}, { xattrs: { 'trusted.overlay.redirect': '/target/../../..' } }),
        slash: dir({}, { xattrs: { 'trusted.overlay.redirect': 'target/..' } }),
        through: dir({}, { xattrs: { 'trusted.overlay.redirect': '/link' } }),
        parent: dir({}, { xattrs: { 'trusted.overlay.redirect': '..' } }),
      },
    },
    async (m) => {
      for (const path of ['up', 'dots', 'slash', 'parent']) {
        const names = await m.client.list(path);
        yes(typeof names === 'number' || names.length === 0, `${path} shows ${names}`);
      }
      await is(m.client.list('through'), []);
    },
  ),
);
