// Making things: files, directories, nodes, symlinks, hard links, and who owns them.

import { fails, is, ok, yes } from '../../support/expect.js';
import { O, S } from '../../support/linux.js';
import { dir, hardlink } from '../../support/tree.js';
import { type Family, USER } from './case.js';

export const create: Family = {
  'creates a file with mode and umask': async ({ a }) => {
    await a.umask(0o027);
    await ok(a.put('new', 'text', O.CREAT | O.WRONLY, 0o666));
    const st = await ok(a.stat('new'));
    await is([st.mode, st.size, st.nlink], [0o100640, 4, 1]);
  },
  'creates in a directory that only a lower layer holds': async ({ a }) => {
    await ok(a.put('dir/sub/new', 'deep down'));
    await is(a.cat('dir/sub/new'), 'deep down');
    await is(a.list('dir/sub'), ['deep', 'new']);
  },
  'creation moves the parent mtime': async ({ a }) => {
    const before = await ok(a.stat('dir'));
    await ok(a.put('dir/new', 'x'));
    yes((await ok(a.stat('dir'))).mtime > before.mtime, 'mtime of the parent');
  },
  'O_EXCL on a name that is there is EEXIST': async ({ a }) => {
    await fails(a.open('file', O.CREAT | O.EXCL | O.RDWR), 'EEXIST');
    await fails(a.open('link', O.CREAT | O.EXCL | O.RDWR), 'EEXIST');
  },
  'O_CREAT without O_EXCL opens what is there': async ({ a }) => {
    const fd = await ok(a.open('file', O.CREAT | O.RDWR));
    await is(a.read(fd, 100), 'hello world\n');
  },
  'O_CREAT through a dangling symlink makes the target': async ({ a }) => {
    await ok(a.symlink('target', 'dangling'));
    await ok(a.put('dangling', 'x', O.CREAT | O.WRONLY));
    await is(a.cat('target'), 'x');
  },
  'a file without write permission is still written by its creator': async ({ a }) => {
    const fd = await ok(a.open('new', O.CREAT | O.RDWR, 0o000));
    await is(a.write(fd, 'abc'), 3);
    await is((await ok(a.stat('new'))).mode, 0o100000);
  },
  mkdir: async ({ a }) => {
    await ok(a.mkdir('new', 0o751));
    await is((await ok(a.stat('new'))).mode, 0o40751);
    await is(a.list('new'), []);
  },
  'mkdir of a name that is there is EEXIST': async ({ a }) => {
    for (const name of ['file', 'dir', 'link']) await fails(a.mkdir(name), 'EEXIST');
  },
  'mkdir below a file is ENOTDIR, below nothing ENOENT': async ({ a }) => {
    await fails(a.mkdir('file/x'), 'ENOTDIR');
    await fails(a.mkdir('none/x'), 'ENOENT');
  },
  'symlink and readlink': async ({ a }) => {
    const target = `../${'x'.repeat(1000)}/\xff\x01 end`;
    await ok(a.symlink(target, 'sym'));
    await is(a.readlink('sym'), target);
    await is((await ok(a.lstat('sym'))).size, target.length);
    await fails(a.symlink('x', 'file'), 'EEXIST');
  },
  'readlink of a file is EINVAL': async ({ a }) => {
    await fails(a.readlink('file'), 'EINVAL');
  },
  'mknod: device, fifo, socket, plain file': async ({ a }) => {
    await ok(a.mknod('dev', S.IFCHR | 0o640, 1, 3));
    await ok(a.mknod('blk', S.IFBLK | 0o640, 259, 70000));
    await ok(a.mknod('pipe', S.IFIFO | 0o600));
    await ok(a.mknod('sock', S.IFSOCK | 0o600));
    await ok(a.mknod('plain', S.IFREG | 0o604));
    await is((await ok(a.lstat('dev'))).rdev, String((1n << 32n) | 3n));
    await is((await ok(a.lstat('blk'))).rdev, String((259n << 32n) | 70000n));
    await is((await ok(a.lstat('pipe'))).mode, S.IFIFO | 0o600);
    await is((await ok(a.lstat('sock'))).mode, S.IFSOCK | 0o600);
    await is((await ok(a.lstat('plain'))).mode, S.IFREG | 0o604);
  },
  'char 0:0 is a device like others': async ({ a, client, forget }) => {
    const isZero = async (path: string, mode: number, nlink: number): Promise<void> => {
      const st = await ok(a.lstat(path));
      await is([st.mode, st.rdev, st.size, st.nlink], [S.IFCHR | mode, '0', 0, nlink]);
    };
    await ok(a.mknod('dir/zero', S.IFCHR | 0o640, 0, 0));
    await isZero('dir/zero', 0o640, 1);
    await is(await a.listxattr('dir/zero'), []);
    await fails(a.mknod('dir/zero', S.IFCHR | 0o640, 0, 0), 'EEXIST');
    await ok(a.link('dir/zero', 'empty/second'));
    await ok(a.chmod('empty/second', 0o604));
    await ok(a.rename('dir/zero', 'dir/sub/moved'));
    await forget();
    await isZero('dir/sub/moved', 0o604, 2);
    await isZero('empty/second', 0o604, 2);
    await is(a.list('dir'), ['inner', 'sub']);
    await fails(a.open('empty/second', O.RDONLY), 'ENXIO', 'EACCES');
    await is((await (await client(USER)).mknod('empty/no', S.IFCHR, 0, 0)) < 0, true);
    await ok(a.unlink('empty/second'));
    await isZero('dir/sub/moved', 0o604, 1);
    await ok(a.unlink('dir/inner'));
    await ok(a.mknod('dir/inner', S.IFCHR, 0, 0));
    await isZero('dir/inner', 0, 1);
  },
  'a fifo carries bytes between two processes': async ({ a, client }) => {
    await ok(a.mknod('pipe', S.IFIFO | 0o600));
    const other = await client();
    const reader = await ok(a.open('pipe', O.RDONLY | O.NONBLOCK));
    const writer = await ok(other.open('pipe', O.WRONLY | O.NONBLOCK));
    await is(other.write(writer, 'through'), 7);
    await is(a.read(reader, 100), 'through');
  },
  'a unix socket listens and connects': async ({ a, client }) => {
    await ok(a.bindunix('sock'));
    const other = await client();
    await ok(other.connectunix('sock'));
    await is((await ok(a.lstat('sock'))).mode & S.IFMT, S.IFSOCK);
  },
  'new files belong to who made them': async ({ a, client }) => {
    await ok(a.chmod('.', 0o777));
    const user = await client(USER, 4321);
    await ok(user.put('mine', 'x'));
    await ok(user.mkdir('minedir'));
    await ok(user.symlink('x', 'minelink'));
    for (const name of ['mine', 'minedir', 'minelink']) {
      const st = await ok(a.lstat(name));
      await is([name, st.uid, st.gid], [name, USER, 4321]);
    }
  },
  'a setgid directory gives its group, and setgid to new directories': {
    tree: { shared: dir({}, { mode: 0o2777, gid: 77 }) },
    run: async ({ a, client }) => {
      const user = await client(USER);
      await ok(user.put('shared/f', 'x'));
      await ok(user.mkdir('shared/d', 0o755));
      const [f, d] = [await ok(a.stat('shared/f')), await ok(a.stat('shared/d'))];
      await is([f.gid, d.gid, d.mode], [77, 77, 0o42755]);
    },
  },
  'a hard link is the same file': async ({ a }) => {
    await ok(a.link('file', 'dir/hard'));
    const [one, two] = [await ok(a.stat('file')), await ok(a.stat('dir/hard'))];
    await is([one.ino, one.nlink, two.nlink], [two.ino, 2, 2]);
    await ok(a.put('file', 'changed', O.WRONLY | O.TRUNC));
    await is(a.cat('dir/hard'), 'changed');
  },
  'a link to a name that is there is EEXIST': async ({ a }) => {
    await fails(a.link('file', 'other'), 'EEXIST');
    await fails(a.link('missing', 'x'), 'ENOENT');
  },
  'a link to a directory is EPERM': async ({ a }) => {
    await fails(a.link('dir', 'x'), 'EPERM');
  },
  'a link to a symlink links the symlink': async ({ a }) => {
    await ok(a.link('link', 'link2'));
    await is(a.readlink('link2'), 'file');
    await is((await ok(a.lstat('link'))).nlink, 2);
  },
  'nlink goes down with each unlink': async ({ a }) => {
    await ok(a.link('file', 'b'));
    await ok(a.link('file', 'c'));
    await is((await ok(a.stat('c'))).nlink, 3);
    await ok(a.unlink('file'));
    await is((await ok(a.stat('c'))).nlink, 2);
    await ok(a.unlink('b'));
    await is((await ok(a.stat('c'))).nlink, 1);
    await is(a.cat('c'), 'hello world\n');
  },
  'names that were hard links before are one file': {
    tree: { one: 'shared\n', sub: dir({ two: 'placeholder\n' }), three: hardlink('@/one') },
    run: async ({ a }) => {
      const [one, three] = [await ok(a.stat('one')), await ok(a.stat('three'))];
      await is([one.ino, one.nlink], [three.ino, 2]);
      await ok(a.put('one', 'changed\n', O.WRONLY | O.TRUNC));
      await is(a.cat('three'), 'changed\n');
      await is((await ok(a.stat('three'))).ino, (await ok(a.stat('one'))).ino);
    },
  },
};
