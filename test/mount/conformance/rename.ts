// rename in all its forms. A directory with lower content may answer EXDEV where the filesystem
// says so; then `mv` copies, and the case is not run.

import { fails, is, ok, yes } from '../../support/expect.js';
import { O, RENAME } from '../../support/linux.js';
import { type Family, USER } from './case.js';

export const rename: Family = {
  'a file to a new name': async ({ a, forget }) => {
    const before = await ok(a.stat('file'));
    await ok(a.rename('file', 'moved'));
    await fails(a.stat('file'), 'ENOENT');
    await is(a.cat('moved'), 'hello world\n');
    const after = await ok(a.stat('moved'));
    await is([after.ino, after.mtime], [before.ino, before.mtime]);
    await forget();
    await fails(a.stat('file'), 'ENOENT');
    await is((await ok(a.stat('moved'))).ino, before.ino);
  },
  'a file over a file': async ({ a }) => {
    await ok(a.rename('file', 'other'));
    await is(a.cat('other'), 'hello world\n');
    await fails(a.stat('file'), 'ENOENT');
  },
  'a file into another directory': async ({ a }) => {
    await ok(a.rename('file', 'dir/sub/moved'));
    await is(a.cat('dir/sub/moved'), 'hello world\n');
    await is(a.list('dir/sub'), ['deep', 'moved']);
  },
  'moves the mtime of both parents': async ({ a }) => {
    const [from, to] = [await ok(a.stat('dir')), await ok(a.stat('empty'))];
    await ok(a.rename('dir/inner', 'empty/inner'));
    yes((await ok(a.stat('dir'))).mtime > from.mtime, 'the old parent');
    yes((await ok(a.stat('empty'))).mtime > to.mtime, 'the new parent');
  },
  'a new file over a file and back': async ({ a }) => {
    await ok(a.put('new', 'new'));
    await ok(a.rename('new', 'file'));
    await is(a.cat('file'), 'new');
    await ok(a.rename('file', 'new'));
    await fails(a.stat('file'), 'ENOENT');
    await is(a.cat('new'), 'new');
  },
  'over a name that was removed': async ({ a, forget }) => {
    await ok(a.unlink('file'));
    await ok(a.rename('other', 'file'));
    await is(a.cat('file'), 'other\n');
    await forget();
    await is(a.cat('file'), 'other\n');
    await fails(a.stat('other'), 'ENOENT');
  },
  'to itself does nothing': async ({ a }) => {
    await ok(a.rename('file', 'file'));
    await is(a.cat('file'), 'hello world\n');
  },
  'between two names of one file does nothing': async ({ a }) => {
    await ok(a.link('file', 'hard'));
    await ok(a.rename('file', 'hard'));
    await is(a.cat('file'), 'hello world\n');
    await is((await ok(a.stat('hard'))).nlink, 2);
  },
  'a symlink moves itself': async ({ a }) => {
    await ok(a.rename('link', 'dir/link'));
    await is(a.readlink('dir/link'), 'file');
    await is(a.cat('file'), 'hello world\n');
  },
  'NOREPLACE refuses a name that is there': async ({ a }) => {
    await fails(a.rename('file', 'other', RENAME.NOREPLACE), 'EEXIST');
    await is(a.cat('other'), 'other\n');
    await ok(a.rename('file', 'fresh', RENAME.NOREPLACE));
    await is(a.cat('fresh'), 'hello world\n');
    await fails(a.stat('file'), 'ENOENT');
  },
  'NOREPLACE onto a name that was removed': async ({ a }) => {
    await ok(a.unlink('file'));
    await ok(a.rename('other', 'file', RENAME.NOREPLACE));
    await is(a.cat('file'), 'other\n');
  },
  'EXCHANGE of two files': async ({ a, forget }) => {
    const [one, two] = [await ok(a.stat('file')), await ok(a.stat('dir/inner'))];
    await ok(a.rename('file', 'dir/inner', RENAME.EXCHANGE));
    await is(a.cat('file'), 'inner\n');
    await is(a.cat('dir/inner'), 'hello world\n');
    await forget();
    await is((await ok(a.stat('file'))).ino, two.ino);
    await is((await ok(a.stat('dir/inner'))).ino, one.ino);
  },
  'EXCHANGE with a name that is not there is ENOENT': async ({ a }) => {
    await fails(a.rename('file', 'none', RENAME.EXCHANGE), 'ENOENT');
  },
  'EXCHANGE of a new file and a new directory': async ({ a }) => {
    await ok(a.mkdir('d'));
    await ok(a.put('d/in', 'in'));
    await ok(a.put('f', 'f'));
    await ok(a.rename('d', 'f', RENAME.EXCHANGE));
    await is(a.cat('d'), 'f');
    await is(a.cat('f/in'), 'in');
  },
  'EXCHANGE with NOREPLACE is EINVAL': async ({ a }) => {
    await fails(a.rename('file', 'other', RENAME.EXCHANGE | RENAME.NOREPLACE), 'EINVAL');
  },
  'a new directory with content': async ({ a }) => {
    await ok(a.mkdir('d'));
    await ok(a.put('d/in', 'in'));
    await ok(a.rename('d', 'dir/d'));
    await is(a.cat('dir/d/in'), 'in');
    await fails(a.stat('d'), 'ENOENT');
  },
  'a new directory over an empty one that is there': async ({ a, forget }) => {
    await ok(a.mkdir('d'));
    await ok(a.put('d/in', 'in'));
    await ok(a.rename('d', 'empty'));
    await is(a.list('empty'), ['in']);
    await forget();
    await is(a.list('empty'), ['in']);
  },
  'a new directory onto a name whose directory was removed': async ({ a, forget }) => {
    await is(a.rmtree('dir'), 0);
    await ok(a.mkdir('d'));
    await ok(a.put('d/in', 'in'));
    await ok(a.rename('d', 'dir'));
    await forget();
    await is(a.list('dir'), ['in']);
    await fails(a.stat('dir/inner'), 'ENOENT');
  },
  'a new directory over a full one is ENOTEMPTY': async ({ a }) => {
    await ok(a.mkdir('d'));
    await fails(a.rename('d', 'dir'), 'ENOTEMPTY');
  },
  'over an emptied directory': async ({ a, forget }) => {
    await ok(a.unlink('dir/inner'));
    await is(a.rmtree('dir/sub'), 0);
    await ok(a.mkdir('d'));
    await ok(a.put('d/in', 'in'));
    await ok(a.rename('d', 'dir'));
    await forget();
    await is(a.list('dir'), ['in']);
    await fails(a.stat('dir/inner'), 'ENOENT');
  },
  'a directory into its own child is EINVAL': async ({ a }) => {
    await ok(a.mkdir('d'));
    await ok(a.mkdir('d/e'));
    await fails(a.rename('d', 'd/e/f'), 'EINVAL');
  },
  'a file over a directory is EISDIR, a directory over a file ENOTDIR': async ({ a }) => {
    await ok(a.mkdir('d'));
    await fails(a.rename('file', 'd'), 'EISDIR');
    await fails(a.rename('d', 'file'), 'ENOTDIR');
  },
  'a missing source is ENOENT': async ({ a }) => {
    await fails(a.rename('none', 'x'), 'ENOENT');
    await fails(a.rename('file', 'none/x'), 'ENOENT');
  },
  'a directory with everything in it': {
    needs: ['dir-rename'],
    run: async ({ a, forget }) => {
      const before = await ok(a.stat('dir'));
      await ok(a.rename('dir', 'moved'));
      await fails(a.stat('dir'), 'ENOENT');
      await is(a.list('moved'), ['inner', 'sub']);
      await is(a.cat('moved/sub/deep'), 'deep\n');
      await forget();
      await is(a.cat('moved/sub/deep'), 'deep\n');
      await is((await ok(a.stat('moved'))).ino, before.ino);
      await ok(a.put('moved/sub/deep', 'changed'));
      await is(a.cat('moved/sub/deep'), 'changed');
      await fails(a.stat('dir'), 'ENOENT');
    },
  },
  'a directory, then a new one in its place is empty': {
    needs: ['dir-rename'],
    run: async ({ a, forget }) => {
      await ok(a.rename('dir', 'moved'));
      await ok(a.mkdir('dir'));
      await is(a.list('dir'), []);
      await forget();
      await fails(a.stat('dir/inner'), 'ENOENT');
      await is(a.cat('moved/inner'), 'inner\n');
    },
  },
  'a directory twice, and its child out of it': {
    needs: ['dir-rename'],
    run: async ({ a, forget }) => {
      await ok(a.rename('dir', 'empty/one'));
      await ok(a.rename('empty/one/sub', 'sub'));
      await ok(a.rename('empty/one', 'two'));
      await forget();
      await is(a.cat('sub/deep'), 'deep\n');
      await is(a.list('two'), ['inner']);
      await is(a.list('empty'), []);
    },
  },
  'EXCHANGE of two directories': {
    needs: ['dir-rename'],
    run: async ({ a, forget }) => {
      await ok(a.rename('dir', 'empty', RENAME.EXCHANGE));
      await forget();
      await is(a.list('dir'), []);
      await is(a.cat('empty/sub/deep'), 'deep\n');
    },
  },
  'EXCHANGE of a file and a directory with everything in it': {
    needs: ['dir-rename'],
    run: async ({ a, forget }) => {
      await ok(a.put('new', 'new'));
      await ok(a.rename('dir', 'new', RENAME.EXCHANGE));
      await is(a.list('new'), ['inner', 'sub']);
      await forget();
      await is(a.list('new'), ['inner', 'sub']);
      await is(a.cat('new/sub/deep'), 'deep\n');
      await is(a.cat('dir'), 'new');
      await ok(a.rename('new', 'file', RENAME.EXCHANGE));
      await forget();
      await is(a.cat('file/inner'), 'inner\n');
      await is(a.cat('new'), 'hello world\n');
    },
  },
  'an open file follows its name': async ({ a }) => {
    const fd = await ok(a.open('file', O.RDWR));
    await ok(a.rename('file', 'moved'));
    await is(a.pwrite(fd, 'HELLO', 0), 5);
    await is(a.cat('moved'), 'HELLO world\n');
    await is((await ok(a.fstat(fd))).ino, (await ok(a.stat('moved'))).ino);
  },
  'an open file that was replaced keeps its bytes': async ({ a }) => {
    const fd = await ok(a.open('other', O.RDONLY));
    await ok(a.rename('file', 'other'));
    await is(a.read(fd, 100), 'other\n');
    await is((await ok(a.fstat(fd))).nlink, 0);
  },
  'needs write permission on both parents': async ({ a, client }) => {
    await ok(a.chmod('empty', 0o777));
    const user = await client(USER);
    await fails(user.rename('file', 'empty/x'), 'EACCES');
    await ok(user.put('empty/mine', 'x'));
    await fails(user.rename('empty/mine', 'mine'), 'EACCES');
    await ok(user.rename('empty/mine', 'empty/yours'));
  },
};
