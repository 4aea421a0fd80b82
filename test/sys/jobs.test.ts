// Copies that keep holes and stop when told, and the other calls that run off the JavaScript thread.

import { statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { errno } from '../../lib/errno.js';
import * as c from '../../lib/sys/constants.js';
import { jobs, syscalls as sys } from '../../lib/sys/syscalls.js';
import { bytes, fdsBelow, inTempDir, tempDir, text } from './native-util.js';

const NEW = c.O_RDWR | c.O_CREAT | c.O_EXCL;
const MIB = 2 ** 20;

/** data at 0 and at 40 MiB, a hole between and behind; 100 MiB + 5 in all. */
function sparse(dirfd: number, name: string): number {
  const fd = sys.openAt(dirfd, name, NEW, 0o644);
  sys.pwrite(fd, bytes('head'), 0);
  sys.pwrite(fd, new Uint8Array(3 * MIB).fill(7), 40 * MIB);
  sys.ftruncate(fd, 100 * MIB + 5);
  return fd;
}

function sampled(fd: number, offset: number, length: number): Uint8Array {
  const into = new Uint8Array(length);
  sys.pread(fd, into, offset);
  return into;
}

test('a copy keeps holes', async (t) => {
  const left = inTempDir((dir, d) => {
    const from = sparse(d, 'from');
    const to = sys.openAt(d, 'to', NEW, 0o644);
    t.equal(sys.copyData(from, to, 100 * MIB + 5), 0);
    t.equal(statSync(join(dir, 'to')).size, 100 * MIB + 5);
    t.ok(statSync(join(dir, 'to')).blocks * 512 < 8 * MIB, 'sparse');
    t.equal(text(sampled(to, 0, 4)), 'head');
    t.same(sampled(to, 42 * MIB, 4096), new Uint8Array(4096).fill(7));
    t.same(sampled(to, 43 * MIB, 4096), new Uint8Array(4096));
    t.equal(sys.copyData(from, 9999, 10), -errno.EBADF);
    t.equal(sys.copyData(9999, to, 10), -errno.EBADF);
    for (const fd of [from, to]) sys.close(fd);
  });
  t.same(left, []);
});

test('a copy of a file that is one hole, of none, and of one that shrank', async (t) => {
  inTempDir((dir, d) => {
    const hole = sys.openAt(d, 'hole', NEW, 0o644);
    const to = sys.openAt(d, 'to', NEW, 0o644);
    sys.ftruncate(hole, 50 * MIB);
    t.equal(sys.copyData(hole, to, 50 * MIB), 0);
    t.equal(statSync(join(dir, 'to')).blocks, 0);
    t.equal(sys.copyData(hole, to, 0), 0);
    t.equal(statSync(join(dir, 'to')).size, 0);
    const short = sys.openAt(d, 'short', NEW, 0o644);
    sys.pwrite(short, bytes('four'), 0);
    t.equal(sys.copyData(short, to, 9), 0);
    t.equal(text(sampled(to, 0, 9)), 'four\0\0\0\0\0', 'made up with zeros');
    for (const fd of [hole, to, short]) sys.close(fd);
  });
});

test('a copy between filesystems goes through memory', async (t) => {
  inTempDir((_dir, d) => {
    inTempDir((other, o) => {
      const from = sparse(d, 'from');
      const to = sys.openAt(o, 'to', NEW, 0o644);
      t.equal(sys.copyRange(from, 0, to, 0, 4), -errno.EXDEV);
      t.equal(sys.copyData(from, to, 100 * MIB + 5), 0);
      t.ok(statSync(join(other, 'to')).blocks * 512 < 8 * MIB, 'sparse');
      t.same(sampled(to, 42 * MIB, 4096), new Uint8Array(4096).fill(7));
      t.ok(sys.clone(from, to) < 0);
      for (const fd of [from, to]) sys.close(fd);
    }, '/dev/shm');
  });
});

test('a range', async (t) => {
  inTempDir((_dir, d) => {
    const from = sys.openAt(d, 'from', NEW, 0o644);
    const to = sys.openAt(d, 'to', NEW, 0o644);
    sys.pwrite(from, bytes('0123456789'), 0);
    t.equal(sys.copyRange(from, 2, to, 1, 100), 8);
    t.equal(text(sampled(to, 0, 9)), '\x0023456789');
    t.equal(sys.copyRange(from, 0, from, 1, 5), -errno.EINVAL, 'overlap');
    t.equal(sys.copyRange(from, 0, to, 0, -1), -errno.EINVAL);
    for (const fd of [from, to]) sys.close(fd);
  });
});

test('jobs settle with a result or -errno', async (t) => {
  const { dir, dirfd, remove } = tempDir();
  const from = sparse(dirfd, 'from');
  const to = sys.openAt(dirfd, 'to', NEW, 0o644);
  const go = new Int32Array(1);
  t.equal(await jobs.copyData(from, to, 100 * MIB + 5, go, true), 0);
  t.same(sampled(to, 42 * MIB, 4096), new Uint8Array(4096).fill(7));
  t.equal(await jobs.copyRange(from, 0, to, 4, 4), 4);
  t.equal(text(sampled(to, 0, 8)), 'headhead');
  t.equal(await jobs.fallocate(to, 0, 0, 200 * MIB), 0);
  t.equal(statSync(join(dir, 'to')).size, 200 * MIB);
  t.equal(await jobs.fsync(to, true), 0);
  t.equal(await jobs.fsync(to, false), 0);
  t.equal(await jobs.syncfs(to), 0);
  t.equal(await jobs.copyData(from, 9999, 10, go, true), -errno.EBADF);
  t.equal(await jobs.fsync(9999, false), -errno.EBADF);
  t.equal(await jobs.close(to), 0);
  t.equal(await jobs.close(to), -errno.EBADF);
  t.throws(() => jobs.copyData(from, from, 1, new Uint8Array(4) as unknown as Int32Array, false), TypeError);
  t.throws(() => jobs.copyData(from, from, 1, new Int32Array(0), false), TypeError);
  sys.close(from);
  sys.close(dirfd);
  t.same(fdsBelow(dir), []);
  remove();
});

test('a cancelled copy stops at the next chunk', async (t) => {
  const { dir, dirfd, remove } = tempDir();
  const from = sys.openAt(dirfd, 'from', NEW, 0o644);
  const chunk = new Uint8Array(8 * MIB).fill(1);
  for (let at = 0; at < 512; at += 8) sys.pwrite(from, chunk, at * MIB);
  const to = sys.openAt(dirfd, 'to', NEW, 0o644);
  const cancel = new Int32Array(1);
  const copying = jobs.copyData(from, to, 512 * MIB, cancel, false);
  while (statSync(join(dir, 'to')).size === 0) await new Promise((resolve) => setImmediate(resolve));
  cancel[0] = 1;
  t.equal(await copying, -errno.EINTR);
  t.ok(statSync(join(dir, 'to')).size < 512 * MIB, 'not to the end');
  t.equal(await jobs.copyData(from, to, 512 * MIB, cancel, false), -errno.EINTR, 'cancelled before it began');
  truncateSync(join(dir, 'from'), 0);
  for (const fd of [from, to, dirfd]) sys.close(fd);
  remove();
});

test('jobs keep the cancel word alive', async (t) => {
  const { dirfd, remove } = tempDir();
  const from = sparse(dirfd, 'from');
  const names = Array.from({ length: 40 }, (_, i) => `to${i}`);
  const copies = names.map(async (name) => {
    const to = sys.openAt(dirfd, name, NEW, 0o644);
    const rc = await jobs.copyData(from, to, 44 * MIB, new Int32Array(1), true);
    sys.close(to);
    return rc;
  });
  for (let i = 0; i < 200; i += 1) new Int32Array(100_000).fill(-1);
  t.same(new Set(await Promise.all(copies)), new Set([0]));
  for (const fd of [from, dirfd]) sys.close(fd);
  remove();
});
