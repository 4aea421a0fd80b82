// chmod, chown, times and sizes, by path and by descriptor.

import { setTimeout } from 'node:timers/promises';
import { fails, is, ok, yes } from '../../support/expect.js';
import { O, UTIME } from '../../support/linux.js';
import { device, fifo, MADE_AT } from '../../support/tree.js';
import { type Family, USER } from './case.js';

const THEN = 1_234_567_890_987_654_321n;

export const attributes: Family = {
  'shows what was made': async ({ a }) => {
    const st = await ok(a.stat('file'));
    await is([st.mode, st.uid, st.gid, st.size, st.nlink], [0o100644, 0, 0, 12, 1]);
    await is(st.mtime, MADE_AT);
  },
  'chmod a file': async ({ a }) => {
    await ok(a.chmod('file', 0o4751));
    await is((await ok(a.stat('file'))).mode, 0o104751);
    await is(a.cat('file'), 'hello world\n');
  },
  'chmod a directory': async ({ a }) => {
    await ok(a.chmod('dir', 0o1700));
    await is((await ok(a.stat('dir'))).mode, 0o41700);
    await is(a.list('dir'), ['inner', 'sub']);
  },
  'chmod moves ctime and leaves mtime': async ({ a }) => {
    const before = await ok(a.stat('file'));
    await ok(a.chmod('file', 0o600));
    const after = await ok(a.stat('file'));
    await is(after.mtime, before.mtime);
    yes(after.ctime >= before.ctime, 'ctime goes forward');
  },
  'listing a directory moves no ctime after something in it was opened for writing': async ({ a, forget }) => {
    await ok(a.close(await ok(a.open('dir/inner', O.WRONLY))));
    await forget();
    await ok(a.stat('dir'));
    // Long enough for the clock of file times to move.
    await setTimeout(20);
    await ok(a.close(await ok(a.open('dir/sub/deep', O.WRONLY))));
    const before = await ok(a.stat('dir'));
    await ok(a.list('dir'));
    await is((await ok(a.stat('dir'))).ctime, before.ctime);
  },
  'chown a file, and setuid goes': async ({ a }) => {
    await ok(a.chmod('file', 0o4755));
    await ok(a.chown('file', 11, 12));
    const st = await ok(a.stat('file'));
    await is([st.uid, st.gid], [11, 12]);
    await is(st.mode, 0o100755);
  },
  'chown one id and leave the other': async ({ a }) => {
    await ok(a.chown('file', 5, -1));
    await ok(a.chown('file', -1, 6));
    const st = await ok(a.stat('file'));
    await is([st.uid, st.gid], [5, 6]);
  },
  'chown a symlink itself': async ({ a }) => {
    await ok(a.chown('link', 21, 22));
    await is((await ok(a.lstat('link'))).uid, 21);
    await is((await ok(a.stat('file'))).uid, 0);
  },
  'ids up to 2^32-2': async ({ a }) => {
    await ok(a.chown('file', 4294967294, 4000000000));
    const st = await ok(a.stat('file'));
    await is([st.uid, st.gid], [4294967294, 4000000000]);
  },
  'utimens keeps nanoseconds': async ({ a }) => {
    await ok(a.utimens('file', THEN, THEN + 1n));
    const st = await ok(a.stat('file'));
    await is([st.atime, st.mtime], [THEN, THEN + 1n]);
  },
  'utimens of a directory': async ({ a }) => {
    await ok(a.utimens('dir', THEN, THEN));
    await is((await ok(a.stat('dir'))).mtime, THEN);
  },
  'utimens of a symlink itself': async ({ a }) => {
    await ok(a.utimens('link', THEN, THEN));
    await is((await ok(a.lstat('link'))).mtime, THEN);
    await is((await ok(a.stat('file'))).mtime, MADE_AT);
  },
  'utimens before 1970': async ({ a }) => {
    await ok(a.utimens('file', -5_000_000_001n, -7_999_999_999n));
    await is((await ok(a.stat('file'))).mtime, -7_999_999_999n);
  },
  'UTIME_OMIT leaves, UTIME_NOW sets': async ({ a }) => {
    await ok(a.utimensRaw('file', UTIME.NOW, UTIME.OMIT));
    const st = await ok(a.stat('file'));
    await is(st.mtime, MADE_AT);
    const age = Number(BigInt(Date.now()) - st.atime / 1_000_000n);
    yes(age < 60_000 && age > -5_000, `atime is now, not ${age} ms ago`);
  },
  'futimens on a read-only descriptor': async ({ a }) => {
    const fd = await ok(a.open('file', O.RDONLY));
    await ok(a.futimens(fd, THEN, THEN));
    await is((await ok(a.fstat(fd))).mtime, THEN);
    await is((await ok(a.stat('file'))).mtime, THEN);
  },
  'fchmod and fchown on a read-only descriptor': async ({ a }) => {
    const fd = await ok(a.open('file', O.RDONLY));
    await ok(a.fchown(fd, 31, 32));
    await ok(a.fchmod(fd, 0o640));
    const [byFd, byName] = [await ok(a.fstat(fd)), await ok(a.stat('file'))];
    await is([byFd.mode, byFd.uid, byFd.gid], [0o100640, 31, 32]);
    await is([byName.mode, byName.uid, byName.ino], [0o100640, 31, byFd.ino]);
  },
  'truncate shorter, longer, to nothing': async ({ a }) => {
    await ok(a.truncate('file', 5));
    await is(a.cat('file'), 'hello');
    await ok(a.truncate('file', 8));
    await is(a.cat('file'), 'hello\0\0\0');
    await ok(a.truncate('file', 0));
    await is(a.cat('file'), '');
  },
  'truncate moves mtime': async ({ a }) => {
    await ok(a.truncate('file', 3));
    yes((await ok(a.stat('file'))).mtime > MADE_AT, 'mtime is new');
  },
  'truncate of a directory is EISDIR': async ({ a }) => {
    await fails(a.truncate('dir', 0), 'EISDIR');
  },
  'truncate below zero is EINVAL': async ({ a }) => {
    await fails(a.truncate('file', -1), 'EINVAL');
  },
  'ftruncate of a read-only descriptor is EINVAL': async ({ a }) => {
    const fd = await ok(a.open('file', O.RDONLY));
    await fails(a.ftruncate(fd, 1), 'EINVAL');
  },
  'statx tells the birth time': async ({ a }) => {
    await ok(a.put('born', 'x'));
    const st = await ok(a.stat('born'));
    yes(st.btime !== undefined, 'there is a birth time');
    const age = Number(BigInt(Date.now()) - st.btime / 1_000_000n);
    yes(age < 60_000 && age > -5_000, `born just now, not ${age} ms ago`);
  },
  'chmod of a device and a fifo': {
    tree: { dev: device(1, 3), pipe: fifo() },
    run: async ({ a }) => {
      for (const name of ['dev', 'pipe']) {
        const before = await ok(a.lstat(name));
        await ok(a.chmod(name, 0o600));
        const after = await ok(a.lstat(name));
        await is([after.mode & 0o7777, after.rdev, after.ino], [0o600, before.rdev, before.ino]);
      }
    },
  },
  'blocks and size of a large sparse file': async ({ a }) => {
    await ok(a.put('big', ''));
    await ok(a.truncate('big', 5_000_000_000));
    const st = await ok(a.stat('big'));
    await is(st.size, 5_000_000_000);
    yes(st.blocks < 1000, 'it holds no blocks');
  },
  'access asks the real file': async ({ a, client }) => {
    const user = await client(USER);
    await ok(user.access('file', 4));
    await fails(user.access('file', 2), 'EACCES');
    await fails(user.access('other', 4), 'EACCES');
    await ok(a.access('other', 6));
  },
};
