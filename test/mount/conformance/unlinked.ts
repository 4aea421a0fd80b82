// Files that were unlinked while open: every call on the descriptor goes on as before.

import type { Agent } from '../../support/agent.js';
import { fails, is, ok } from '../../support/expect.js';
import { AT_SYMLINK_FOLLOW, FALLOC, O } from '../../support/linux.js';
import type { Family } from './case.js';

/** `file`, opened and unlinked. */
async function gone(a: Agent, flags: number = O.RDWR): Promise<number> {
  const fd = await ok(a.open('file', flags));
  await ok(a.unlink('file'));
  await fails(a.stat('file'), 'ENOENT');
  return fd;
}

export const unlinked: Family = {
  'read and write': async ({ a }) => {
    const fd = await gone(a);
    await is(a.pread(fd, 5, 0), 'hello');
    await is(a.pwrite(fd, 'HELLO', 0), 5);
    await is(a.pread(fd, 20, 0), 'HELLO world\n');
  },
  'read of a read-only descriptor': async ({ a }) => {
    const fd = await gone(a, O.RDONLY);
    await is(a.pread(fd, 20, 0), 'hello world\n');
  },
  'fstat says nlink 0': async ({ a }) => {
    const fd = await gone(a);
    const st = await ok(a.fstat(fd));
    await is([st.nlink, st.size, st.mode], [0, 12, 0o100644]);
  },
  'fstat of a read-only descriptor says nlink 0': async ({ a }) => {
    const before = await ok(a.stat('file'));
    const st = await ok(a.fstat(await gone(a, O.RDONLY)));
    await is([st.nlink, st.ino, st.size], [0, before.ino, 12]);
  },
  ftruncate: async ({ a }) => {
    const fd = await gone(a);
    await ok(a.ftruncate(fd, 5));
    await is((await ok(a.fstat(fd))).size, 5);
    await is(a.pread(fd, 20, 0), 'hello');
  },
  'fchmod, fchown, futimens': async ({ a }) => {
    const fd = await gone(a);
    await ok(a.fchmod(fd, 0o600));
    await ok(a.fchown(fd, 8, 9));
    await ok(a.futimens(fd, 1_000_000_001n, 2_000_000_002n));
    const st = await ok(a.fstat(fd));
    await is([st.mode, st.uid, st.gid, st.mtime], [0o100600, 8, 9, 2_000_000_002n]);
  },
  'fchmod of a read-only descriptor': async ({ a }) => {
    const fd = await gone(a, O.RDONLY);
    await ok(a.fchmod(fd, 0o640));
    await is((await ok(a.fstat(fd))).mode, 0o100640);
    await is(a.pread(fd, 5, 0), 'hello');
  },
  xattrs: async ({ a }) => {
    await ok(a.setxattr('file', 'user.before', 'b'));
    const fd = await gone(a);
    await is(a.fgetxattr(fd, 'user.before'), 'b');
    await ok(a.fsetxattr(fd, 'user.after', 'a'));
    await is(
      (await ok(a.flistxattr(fd))).filter((k) => k.startsWith('user.')),
      ['user.after', 'user.before'],
    );
    await ok(a.fremovexattr(fd, 'user.before'));
    await fails(a.fgetxattr(fd, 'user.before'), 'ENODATA');
  },
  'fallocate and fsync': async ({ a }) => {
    const fd = await gone(a);
    await ok(a.fallocate(fd, FALLOC.KEEP_SIZE, 0, 8192));
    await ok(a.fsync(fd));
  },
  'open again through /proc/self/fd': async ({ a }) => {
    const fd = await gone(a);
    const again = await ok(a.open(`/proc/self/fd/${fd}`, O.RDWR));
    await is(a.pwrite(again, 'J', 0), 1);
    await is(a.pread(fd, 5, 0), 'Jello');
  },
  'linkat of an unlinked file is ENOENT': async ({ a }) => {
    const fd = await gone(a);
    await fails(a.link(`/proc/self/fd/${fd}`, 'back', AT_SYMLINK_FOLLOW), 'ENOENT');
  },
  'linkat of a file that has another name works': async ({ a }) => {
    await ok(a.link('file', 'second'));
    const fd = await gone(a);
    await ok(a.link(`/proc/self/fd/${fd}`, 'third', AT_SYMLINK_FOLLOW));
    await is(a.cat('third'), 'hello world\n');
    await is((await ok(a.fstat(fd))).nlink, 2);
  },
  'a new file of the same name is another file': async ({ a }) => {
    const fd = await gone(a);
    await ok(a.put('file', 'new'));
    await is(a.pread(fd, 5, 0), 'hello');
    await is(a.pwrite(fd, 'OLD', 0), 3);
    await is(a.cat('file'), 'new');
  },
  'copy_file_range out of it': async ({ a }) => {
    const fd = await gone(a);
    const to = await ok(a.open('copy', O.CREAT | O.RDWR));
    await is(a.copyrange(fd, 0, to, 0, 12), 12);
    await is(a.cat('copy'), 'hello world\n');
  },
  'a file replaced by rename while open': async ({ a }) => {
    const fd = await ok(a.open('file', O.RDWR));
    await ok(a.rename('other', 'file'));
    await is(a.pwrite(fd, 'X', 0), 1);
    await ok(a.ftruncate(fd, 3));
    await is(a.pread(fd, 10, 0), 'Xel');
    await is(a.cat('file'), 'other\n');
  },
  'a new file, unlinked, written, closed': async ({ a }) => {
    const fd = await ok(a.open('temp', O.CREAT | O.RDWR));
    await ok(a.unlink('temp'));
    await is(a.write(fd, 'x'.repeat(10000)), 10000);
    await is((await ok(a.fstat(fd))).size, 10000);
    await ok(a.close(fd));
    await fails(a.stat('temp'), 'ENOENT');
  },
};
