// Every call by name or descriptor against real files, with its error answers.

import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, lstatSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { errno } from '../../lib/errno.js';
import * as c from '../../lib/sys/constants.js';
import { STAT_WORDS, Stat, W } from '../../lib/sys/stat.js';
import { syscalls as sys } from '../../lib/sys/syscalls.js';
import { bytes, inTempDir, text } from './native-util.js';

const NEW = c.O_RDWR | c.O_CREAT | c.O_EXCL;
const none: string[] = [];

function put(dirfd: number, name: string, data: string): void {
  const fd = sys.openAt(dirfd, name, NEW, 0o644);
  sys.pwrite(fd, bytes(data), 0);
  sys.close(fd);
}

test('opens', async (t) => {
  const left = inTempDir((dir, d) => {
    put(d, 'f', 'hello');
    symlinkSync('f', join(dir, 'link'));
    mkdirSync(join(dir, 'sub'));
    t.equal(sys.openAt(d, 'f', NEW, 0o600), -errno.EEXIST);
    t.equal(sys.openAt(d, 'none', c.O_RDONLY, 0), -errno.ENOENT);
    t.equal(sys.openAt(d, 'link', c.O_RDONLY, 0), -errno.ELOOP);
    t.equal(sys.openAt(d, '..', c.O_RDONLY, 0), -errno.EXDEV, 'never above the directory');
    t.equal(sys.openAt(d, '/etc/passwd', c.O_RDONLY, 0), -errno.EXDEV);
    t.equal(sys.openAt(d, 'a\0b', c.O_RDONLY, 0), -errno.EINVAL);
    t.equal(sys.openAt(d, '\u0142', c.O_RDONLY, 0), -errno.EINVAL, 'not a byte string');
    t.equal(sys.openAt(d, 'x'.repeat(256), c.O_RDONLY, 0), -errno.ENAMETOOLONG);
    t.equal(sys.openAt(d, 'x'.repeat(5000), c.O_RDONLY, 0), -errno.ENAMETOOLONG);
    t.equal(sys.openAt(9999, 'f', c.O_RDONLY, 0), -errno.EBADF);
    t.equal(sys.openPath(join(dir, 'none'), c.O_RDONLY), -errno.ENOENT);
    const link = sys.openAt(d, 'link', c.O_PATH | c.O_NOFOLLOW | c.O_LARGEFILE, 0);
    t.ok(link >= 0, 'O_PATH of the symlink itself');
    t.equal(sys.readlinkAt(link, ''), 'f');
    const path = sys.openAt(d, 'f', c.O_PATH, 0);
    const file = sys.reopen(path, c.O_RDONLY | c.O_NOFOLLOW);
    const into = new Uint8Array(16);
    t.equal(sys.pread(file, into, 1), 4);
    t.equal(text(into.subarray(0, 4)), 'ello');
    const again = sys.dup(file);
    t.match(readFileSync(`/proc/self/fdinfo/${again}`, 'utf8'), /flags:\s+02/, 'close-on-exec');
    const sub = sys.openAt(d, 'sub', c.O_RDONLY | c.O_DIRECTORY, 0);
    const itself = sys.openAt(sub, '', c.O_RDONLY | c.O_DIRECTORY, 0);
    for (const fd of [link, path, file, again, sub, itself]) t.equal(sys.close(fd), 0);
    t.equal(sys.close(file), -errno.EBADF);
    t.equal(sys.dup(file), -errno.EBADF);
    t.throws(() => sys.openAt('1' as unknown as number, 'f', 0, 0), TypeError);
    t.throws(() => sys.openAt(d, 1 as unknown as string, 0, 0), { message: 'argument 2 must be a string' });
  });
  t.same(left, none);
});

test('an open does not cross a mount', async (t) => {
  const root = sys.openPath('/', c.O_RDONLY | c.O_DIRECTORY);
  t.equal(sys.openAt(root, 'proc', c.O_PATH, 0), -errno.EXDEV);
  sys.close(root);
});

test('a temporary file is linked into place', async (t) => {
  const left = inTempDir((dir, d) => {
    const fd = sys.openAt(d, '', c.O_TMPFILE | c.O_RDWR, 0o640);
    t.ok(fd >= 0);
    sys.pwrite(fd, bytes('late'), 0);
    t.equal(sys.linkAt(fd, '', d, 'published'), 0);
    t.equal(sys.linkAt(fd, '', d, 'published'), -errno.EEXIST);
    t.equal(readFileSync(join(dir, 'published'), 'utf8'), 'late');
    sys.close(fd);
    const path = sys.openAt(d, 'published', c.O_PATH, 0);
    t.equal(sys.linkAt(path, '', d, 'second'), 0);
    t.equal(sys.linkAt(d, 'second', d, 'third'), 0);
    t.equal(statSync(join(dir, 'third')).nlink, 3);
    sys.close(path);
  });
  t.same(left, none);
});

test('stat, one and many', async (t) => {
  const left = inTempDir((dir, d) => {
    put(d, 'f', 'hello');
    const st = new Stat();
    t.equal(sys.statAt(d, 'f', st), 0);
    const host = lstatSync(join(dir, 'f'), { bigint: true });
    t.equal(BigInt(st.inoHigh) * 2n ** 32n + BigInt(st.inoLow), host.ino);
    t.equal(st.size, 5);
    t.equal(st.mode, Number(host.mode));
    t.equal(st.nlink, 1);
    t.equal(BigInt(st.words[W.mtimeNsec] as number), host.mtimeNs % 1_000_000_000n);
    t.equal(BigInt(st.words[W.mtime] as number), host.mtimeNs / 1_000_000_000n);
    t.equal(BigInt(st.dev), host.dev, 'small device numbers are encoded alike');
    t.ok((st.words[W.mntId] as number) > 0);
    t.equal(sys.statAt(d, '', st), 0);
    t.ok(st.isDirectory);
    t.equal(sys.statAt(d, 'none', st), -errno.ENOENT);
    const out = new Uint32Array(3 * STAT_WORDS);
    const results = new Int32Array(3);
    t.equal(sys.statMany(d, ['f', 'none', ''], out, results), 0);
    t.same([...results], [0, -errno.ENOENT, 0]);
    t.equal(out[W.size], 5);
    t.equal((out[2 * STAT_WORDS + W.mode] as number) & c.S_IFMT, c.S_IFDIR);
    t.throws(() => sys.statMany(d, ['f', 'g'], out, new Int32Array(1)), TypeError);
    t.throws(() => sys.statAt(d, 'f', {} as Stat), TypeError);
    const fs = sys.statFs(d);
    t.ok(typeof fs === 'object' && fs.blocks > 0 && fs.namelen === 255 && fs.frsize > 0);
    t.equal(sys.statFs(9999), -errno.EBADF);
  });
  t.same(left, none);
});

test('device numbers keep the kernel encoding', async (t) => {
  inTempDir((_dir, d) => {
    const rdev = (0x345 & 0xff) | (0x12 << 8) | ((0x345 & ~0xff) << 12);
    t.equal(sys.mknodAt(d, 'dev', c.S_IFCHR | 0o600, rdev), 0);
    const st = new Stat();
    sys.statAt(d, 'dev', st);
    t.equal(st.rdev, rdev);
    t.equal(sys.mknodAt(d, 'zero', c.S_IFCHR | 0o600, 0), 0);
    sys.statAt(d, 'zero', st);
    t.equal(st.rdev, 0);
    t.equal(sys.mknodAt(d, 'fifo', c.S_IFIFO | 0o600, 0), 0);
    t.equal(sys.mknodAt(d, 'fifo', c.S_IFIFO | 0o600, 0), -errno.EEXIST);
  });
});

test('directories are read whole, byte names kept', async (t) => {
  const left = inTempDir((dir, d) => {
    const wanted = ['\xff\xfe', 'plain', 'sub', 'link'];
    put(d, '\xff\xfe', '');
    put(d, 'plain', '');
    t.equal(sys.mkdirAt(d, 'sub', 0o755), 0);
    t.equal(sys.mkdirAt(d, 'sub', 0o755), -errno.EEXIST);
    t.equal(sys.symlinkAt('to/no\xe9where', d, 'link'), 0);
    t.equal(sys.readlinkAt(d, 'link'), 'to/no\xe9where');
    t.equal(sys.readlinkAt(d, 'plain'), -errno.EINVAL);
    const scan = sys.scanDir(d);
    if (typeof scan === 'number') throw new Error(`scanDir ${scan}`);
    t.same([...scan.names].sort(), [...wanted].sort());
    t.equal(scan.types[scan.names.indexOf('sub')], c.DT_DIR);
    t.equal(scan.types[scan.names.indexOf('link')], c.DT_LNK);
    const at = scan.names.indexOf('plain');
    t.equal(scan.inos[2 * at], Number(lstatSync(join(dir, 'plain')).ino) >>> 0);
    const second = sys.scanDir(d);
    t.ok(typeof second === 'object' && second.names.length === 4, 'from the start again');
    t.equal(sys.scanDir(9999), -errno.EBADF);
    const file = sys.openAt(d, 'plain', c.O_RDONLY, 0);
    t.equal(sys.scanDir(file), -errno.ENOTDIR);
    sys.close(file);
    for (let i = 0; i < 5000; i += 1) sys.close(sys.openAt(d, `entry-with-a-longer-name-${i}`, NEW, 0o600));
    const many = sys.scanDir(d);
    t.ok(typeof many === 'object' && new Set(many.names).size === 5004);
  });
  t.same(left, none);
});

test('remove and rename', async (t) => {
  inTempDir((_dir, d) => {
    put(d, 'a', 'a');
    put(d, 'b', 'b');
    sys.mkdirAt(d, 'dir', 0o755);
    t.equal(sys.renameAt(d, 'a', d, 'b', c.RENAME_NOREPLACE), -errno.EEXIST);
    t.equal(sys.renameAt(d, 'a', d, 'dir', c.RENAME_EXCHANGE), 0);
    t.equal(sys.unlinkAt(d, 'dir', c.AT_REMOVEDIR), -errno.ENOTDIR);
    t.equal(sys.unlinkAt(d, 'a', 0), -errno.EISDIR);
    t.equal(sys.unlinkAt(d, 'a', c.AT_REMOVEDIR), 0);
    t.equal(sys.renameAt(d, 'b', d, 'c', c.RENAME_WHITEOUT), 0);
    const st = new Stat();
    sys.statAt(d, 'b', st);
    t.equal(st.mode & c.S_IFMT, c.S_IFCHR);
    t.equal(sys.unlinkAt(d, 'none', 0), -errno.ENOENT);
  });
});

test('mode, owner and times, by name and by O_PATH descriptor', async (t) => {
  const left = inTempDir((dir, d) => {
    put(d, 'f', '');
    symlinkSync('f', join(dir, 'link'));
    const path = sys.openAt(d, 'f', c.O_PATH, 0);
    const link = sys.openAt(d, 'link', c.O_PATH, 0);
    const st = new Stat();
    t.equal(sys.chmodAt(d, 'f', 0o4711), 0);
    t.equal(statSync(join(dir, 'f')).mode & 0o7777, 0o4711);
    t.equal(sys.chmodAt(path, '', 0o600), 0);
    t.equal(statSync(join(dir, 'f')).mode & 0o7777, 0o600);
    t.equal(sys.chmodAt(d, 'link', 0o600), -errno.EOPNOTSUPP);
    t.equal(sys.chmodAt(link, '', 0o600), -errno.EOPNOTSUPP);
    t.equal(sys.chownAt(path, '', 12, 0xffffffff), 0);
    t.equal(sys.chownAt(d, 'link', 34, 56), 0);
    sys.statAt(d, 'f', st);
    t.same([st.uid, st.gid], [12, 0]);
    sys.statAt(link, '', st);
    t.same([st.uid, st.gid], [34, 56]);
    t.equal(sys.utimensAt(path, '', -5, 7, 1000, 8), 0);
    sys.statAt(d, 'f', st);
    t.same([st.words[W.atime], st.words[W.atime + 1], st.words[W.atimeNsec]], [2 ** 32 - 5, 2 ** 32 - 1, 7]);
    t.same([st.words[W.mtime], st.words[W.mtimeNsec]], [1000, 8]);
    t.equal(sys.utimensAt(d, 'f', 0, c.UTIME_OMIT, 2000, 0), 0);
    sys.statAt(d, 'f', st);
    t.same([st.words[W.atimeNsec], st.words[W.mtime]], [7, 2000]);
    t.equal(sys.utimensAt(link, '', 1, 0, 1, 0), 0);
    sys.statAt(d, 'f', st);
    t.equal(st.words[W.mtime], 2000, 'the symlink was touched, not its target');
    t.equal(sys.chmodAt(d, 'none', 0), -errno.ENOENT);
    t.equal(sys.chownAt(d, 'none', 0, 0), -errno.ENOENT);
    t.equal(sys.utimensAt(d, 'none', 0, 0, 0, 0), -errno.ENOENT);
    sys.close(path);
    sys.close(link);
  });
  t.same(left, none);
});

test('data calls', async (t) => {
  const left = inTempDir((_dir, d) => {
    const fd = sys.openAt(d, 'f', NEW, 0o644);
    t.equal(sys.pwrite(fd, bytes('xyz'), 5 * 2 ** 30), 3);
    t.equal(sys.lseek(fd, 0, c.SEEK_END), 5 * 2 ** 30 + 3);
    t.equal(sys.lseek(fd, 0, c.SEEK_DATA), 5 * 2 ** 30);
    t.equal(sys.lseek(fd, 6 * 2 ** 30, c.SEEK_DATA), -errno.ENXIO);
    t.equal(sys.ftruncate(fd, 8192), 0);
    t.equal(sys.fallocate(fd, 0, 0, 16384), 0);
    t.equal(sys.lseek(fd, 0, c.SEEK_END), 16384);
    t.equal(sys.fallocate(fd, c.FALLOC_FL_PUNCH_HOLE, 0, 4096), -errno.EOPNOTSUPP, 'hole without KEEP_SIZE');
    t.equal(sys.ftruncate(fd, -1), -errno.EINVAL);
    t.equal(sys.fsync(fd, true), 0);
    t.equal(sys.fsync(fd, false), 0);
    t.equal(sys.syncfs(fd), 0);
    const other = sys.openAt(d, 'f', c.O_RDONLY, 0);
    t.equal(sys.flock(fd, c.LOCK_EX), 0);
    t.equal(sys.flock(other, c.LOCK_EX | c.LOCK_NB), -errno.EAGAIN);
    t.equal(sys.pwrite(other, bytes('no'), 0), -errno.EBADF);
    t.equal(sys.pread(9999, new Uint8Array(1), 0), -errno.EBADF);
    t.throws(() => sys.pread(fd, new Uint16Array(4) as unknown as Uint8Array, 0), TypeError);
    sys.close(other);
    sys.close(fd);
  });
  t.same(left, none);
});

test('inode flags, uuid, handles', async (t) => {
  const left = inTempDir((dir, d) => {
    const fd = sys.openAt(d, 'f', NEW, 0o644);
    const flags = sys.getFlags(fd);
    t.ok(flags >= 0);
    const noatime = 0x80;
    t.equal(sys.setFlags(fd, (flags | noatime) >>> 0), 0);
    t.equal(sys.getFlags(fd) & noatime, noatime);
    const raw = sys.getFsx(fd);
    if (typeof raw === 'number') throw new Error(`getFsx ${raw}`);
    t.equal(raw.length, 28);
    t.equal(sys.setFsx(fd, raw), 0);
    t.equal(sys.setFsx(fd, new Uint8Array(3)), -errno.EINVAL);
    t.equal(sys.getFlags(9999), -errno.EBADF);
    const uuid = sys.fsUuid(d);
    t.ok(typeof uuid === 'number' || uuid.length === 16);
    t.equal(sys.fsUuid(9999), -errno.EBADF);
    const handle = sys.nameToHandle(d, 'f');
    if (typeof handle === 'number') throw new Error(`nameToHandle ${handle}`);
    t.same(sys.nameToHandle(fd, ''), handle);
    const opened = sys.openHandle(d, handle, c.O_RDONLY);
    t.equal(statSync(`/proc/self/fd/${opened}`).ino, statSync(join(dir, 'f')).ino);
    t.equal(sys.nameToHandle(d, 'none'), -errno.ENOENT);
    sys.close(opened);
    sys.close(fd);
    sys.unlinkAt(d, 'f', 0);
    t.equal(sys.openHandle(d, handle, c.O_RDONLY), -errno.ESTALE);
  });
  t.same(left, none);
});

test('ids, umask, limits', async (t) => {
  t.equal(sys.geteuid(), process.geteuid?.());
  t.equal(sys.getegid(), process.getegid?.());
  const before = sys.umask(0o27);
  t.equal(sys.umask(before), 0o27);
  t.ok(sys.raiseFileLimit() >= 1024);
  if (sys.geteuid() !== 0) return;
  inTempDir((dir, d) => {
    chmodSync(dir, 0o777);
    t.equal(sys.setFsIds(1234, 5678), 0);
    const fd = sys.openAt(d, 'theirs', NEW, 0o600);
    const st = new Stat();
    sys.statAt(fd, '', st);
    t.same([st.uid, st.gid], [1234, 5678]);
    t.equal(sys.chownAt(d, 'theirs', 1, 1), 0, 'capabilities stay');
    t.equal(sys.setFsIds(0, 0), 0);
    sys.close(sys.openAt(d, 'ours', NEW, 0o600));
    sys.statAt(d, 'ours', st);
    t.same([st.uid, st.gid], [0, 0], 'and the ids come back');
    sys.close(fd);
  });
});

test('mounts', { skip: sys.geteuid() !== 0 && 'needs root' }, async (t) => {
  const left = inTempDir((dir, d) => {
    t.equal(sys.mount('none', join(dir, 'none'), 'tmpfs', 0, ''), -errno.ENOENT);
    t.equal(sys.umount(dir, 0), -errno.EINVAL);
    mkdirSync(join(dir, 'm'));
    writeFileSync(join(dir, 'below'), 'x');
    t.equal(sys.mount('none', join(dir, 'm'), 'tmpfs', c.MS_NODEV, 'size=1m'), 0);
    try {
      writeFileSync(join(dir, 'm', 'inside'), 'y');
      t.equal(sys.openAt(d, 'm', c.O_PATH, 0), -errno.EXDEV);
      const clone = sys.cloneMount(join(dir, 'm'), 0, 0);
      t.ok(clone >= 0);
      const fd = sys.openAt(clone, 'inside', c.O_RDONLY, 0);
      t.ok(fd >= 0, 'opens inside the clone');
      t.equal(sys.umount(join(dir, 'm'), 0), 0, 'the original goes, the clone holds no claim on it');
      const scan = sys.openAt(clone, '', c.O_RDONLY | c.O_DIRECTORY, 0);
      const names = sys.scanDir(scan);
      t.same(typeof names === 'object' && names.names, ['inside'], 'and the clone lives on');
      for (const open of [fd, clone, scan]) sys.close(open);
      t.equal(sys.cloneMount(join(dir, 'none'), 0, 0), -errno.ENOENT);
    } finally {
      sys.umount(join(dir, 'm'), c.MNT_DETACH);
    }
  });
  t.same(left, none);
});

test('fusermount gives a descriptor, or its complaint', { skip: sys.geteuid() !== 0 && 'needs root' }, async (t) => {
  const left = inTempDir((dir) => {
    const complaint = sys.fusermount(join(dir, 'none'), 'rw');
    t.match(complaint, /fusermount3: .*No such file/);
    mkdirSync(join(dir, 'm'));
    const fd = sys.fusermount(join(dir, 'm'), 'fsname=probe');
    t.type(fd, 'number');
    if (typeof fd !== 'number') return;
    t.match(readFileSync('/proc/self/mountinfo', 'utf8'), `${join(dir, 'm')} `);
    t.equal(sys.umount(join(dir, 'm'), c.MNT_DETACH), 0);
    t.equal(sys.close(fd), 0);
    const script = `import(${JSON.stringify(new URL('../../lib/sys/syscalls.js', import.meta.url).href)})
      .then(({ syscalls }) => process.exit(-syscalls.fusermount('/none', 'rw')))`;
    const alone = spawnSync(process.execPath, ['-e', script], { env: { PATH: '/none' } });
    t.equal(alone.status, errno.ENOENT, 'no program');
  });
  t.same(left, none);
});

test('the ids of a process', { skip: sys.geteuid() !== 0 && 'needs root' }, async (t) => {
  const child = spawn('sleep', ['30'], { uid: 1000, gid: 1001 });
  const ended = new Promise((resolve) => child.once('close', resolve));
  await new Promise((resolve) => child.once('spawn', resolve));
  t.same([...(sys.idsOf(child.pid as number) as Uint32Array)], [1000, 1001]);
  t.same([...(sys.idsOf(process.pid) as Uint32Array)], [0, 0]);
  child.kill();
  await ended;
  t.equal(sys.idsOf(child.pid as number), -errno.ENOENT, 'it has ended');
  t.equal(sys.idsOf(0), -errno.ENOENT, 'not to be seen from here');
});
