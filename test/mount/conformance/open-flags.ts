// open(2): each flag, and each refusal.

import { fails, is, ok, yes } from '../../support/expect.js';
import { AT_SYMLINK_FOLLOW, O } from '../../support/linux.js';
import { MADE_AT } from '../../support/tree.js';
import { type Family, USER } from './case.js';

export const openFlags: Family = {
  'O_TRUNC empties': async ({ a }) => {
    const fd = await ok(a.open('file', O.WRONLY | O.TRUNC));
    await is((await ok(a.fstat(fd))).size, 0);
    await is(a.cat('file'), '');
  },
  'O_TRUNC with O_RDONLY needs write permission': async ({ client }) => {
    const user = await client(USER);
    await fails(user.open('file', O.RDONLY | O.TRUNC), 'EACCES');
  },
  'O_TRUNC moves mtime and strips setuid': async ({ a, client }) => {
    await ok(a.put('s', 'x'));
    await ok(a.chmod('s', 0o4777));
    const user = await client(USER);
    await ok(user.open('s', O.WRONLY | O.TRUNC));
    await is((await ok(a.stat('s'))).mode, 0o100777);
  },
  'O_APPEND writes at the end whatever the position': async ({ a }) => {
    const fd = await ok(a.open('file', O.RDWR | O.APPEND));
    await ok(a.lseek(fd, 0, 0));
    await is(a.write(fd, 'more'), 4);
    await is(a.cat('file'), 'hello world\nmore');
  },
  'two O_APPEND writers do not overwrite each other': async ({ a, client }) => {
    const other = await client();
    const [one, two] = [
      await ok(a.open('file', O.WRONLY | O.APPEND)),
      await ok(other.open('file', O.WRONLY | O.APPEND)),
    ];
    for (let i = 0; i < 10; i++) {
      await is(a.write(one, 'a'), 1);
      await is(other.write(two, 'b'), 1);
    }
    await is(a.cat('file'), `hello world\n${'ab'.repeat(10)}`);
  },
  'O_APPEND set later by fcntl': async ({ a }) => {
    const fd = await ok(a.open('file', O.RDWR));
    await ok(a.setfl(fd, O.APPEND));
    await is(a.write(fd, 'end'), 3);
    await is(a.cat('file'), 'hello world\nend');
  },
  'O_DIRECTORY on a file is ENOTDIR': async ({ a }) => {
    await fails(a.open('file', O.RDONLY | O.DIRECTORY), 'ENOTDIR');
    await ok(a.open('dir', O.RDONLY | O.DIRECTORY));
  },
  'O_NOFOLLOW on a symlink is ELOOP': async ({ a }) => {
    await fails(a.open('link', O.RDONLY | O.NOFOLLOW), 'ELOOP');
  },
  'O_PATH gives a handle for fstat and no reads': async ({ a }) => {
    const fd = await ok(a.open('link', O.PATH | O.NOFOLLOW));
    await is((await ok(a.fstat(fd))).mode, 0o120777);
    const plain = await ok(a.open('file', O.PATH));
    await fails(a.read(plain, 1), 'EBADF');
    const again = await ok(a.open(`/proc/self/fd/${plain}`, O.RDONLY));
    await is(a.read(again, 5), 'hello');
  },
  'opening a directory for writing is EISDIR': async ({ a }) => {
    await fails(a.open('dir', O.WRONLY), 'EISDIR');
    await fails(a.open('dir', O.RDWR | O.CREAT), 'EISDIR');
  },
  'opening for reading copies nothing and changes nothing': async ({ a }) => {
    const before = await ok(a.stat('file'));
    const fd = await ok(a.open('file', O.RDONLY));
    await is(a.read(fd, 5), 'hello');
    const after = await ok(a.stat('file'));
    await is([after.ino, after.mtime, after.ctime], [before.ino, before.mtime, before.ctime]);
  },
  'opening for writing without a write keeps mtime': async ({ a }) => {
    const fd = await ok(a.open('file', O.RDWR));
    await is((await ok(a.fstat(fd))).mtime, MADE_AT);
    await ok(a.close(fd));
    await is((await ok(a.stat('file'))).mtime, MADE_AT);
  },
  'writing to a read-only descriptor is EBADF': async ({ a }) => {
    const fd = await ok(a.open('file', O.RDONLY));
    await fails(a.write(fd, 'x'), 'EBADF');
    const write = await ok(a.open('file', O.WRONLY));
    await fails(a.read(write, 1), 'EBADF');
  },
  'O_TMPFILE is a file without a name': async ({ a }) => {
    const fd = await ok(a.open('dir', O.TMPFILE | O.RDWR, 0o640));
    await is(a.write(fd, 'temp'), 4);
    const st = await ok(a.fstat(fd));
    await is([st.nlink, st.size, st.mode], [0, 4, 0o100640]);
    await is(a.list('dir'), ['inner', 'sub']);
    await is(a.pread(fd, 10, 0), 'temp');
  },
  'O_TMPFILE gets a name by linkat': async ({ a }) => {
    const fd = await ok(a.open('dir', O.TMPFILE | O.RDWR));
    await is(a.write(fd, 'temp'), 4);
    await ok(a.link(`/proc/self/fd/${fd}`, 'dir/named', AT_SYMLINK_FOLLOW));
    await is(a.cat('dir/named'), 'temp');
    const [byFd, byName] = [await ok(a.fstat(fd)), await ok(a.stat('dir/named'))];
    await is([byName.ino, byName.nlink], [byFd.ino, 1]);
  },
  'O_TMPFILE with O_EXCL may not be linked': async ({ a }) => {
    const fd = await ok(a.open('dir', O.TMPFILE | O.RDWR | O.EXCL));
    await fails(a.link(`/proc/self/fd/${fd}`, 'dir/named', AT_SYMLINK_FOLLOW), 'ENOENT');
  },
  'O_DIRECT reads and writes': async ({ a }) => {
    const fd = await ok(a.open('new', O.CREAT | O.RDWR | O.DIRECT));
    await is(a.directwrite(fd, 0, 8192, 0x41), 8192);
    await is(a.direct(fd, 4096, 4096), 'A'.repeat(4096));
    await is((await ok(a.stat('new'))).size, 8192);
  },
  'O_DIRECT of what the page cache holds': async ({ a }) => {
    await ok(a.put('new', 'B'.repeat(4096)));
    const fd = await ok(a.open('new', O.RDONLY | O.DIRECT));
    await is(a.direct(fd, 0, 4096), 'B'.repeat(4096));
  },
  'O_SYNC writes': async ({ a }) => {
    await ok(a.put('file', 'synced', O.WRONLY | O.TRUNC | O.SYNC));
    await is(a.cat('file'), 'synced');
  },
  'O_NOATIME for the owner, EPERM for others': async ({ a, client }) => {
    await ok(a.open('file', O.RDONLY | O.NOATIME));
    const user = await client(USER);
    await fails(user.open('file', O.RDONLY | O.NOATIME), 'EPERM');
  },
  'two hundred descriptors of one file': async ({ a }) => {
    const fds: number[] = [];
    for (let i = 0; i < 200; i++) fds.push(await ok(a.open('file', i % 2 ? O.RDWR : O.RDONLY)));
    yes(new Set(fds).size === 200, 'each its own number');
    await is(a.pwrite(fds[1] as number, 'J', 0), 1);
    for (const fd of fds) await is(a.pread(fd, 5, 0), 'Jello');
    for (const fd of fds) await ok(a.close(fd));
  },
};
