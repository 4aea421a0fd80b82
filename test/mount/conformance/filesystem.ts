// statfs, inode flags, and names that tools trip over.

import { fails, is, ok, yes } from '../../support/expect.js';
import { FS_FLAGS, O } from '../../support/linux.js';
import type { Family } from './case.js';

const strange = [
  'with space',
  'new\nline',
  '\xff\xfe\x80',
  'caf\xc3\xa9',
  '%41',
  'quote\'"',
  '-rf',
  '\x01',
  '...',
  '~',
];

export const filesystem: Family = {
  'statfs shows a real filesystem': async ({ a }) => {
    const st = await ok(a.statfs('.'));
    yes(st.blocks > 0 && st.bfree > 0 && st.bsize > 0, 'blocks');
    yes(st.namelen >= 251 && st.namelen <= 255, `names up to ${st.namelen}`);
  },
  'FS_IOC_GETFLAGS of a file and a directory': async ({ a }) => {
    await ok(a.getflags(await ok(a.open('file', O.RDONLY))));
    await ok(a.getflags(await ok(a.open('dir', O.RDONLY))));
  },
  'FS_IOC_SETFLAGS keeps nodump': async ({ a }) => {
    await ok(a.put('new', 'x'));
    const fd = await ok(a.open('new', O.RDWR));
    const flags = await ok(a.getflags(fd));
    await ok(a.setflags(fd, flags | FS_FLAGS.NODUMP));
    yes((await ok(a.getflags(fd))) & FS_FLAGS.NODUMP, 'the flag is set');
  },
  'FS_IOC_SETFLAGS of a file that stood there before': async ({ a }) => {
    const fd = await ok(a.open('file', O.RDONLY));
    const flags = await ok(a.getflags(fd));
    await ok(a.setflags(fd, flags | FS_FLAGS.NODUMP));
    const again = await ok(a.open('file', O.RDONLY));
    yes((await ok(a.getflags(again))) & FS_FLAGS.NODUMP, 'the flag is set');
    await is(a.cat('file'), 'hello world\n');
  },
  'names are bytes': async ({ a, forget }) => {
    for (const name of strange) await ok(a.put(name, name));
    await forget();
    const names = await ok(a.list('.'));
    for (const name of strange) {
      yes(names.includes(name), `${JSON.stringify(name)} is listed`);
      await is(a.cat(name), name);
      await ok(a.unlink(name));
      await fails(a.stat(name), 'ENOENT');
    }
  },
  'names of 255 bytes, and not of 256': async ({ a }) => {
    const name = 'n'.repeat(255);
    await ok(a.put(name, 'long'));
    await ok(a.rename(name, 'm'.repeat(255)));
    await is(a.cat('m'.repeat(255)), 'long');
    await ok(a.unlink('m'.repeat(255)));
    await fails(a.put(`${name}n`, 'x'), 'ENAMETOOLONG');
    await fails(a.stat(`${name}n`), 'ENAMETOOLONG');
    await fails(a.mkdir(`${name}n`), 'ENAMETOOLONG');
  },
  'long names that stood there before can be removed and changed': {
    tree: { ['l'.repeat(255)]: 'long', ['k'.repeat(255)]: 'other long' },
    run: async ({ a, forget }) => {
      await ok(a.put('l'.repeat(255), 'changed', O.WRONLY | O.TRUNC));
      await ok(a.unlink('k'.repeat(255)));
      await forget();
      await is(a.cat('l'.repeat(255)), 'changed');
      await fails(a.stat('k'.repeat(255)), 'ENOENT');
    },
  },
  'a path of thirty levels': async ({ a, forget }) => {
    const levels = Array.from({ length: 30 }, (_v, i) => `level${i}`);
    for (let i = 1; i <= levels.length; i++) await ok(a.mkdir(levels.slice(0, i).join('/')));
    await ok(a.put(`${levels.join('/')}/leaf`, 'leaf'));
    await forget();
    await is(a.cat(`${levels.join('/')}/leaf`), 'leaf');
    await is(a.rmtree('level0'), 0);
  },
};
