// unlink and rmdir: what goes, what stays, and which error says why not.

import { fails, is, ok, yes } from '../../support/expect.js';
import { O } from '../../support/linux.js';
import { dir } from '../../support/tree.js';
import { type Family, USER } from './case.js';

export const remove: Family = {
  'unlink a file, and it stays gone after a forget': async ({ a, forget }) => {
    await ok(a.unlink('file'));
    await fails(a.stat('file'), 'ENOENT');
    await forget();
    await fails(a.stat('file'), 'ENOENT');
    yes(!(await ok(a.list('.'))).includes('file'), 'the listing has lost it');
  },
  'unlink a symlink leaves its target': async ({ a }) => {
    await ok(a.unlink('link'));
    await is(a.cat('file'), 'hello world\n');
  },
  'unlink a new file': async ({ a }) => {
    await ok(a.put('new', 'x'));
    await ok(a.unlink('new'));
    await fails(a.stat('new'), 'ENOENT');
  },
  'unlink a changed file': async ({ a }) => {
    await ok(a.put('file', 'changed'));
    await ok(a.unlink('file'));
    await fails(a.stat('file'), 'ENOENT');
    await fails(a.unlink('file'), 'ENOENT');
  },
  'unlink moves the parent mtime': async ({ a }) => {
    const before = await ok(a.stat('dir'));
    await ok(a.unlink('dir/inner'));
    yes((await ok(a.stat('dir'))).mtime > before.mtime, 'mtime of the parent');
  },
  'unlink of a directory is EISDIR, rmdir of a file ENOTDIR': async ({ a }) => {
    await fails(a.unlink('dir'), 'EISDIR');
    await fails(a.rmdir('file'), 'ENOTDIR');
    await fails(a.rmdir('link'), 'ENOTDIR');
    await fails(a.rmdir('none'), 'ENOENT');
  },
  'rmdir an empty directory': async ({ a }) => {
    await ok(a.rmdir('empty'));
    await fails(a.stat('empty'), 'ENOENT');
  },
  'rmdir of a full directory is ENOTEMPTY': async ({ a }) => {
    await fails(a.rmdir('dir'), 'ENOTEMPTY');
  },
  'rmdir after its content was removed': async ({ a }) => {
    await ok(a.unlink('dir/sub/deep'));
    await ok(a.rmdir('dir/sub'));
    await fails(a.rmdir('dir'), 'ENOTEMPTY');
    await ok(a.unlink('dir/inner'));
    await ok(a.rmdir('dir'));
    await fails(a.stat('dir'), 'ENOENT');
  },
  'a directory made again is empty by listing and by name': async ({ a, forget }) => {
    await is(a.rmtree('dir'), 0);
    await ok(a.mkdir('dir'));
    await is(a.list('dir'), []);
    await fails(a.stat('dir/inner'), 'ENOENT');
    await forget();
    await fails(a.stat('dir/inner'), 'ENOENT');
    await fails(a.stat('dir/sub/deep'), 'ENOENT');
    await ok(a.put('dir/inner', 'new'));
    await is(a.cat('dir/inner'), 'new');
  },
  'a file where a directory was, and the other way': async ({ a }) => {
    await is(a.rmtree('dir'), 0);
    await ok(a.put('dir', 'now a file'));
    await is(a.cat('dir'), 'now a file');
    await ok(a.unlink('file'));
    await ok(a.mkdir('file'));
    await is(a.list('file'), []);
  },
  'a removed file made again twenty times': async ({ a }) => {
    for (let i = 0; i < 20; i++) {
      await ok(a.unlink('file'));
      await fails(a.stat('file'), 'ENOENT');
      await ok(a.put('file', `round ${i}`));
      await is(a.cat('file'), `round ${i}`);
    }
  },
  'rmdir of dot is EINVAL, of dot-dot ENOTEMPTY': async ({ a }) => {
    await fails(a.rmdir('empty/.'), 'EINVAL');
    await fails(a.rmdir('dir/sub/..'), 'ENOTEMPTY');
  },
  'a sticky directory keeps others out': {
    tree: { sticky: dir({ theirs: 'x' }, { mode: 0o1777 }) },
    run: async ({ client }) => {
      const user = await client(USER);
      await fails(user.unlink('sticky/theirs'), 'EPERM', 'EACCES');
      await ok(user.put('sticky/own', 'x'));
      await ok(user.unlink('sticky/own'));
    },
  },
  'unlink needs write permission on the parent only': {
    tree: { open: dir({ locked: 'x' }, { mode: 0o777 }) },
    run: async ({ a, client }) => {
      await ok(a.chmod('open/locked', 0o000));
      const user = await client(USER);
      await fails(user.unlink('file'), 'EACCES');
      await ok(user.unlink('open/locked'));
    },
  },
  'removing one of two open files leaves the other': async ({ a }) => {
    const [one, two] = [await ok(a.open('file', O.RDONLY)), await ok(a.open('dir/inner', O.RDONLY))];
    await ok(a.unlink('file'));
    await is(a.read(one, 100), 'hello world\n');
    await is(a.read(two, 100), 'inner\n');
  },
};
