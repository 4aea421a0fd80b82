// Finding names: what is there, what is not, and what the kernel may remember of it.

import { fails, is, ok, yes } from '../../support/expect.js';
import { O } from '../../support/linux.js';
import type { Family } from './case.js';

export const lookup: Family = {
  'finds a file': async ({ a }) => {
    await is(a.cat('file'), 'hello world\n');
  },
  'finds a file three levels down': async ({ a }) => {
    await is(a.cat('dir/sub/deep'), 'deep\n');
  },
  'a missing name is ENOENT, again and again': async ({ a }) => {
    for (let i = 0; i < 3; i++) await fails(a.stat('missing'), 'ENOENT');
  },
  'a missing name that is made is found': async ({ a }) => {
    await fails(a.stat('new'), 'ENOENT');
    await ok(a.put('new', 'x'));
    await is(a.cat('new'), 'x');
  },
  'a removed name that is made again is found': async ({ a }) => {
    await ok(a.unlink('file'));
    await fails(a.stat('file'), 'ENOENT');
    await ok(a.put('file', 'again'));
    await is(a.cat('file'), 'again');
  },
  'a missing parent is ENOENT': async ({ a }) => {
    await fails(a.stat('missing/file'), 'ENOENT');
  },
  'a file as a parent is ENOTDIR': async ({ a }) => {
    await fails(a.stat('file/x'), 'ENOTDIR');
    await fails(a.stat('file/'), 'ENOTDIR');
  },
  'follows a symlink, and not with lstat': async ({ a }) => {
    const [followed, link, direct] = [await ok(a.stat('link')), await ok(a.lstat('link')), await ok(a.stat('file'))];
    await is(followed.ino, direct.ino);
    await is(link.mode, 0o120777);
    yes(link.ino !== direct.ino, 'the link has its own number');
  },
  'dot-dot leads back': async ({ a }) => {
    const [here, back] = [await ok(a.stat('.')), await ok(a.stat('dir/sub/../..'))];
    await is(back.ino, here.ino);
  },
  'a symlink that names itself is ELOOP': async ({ a }) => {
    await ok(a.symlink('loop', 'loop'));
    await fails(a.stat('loop'), 'ELOOP');
  },
  'a lookup in a removed directory is ENOENT': async ({ a, client }) => {
    const inside = await client();
    await ok(inside.chdir('empty'));
    await ok(a.rmdir('empty'));
    await fails(inside.stat('anything'), 'ENOENT');
    await fails(inside.put('anything', 'x'), 'ENOENT');
    await fails(inside.mkdir('anything'), 'ENOENT');
  },
  'names differ by case': async ({ a }) => {
    await fails(a.stat('FILE'), 'ENOENT');
    await ok(a.put('FILE', 'upper case'));
    await is(a.cat('file'), 'hello world\n');
  },
  'an inode number stays while the kernel forgets': async ({ a, forget }) => {
    const before = await ok(a.stat('dir/inner'));
    await forget();
    await is((await ok(a.stat('dir/inner'))).ino, before.ino);
  },
  'all files are on one device': async ({ a }) => {
    const root = await ok(a.stat('.'));
    for (const name of ['file', 'dir', 'dir/inner', 'run', 'link']) {
      await is((await ok(a.lstat(name))).dev, root.dev);
    }
  },
  'an open by a descriptor of the directory works after its rename': {
    needs: ['dir-rename'],
    run: async ({ a }) => {
      const fd = await ok(a.open('dir', O.RDONLY | O.DIRECTORY));
      await ok(a.rename('dir', 'moved'));
      const inner = await ok(a.openat(fd, 'inner', O.RDONLY));
      await is(a.read(inner, 100), 'inner\n');
    },
  },
};
