// Mounting: flags, option data, the way through fusermount3, and how refusals read.

import t from 'tap';
import { errno } from '../../lib/errno.js';
import { type MountRequest, mountFuse, unmountFuse } from '../../lib/session/mount.js';
import { FaultySyscalls } from '../support/faulty-syscalls.js';

const NODEV = 4;
const NOATIME = 1024;
const RELATIME = 1 << 21;
const STRICTATIME = 1 << 24;
const plain: MountRequest = {
  mountpoint: '/m',
  source: 'a,b',
  subtype: 'stratafs',
  readOnly: false,
  allowOther: true,
  uid: 7,
  gid: 8,
  flags: [],
};

interface Host {
  readonly faulty: FaultySyscalls;
  readonly mounts: [string, string, string, number, string][];
  readonly helped: [string, string][];
  readonly closed: number[];
}

/** mount(2) answers `direct`, the helper answers `helper`. */
function host(direct: number, helper: number | string = -errno.ENOENT): Host {
  const faulty = new FaultySyscalls();
  const made: Host = { faulty, mounts: [], helped: [], closed: [] };
  faulty.replace('openPath', () => 1000);
  faulty.replace('mount', ((...args: Host['mounts'][number]) => {
    made.mounts.push(args);
    return direct;
  }) as never);
  faulty.replace('fusermount', ((...args: Host['helped'][number]) => {
    made.helped.push(args);
    return helper;
  }) as never);
  faulty.syscalls.close = (fd) => made.closed.push(fd) * 0;
  return made;
}

const mount = (on: Host, more: Partial<MountRequest> = {}): number =>
  mountFuse(on.faulty.syscalls, { ...plain, ...more });

t.test('directly', async (t) => {
  const on = host(0);
  t.equal(mount(on), 1000);
  t.same(on.closed, []);
  const [source, target, type, flags, data] = on.mounts[0] as Host['mounts'][number];
  t.same([source, target, type, flags], ['a,b', '/m', 'fuse.stratafs', NODEV | NOATIME]);
  t.equal(data, 'fd=1000,rootmode=40000,user_id=7,group_id=8,default_permissions,allow_other');
});

t.test('flags over the defaults, the last word counts', async (t) => {
  const flagsOf = (...flags: string[]): number => {
    const on = host(0);
    mount(on, { flags });
    return on.mounts[0]?.[3] ?? -1;
  };
  t.equal(flagsOf('dev'), NOATIME);
  t.equal(flagsOf('dev', 'nodev'), NODEV | NOATIME);
  t.equal(flagsOf('atime'), NODEV);
  t.equal(flagsOf('relatime'), NODEV | RELATIME);
  t.equal(flagsOf('relatime', 'strictatime'), NODEV | STRICTATIME);
  t.equal(flagsOf('strictatime', 'nostrictatime', 'lazytime'), NODEV);
  t.equal(flagsOf('strictatime', 'noatime'), NODEV | NOATIME);
  t.equal(flagsOf('nosuid', 'noexec'), NODEV | NOATIME | 2 | 8);
  t.equal(flagsOf('sync', 'async'), NODEV | NOATIME);
  t.equal(flagsOf('dirsync'), NODEV | NOATIME | 128);
  const on = host(0);
  mount(on, { readOnly: true, allowOther: false });
  t.equal(on.mounts[0]?.[3], NODEV | NOATIME | 1);
  t.notMatch(on.mounts[0]?.[4], /allow_other/);
});

t.test('through the helper where mount(2) is not allowed', async (t) => {
  for (const refusal of [errno.EPERM, errno.EACCES]) {
    const on = host(-refusal, 77);
    t.equal(mount(on, { flags: ['noexec', 'dev'] }), 77);
    t.same(on.closed, [1000], 'the first descriptor goes');
    const options = 'default_permissions,fsname=a\\,b,subtype=stratafs,rw,allow_other,noatime,noexec';
    t.same(on.helped, [['/m', options]]);
  }
});

t.test('refusals', async (t) => {
  t.throws(() => mount(host(-errno.ENOENT)), {
    name: 'MountError',
    message: 'mountpoint /m: no such file or directory',
  });
  t.throws(() => mount(host(-errno.EPERM, 'fusermount3: not today\n')), {
    message: 'mountpoint /m: mount(2): operation not permitted; fusermount3: not today',
  });
  t.throws(() => mount(host(-errno.EPERM, -errno.ENOENT)), { message: /fusermount3: not found, install it/ });
});

t.test('a refusal of /dev/fuse is not told of the mountpoint or of mount(2)', async (t) => {
  const closed = (code: number): Host => {
    const on = host(0);
    on.faulty.replace('openPath', () => -code);
    return on;
  };
  t.throws(() => mount(closed(errno.ENOENT)), { message: '/dev/fuse: no such file or directory' });
  t.throws(() => mount(closed(errno.EACCES)), {
    message: /^mountpoint \/m: \/dev\/fuse: permission denied; fusermount3: not found/,
  });
});

t.test('unmount: a busy one goes from the tree', async (t) => {
  const on = host(0);
  const calls: [string, number][] = [];
  on.faulty.replace('umount', ((target: string, flags: number) => {
    calls.push([target, flags]);
    return calls.length === 1 ? -errno.EBUSY : 0;
  }) as never);
  unmountFuse(on.faulty.syscalls, '/m');
  t.same(calls, [
    ['/m', 8],
    ['/m', 10],
  ]);
});
