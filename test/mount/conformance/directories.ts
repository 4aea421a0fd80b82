// Reading directories: complete, each name once, cookies that survive changes, numbers that agree.

import type { Agent } from '../../support/agent.js';
import { fails, is, ok, yes } from '../../support/expect.js';
import { O, S } from '../../support/linux.js';
import { device, dir, fifo, type TreeSpec } from '../../support/tree.js';
import type { Family } from './case.js';

function many(count: number): TreeSpec {
  return Object.fromEntries(Array.from({ length: count }, (_v, i) => [`entry-${String(i).padStart(5, '0')}`, `${i}`]));
}

/** The rest of a stream's names, `.` and `..` left out. */
async function rest(a: Agent, stream: number): Promise<string[]> {
  const entries = await ok(a.readdir(stream));
  return entries.map((entry) => entry.name).filter((name) => name !== '.' && name !== '..');
}

export const directories: Family = {
  'lists names once, with dot and dot-dot': async ({ a }) => {
    const stream = await ok(a.opendir('dir'));
    const entries = await ok(a.readdir(stream));
    await is(entries.map((entry) => entry.name).sort(), ['.', '..', 'inner', 'sub']);
  },
  'd_type and d_ino agree with lstat': {
    tree: { dev: device(1, 3), pipe: fifo() },
    run: async ({ a }) => {
      const stream = await ok(a.opendir('.'));
      for (const entry of await ok(a.readdir(stream))) {
        if (entry.name === '..') continue;
        const st = await ok(a.lstat(entry.name));
        await is({ name: entry.name, ino: entry.ino }, { name: entry.name, ino: st.ino });
        await is({ name: entry.name, type: entry.type }, { name: entry.name, type: (st.mode & S.IFMT) >> 12 });
      }
    },
  },
  'd_ino agrees after copy-up and creation': async ({ a }) => {
    await ok(a.chmod('dir/inner', 0o600));
    await ok(a.put('dir/new', 'x'));
    await ok(a.mkdir('dir/newdir'));
    const stream = await ok(a.opendir('dir'));
    for (const entry of await ok(a.readdir(stream))) {
      if (entry.name === '.' || entry.name === '..') continue;
      await is(entry.ino, (await ok(a.lstat(`dir/${entry.name}`))).ino);
    }
  },
  'sees what is made and removed': async ({ a }) => {
    await ok(a.put('dir/new', 'x'));
    await is(a.list('dir'), ['inner', 'new', 'sub']);
    await ok(a.unlink('dir/inner'));
    await is(a.list('dir'), ['new', 'sub']);
    await ok(a.unlink('dir/new'));
    await ok(a.rmdir('dir/sub').then(async (r) => (r < 0 ? a.rmtree('dir/sub') : r)));
    await is(a.list('dir'), []);
  },
  'a directory with a thousand names': {
    tree: { many: dir(many(1000)) },
    run: async ({ a }) => {
      const names = await ok(a.list('many'));
      await is(names.length, 1000);
      await is(new Set(names).size, 1000);
      await is(names[999], 'entry-00999');
    },
  },
  'names deleted while reading come up at most once, the others exactly once': {
    tree: { many: dir(many(600)) },
    run: async ({ a }) => {
      const stream = await ok(a.opendir('many'));
      const seen: string[] = [];
      for (;;) {
        const entries = (await ok(a.readdir(stream, 50))).map((e) => e.name).filter((n) => n.startsWith('entry'));
        if (entries.length === 0 && seen.length > 0) break;
        seen.push(...entries);
        for (const name of entries.slice(0, 25)) await ok(a.unlink(`many/${name}`));
      }
      await is(seen.length, 600);
      await is(new Set(seen).size, 600);
    },
  },
  'rm -r reads and removes to the end': {
    tree: { many: dir(many(400)) },
    run: async ({ a }) => {
      await is(a.rmtree('many'), 0);
      await fails(a.stat('many'), 'ENOENT');
    },
  },
  'telldir and seekdir come back to the same name': {
    tree: { many: dir(many(300)) },
    run: async ({ a }) => {
      const stream = await ok(a.opendir('many'));
      await ok(a.readdir(stream, 120));
      const here = await a.telldir(stream);
      const first = await rest(a, stream);
      await a.seekdir(stream, here);
      await is(await rest(a, stream), first);
    },
  },
  'a cookie survives deletes before and after it': {
    tree: { many: dir(many(300)) },
    run: async ({ a }) => {
      const stream = await ok(a.opendir('many'));
      const before = (await ok(a.readdir(stream, 100))).map((e) => e.name).filter((n) => n.startsWith('entry'));
      const here = await a.telldir(stream);
      const after = await rest(a, stream);
      for (const name of [...before.slice(0, 40), ...after.slice(10, 50)]) await ok(a.unlink(`many/${name}`));
      await a.seekdir(stream, here);
      const left = new Set([...after.slice(0, 10), ...after.slice(50)]);
      const found = await rest(a, stream);
      for (const name of left) yes(found.includes(name), `${name} is found after the seek`);
      for (const name of before) yes(!found.includes(name), `${name} does not come twice`);
    },
  },
  'rewinddir sees new names': async ({ a }) => {
    const stream = await ok(a.opendir('dir'));
    await rest(a, stream);
    await ok(a.put('dir/late', 'x'));
    await a.rewinddir(stream);
    yes((await rest(a, stream)).includes('late'), 'the new name is there');
  },
  'a second stream has its own place': async ({ a }) => {
    const [one, two] = [await ok(a.opendir('.')), await ok(a.opendir('.'))];
    await ok(a.readdir(one, 3));
    const all = (await rest(a, two)).sort();
    await is(all, await ok(a.list('.')));
  },
  'an open removed directory reads empty': async ({ a }) => {
    const stream = await ok(a.opendir('empty'));
    await ok(a.rmdir('empty'));
    await is(rest(a, stream), []);
  },
  'fstat of an open removed directory': async ({ a }) => {
    const stream = await ok(a.opendir('empty'));
    await ok(a.rmdir('empty'));
    const st = await ok(a.fstat(await a.dirfd(stream)));
    await is(st.mode & S.IFMT, S.IFDIR);
  },
  'attributes of an open removed directory': {
    tree: { old: dir({}, { mode: 0o750, xattrs: { 'user.k': 'v' } }) },
    run: async ({ a }) => {
      const fd = await ok(a.open('old', O.RDONLY));
      await ok(a.rmdir('old'));
      await ok(a.fchmod(fd, 0o700));
      await ok(a.futimens(fd, 1n, 2_000_000_002n));
      await ok(a.fsetxattr(fd, 'user.l', 'w'));
      const st = await ok(a.fstat(fd));
      await is([st.mode & 0o7777, st.mtime], [0o700, 2_000_000_002n]);
      await is([await a.fgetxattr(fd, 'user.k'), await a.fgetxattr(fd, 'user.l')], ['v', 'w']);
      await fails(a.lstat('old'), 'ENOENT');
    },
  },
  'fsync of a removed directory': async ({ a }) => {
    const fd = await ok(a.open('dir', O.RDONLY));
    await ok(a.rmtree('dir'));
    await ok(a.fsync(fd));
  },
  'fsync of a directory': async ({ a }) => {
    const fd = await ok(a.open('dir', O.RDONLY | O.DIRECTORY));
    await ok(a.put('dir/x', 'x'));
    await ok(a.fsync(fd));
    await ok(a.fsync(fd, true));
  },
  'read of a directory descriptor is EISDIR': async ({ a }) => {
    const fd = await ok(a.open('dir', O.RDONLY));
    await fails(a.read(fd, 10), 'EISDIR');
  },
  'nlink of a directory is at least 1 and changes never below': async ({ a }) => {
    yes((await ok(a.stat('dir'))).nlink >= 1, 'nlink');
    await ok(a.mkdir('dir/another'));
    yes((await ok(a.stat('dir'))).nlink >= 1, 'nlink');
  },
};
