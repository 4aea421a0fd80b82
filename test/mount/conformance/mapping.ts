// mmap: shared maps are the file, private maps are not, and both follow other writers.

import { fails, is, ok } from '../../support/expect.js';
import { MAP, O, PROT } from '../../support/linux.js';
import type { Family } from './case.js';

export const mapping: Family = {
  'reads through a map': async ({ a }) => {
    const fd = await ok(a.open('file', O.RDONLY));
    const map = await ok(a.mmap(fd, 4096, PROT.READ, MAP.SHARED));
    await ok(a.close(fd));
    await is(a.mapread(map, 0, 13), 'hello world\n\0');
  },
  'writes through a shared map': async ({ a, client }) => {
    const fd = await ok(a.open('file', O.RDWR));
    const map = await ok(a.mmap(fd, 4096, PROT.READ | PROT.WRITE, MAP.SHARED));
    await is(a.mapwrite(map, 0, 'HELLO'), 5);
    await ok(a.msync(map));
    await is(a.cat('file'), 'HELLO world\n');
    await is((await client()).cat('file'), 'HELLO world\n');
  },
  'a write to a shared map is there after munmap and close': async ({ a, forget }) => {
    const fd = await ok(a.open('file', O.RDWR));
    const map = await ok(a.mmap(fd, 4096, PROT.READ | PROT.WRITE, MAP.SHARED));
    await is(a.mapwrite(map, 6, 'THERE'), 5);
    await ok(a.munmap(map));
    await ok(a.close(fd));
    await forget();
    await is(a.cat('file'), 'hello THERE\n');
  },
  'a private map keeps its writes to itself': async ({ a }) => {
    const fd = await ok(a.open('file', O.RDONLY));
    const map = await ok(a.mmap(fd, 4096, PROT.READ | PROT.WRITE, MAP.PRIVATE));
    await is(a.mapwrite(map, 0, 'XXXXX'), 5);
    await is(a.mapread(map, 0, 5), 'XXXXX');
    await is(a.cat('file'), 'hello world\n');
  },
  'a map sees a write(2), and read(2) sees the map': async ({ a }) => {
    const fd = await ok(a.open('file', O.RDWR));
    const map = await ok(a.mmap(fd, 4096, PROT.READ | PROT.WRITE, MAP.SHARED));
    await is(a.pwrite(fd, 'J', 0), 1);
    await is(a.mapread(map, 0, 5), 'Jello');
    await is(a.mapwrite(map, 0, 'C'), 1);
    await is(a.pread(fd, 5, 0), 'Cello');
  },
  'two processes share a map': async ({ a, client }) => {
    const b = await client();
    const [mine, theirs] = [await ok(a.open('file', O.RDWR)), await ok(b.open('file', O.RDWR))];
    const one = await ok(a.mmap(mine, 4096, PROT.READ | PROT.WRITE, MAP.SHARED));
    const two = await ok(b.mmap(theirs, 4096, PROT.READ | PROT.WRITE, MAP.SHARED));
    await is(a.mapwrite(one, 0, 'ping!'), 5);
    await is(b.mapread(two, 0, 5), 'ping!');
  },
  'an access beyond the end is a fault': async ({ a }) => {
    const fd = await ok(a.open('file', O.RDONLY));
    const map = await ok(a.mmap(fd, 16384, PROT.READ, MAP.SHARED));
    await fails(a.mapread(map, 8192, 1), 'EFAULT');
  },
  'a shared writable map of a read-only descriptor is EACCES': async ({ a }) => {
    const fd = await ok(a.open('file', O.RDONLY));
    await fails(a.mmap(fd, 4096, PROT.READ | PROT.WRITE, MAP.SHARED), 'EACCES');
  },
  'a map of an unlinked file': async ({ a }) => {
    const fd = await ok(a.open('file', O.RDWR));
    await ok(a.unlink('file'));
    const map = await ok(a.mmap(fd, 4096, PROT.READ | PROT.WRITE, MAP.SHARED));
    await is(a.mapwrite(map, 0, 'GONE!'), 5);
    await is(a.pread(fd, 5, 0), 'GONE!');
  },
  'a private map from before the first write follows the file': async ({ a }) => {
    const reader = await ok(a.open('file', O.RDONLY));
    const map = await ok(a.mmap(reader, 4096, PROT.READ, MAP.PRIVATE));
    await is(a.mapread(map, 0, 5), 'hello');
    const writer = await ok(a.open('file', O.RDWR));
    await is(a.pwrite(writer, 'HELLO', 0), 5);
    await is(a.pread(reader, 5, 0), 'HELLO');
  },
};
