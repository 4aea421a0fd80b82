// Extended attributes by name, by descriptor and by O_PATH descriptor, never through a symlink.

import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { errno } from '../../lib/errno.js';
import * as c from '../../lib/sys/constants.js';
import { syscalls as sys } from '../../lib/sys/syscalls.js';
import { bytes, inTempDir, text } from './native-util.js';

const none: string[] = [];

test('attributes by name and by each kind of descriptor', async (t) => {
  const left = inTempDir((_dir, d) => {
    const file = sys.openAt(d, 'f', c.O_RDWR | c.O_CREAT, 0o644);
    const path = sys.openAt(d, 'f', c.O_PATH, 0);
    const ways: [number, string][] = [
      [d, 'f'],
      [file, ''],
      [path, ''],
    ];
    for (const [fd, name] of ways) {
      t.equal(sys.getXattr(fd, name, 'user.k'), -errno.ENODATA);
      t.equal(sys.setXattr(fd, name, 'user.k', bytes('v\0w'), c.XATTR_REPLACE), -errno.ENODATA);
      t.equal(sys.setXattr(fd, name, 'user.k', bytes('v\0w'), c.XATTR_CREATE), 0);
      t.equal(sys.setXattr(fd, name, 'user.k', bytes(''), c.XATTR_CREATE), -errno.EEXIST);
      for (const [other, otherName] of ways) t.equal(text(sys.getXattr(other, otherName, 'user.k')), 'v\0w');
      t.equal(sys.setXattr(fd, name, 'user.empty', new Uint8Array(0), 0), 0);
      t.same(sys.getXattr(fd, name, 'user.empty'), new Uint8Array(0));
      t.same((sys.listXattr(fd, name) as string[]).sort(), ['user.empty', 'user.k']);
      t.equal(sys.removeXattr(fd, name, 'user.k'), 0);
      t.equal(sys.removeXattr(fd, name, 'user.empty'), 0);
      t.equal(sys.removeXattr(fd, name, 'user.k'), -errno.ENODATA);
      t.same(sys.listXattr(fd, name), []);
    }
    t.equal(sys.getXattr(9999, '', 'user.k'), -errno.EBADF);
    t.equal(sys.getXattr(9999, 'f', 'user.k'), -errno.EBADF);
    t.equal(sys.getXattr(d, 'none', 'user.k'), -errno.ENOENT);
    t.equal(sys.setXattr(d, 'f', 'nonsense', bytes('v'), 0), -errno.EOPNOTSUPP);
    t.equal(sys.setXattr(d, 'f', 'user.big', new Uint8Array(65537), 0), -errno.E2BIG);
    sys.close(file);
    sys.close(path);
  });
  t.same(left, none);
});

test('a symlink has its own', { skip: sys.geteuid() !== 0 && 'needs root' }, async (t) => {
  const left = inTempDir((dir, d) => {
    sys.close(sys.openAt(d, 'f', c.O_RDWR | c.O_CREAT, 0o644));
    symlinkSync('f', join(dir, 'link'));
    const link = sys.openAt(d, 'link', c.O_PATH, 0);
    t.equal(sys.setXattr(d, 'link', 'trusted.a', bytes('1'), 0), 0);
    t.equal(sys.setXattr(link, '', 'trusted.b', bytes('2'), 0), 0);
    t.same((sys.listXattr(link, '') as string[]).sort(), ['trusted.a', 'trusted.b']);
    t.equal(text(sys.getXattr(link, '', 'trusted.a')), '1');
    t.same(sys.listXattr(d, 'f'), []);
    t.equal(sys.setXattr(d, 'link', 'user.a', bytes('1'), 0), -errno.EPERM);
    sys.close(link);
  });
  t.same(left, none);
});

test('values up to 64 KiB', async (t) => {
  inTempDir((_dir, d) => {
    const fd = sys.openAt(d, 'f', c.O_RDWR | c.O_CREAT, 0o644);
    const big = new Uint8Array(65536).map((_, i) => i * 7);
    const rc = sys.setXattr(fd, '', 'user.big', big, 0);
    if (rc === 0) t.same(sys.getXattr(fd, '', 'user.big'), big);
    else t.equal(rc, -errno.ENOSPC, 'this filesystem keeps less');
    sys.close(fd);
  }, '/dev/shm');
});
