// Reading and writing: positions, holes, ranges, copies between files, syncing.

import { fails, is, ok, yes } from '../../support/expect.js';
import { FALLOC, O, SEEK } from '../../support/linux.js';
import { file, sparse } from '../../support/tree.js';
import { type Family, USER } from './case.js';

const MIB = 1 << 20;
const holed = { holed: sparse(8 * MIB, { 0: 'start', [4 * MIB]: 'middle' }) };

export const data: Family = {
  'write in the middle keeps the rest': async ({ a }) => {
    const fd = await ok(a.open('file', O.RDWR));
    await is(a.pwrite(fd, 'WORLD', 6), 5);
    await is(a.cat('file'), 'hello WORLD\n');
  },
  'write beyond the end leaves zeros': async ({ a }) => {
    const fd = await ok(a.open('file', O.RDWR));
    await is(a.pwrite(fd, 'x', 20), 1);
    await is(a.cat('file'), `hello world\n${'\0'.repeat(8)}x`);
  },
  'read at and beyond the end gives nothing': async ({ a }) => {
    const fd = await ok(a.open('file', O.RDONLY));
    await is(a.pread(fd, 10, 12), '');
    await is(a.pread(fd, 10, 1000), '');
    await is(a.pread(fd, 10, 8), 'rld\n');
  },
  'another process sees a write at once': async ({ a, client }) => {
    const other = await client();
    const reader = await ok(other.open('file', O.RDONLY));
    await is(other.pread(reader, 5, 0), 'hello');
    const writer = await ok(a.open('file', O.RDWR));
    await is(a.pwrite(writer, 'HELLO', 0), 5);
    await is(other.pread(reader, 5, 0), 'HELLO');
    await is((await ok(other.fstat(reader))).size, 12);
  },
  'a descriptor from before the first write sees growth': async ({ a }) => {
    const reader = await ok(a.open('file', O.RDONLY));
    const writer = await ok(a.open('file', O.WRONLY | O.APPEND));
    await is(a.write(writer, 'tail'), 4);
    await is((await ok(a.fstat(reader))).size, 16);
    await is(a.pread(reader, 100, 0), 'hello world\ntail');
  },
  'a megabyte forth and back': async ({ a }) => {
    const fd = await ok(a.open('big', O.CREAT | O.RDWR));
    await is(a.fill(fd, 0x61, 0, MIB), MIB);
    await is(a.fill(fd, 0x62, MIB, MIB), MIB);
    await is(a.pread(fd, 10, MIB - 5), 'aaaaabbbbb');
    await is((await ok(a.stat('big'))).size, 2 * MIB);
  },
  'writing strips setuid for a user': async ({ a, client }) => {
    await ok(a.put('s', 'x'));
    await ok(a.chmod('s', 0o6777));
    const user = await client(USER);
    const fd = await ok(user.open('s', O.WRONLY));
    await is(user.write(fd, 'y'), 1);
    await is((await ok(a.stat('s'))).mode, 0o100777);
  },
  'writing strips setuid for a user whose descriptor root opened': async ({ a }) => {
    await ok(a.put('s', 'x'));
    await ok(a.chown('s', 1, 1));
    await ok(a.chmod('s', 0o6777));
    const fd = await ok(a.open('s', O.WRONLY));
    await ok(a.fsids(USER, USER));
    await is(a.write(fd, 'y'), 1);
    await ok(a.fsids(0, 0));
    await is((await ok(a.stat('s'))).mode, 0o100777);
  },
  'root keeps setuid when it writes, truncates, punches and opens with O_TRUNC': async ({ a }) => {
    const kept = async (what: string): Promise<void> => {
      const st = await ok(a.stat('run'));
      yes((st.mode & 0o7777) === 0o6755, `${what} leaves mode ${(st.mode & 0o7777).toString(8)}`);
    };
    await ok(a.chmod('run', 0o6755));
    const fd = await ok(a.open('run', O.RDWR));
    await kept('open');
    await is(a.pwrite(fd, 'x', 0), 1);
    await kept('write');
    await ok(a.ftruncate(fd, 5));
    await kept('ftruncate');
    await ok(a.fallocate(fd, FALLOC.PUNCH_HOLE | FALLOC.KEEP_SIZE, 0, 2));
    await kept('fallocate');
    await ok(a.truncate('run', 3));
    await kept('truncate');
    await ok(a.put('run', 'y', O.WRONLY | O.TRUNC));
    await kept('O_TRUNC');
  },
  "root keeps setuid of another one's file when it appends beside a reader, by a second name": {
    tree: { theirs: file('x', { uid: 2, mode: 0o4711 }) },
    run: async ({ a }) => {
      await ok(a.link('theirs', 'second'));
      await ok(a.open('theirs', O.RDONLY));
      await ok(a.unlink('theirs'));
      await ok(a.put('second', 'more', O.WRONLY | O.APPEND));
      await is((await ok(a.stat('second'))).mode, 0o104711);
    },
  },
  'a file with holes reads as zeros between': {
    tree: holed,
    run: async ({ a }) => {
      const fd = await ok(a.open('holed', O.RDONLY));
      await is(a.pread(fd, 6, 0), 'start\0');
      await is(a.pread(fd, 8, 4 * MIB - 1), '\0middle\0');
      await is((await ok(a.fstat(fd))).size, 8 * MIB);
    },
  },
  'SEEK_DATA and SEEK_HOLE find the pieces': {
    tree: holed,
    run: async ({ a }) => {
      const fd = await ok(a.open('holed', O.RDWR));
      await is(a.lseek(fd, 0, SEEK.DATA), 0);
      const hole = await ok(a.lseek(fd, 0, SEEK.HOLE));
      yes(hole >= 5 && hole <= 64 * 1024, `a hole after the first piece, at ${hole}`);
      await is(a.lseek(fd, hole, SEEK.DATA), 4 * MIB);
      await fails(a.lseek(fd, 5 * MIB, SEEK.DATA), 'ENXIO');
      await is(a.lseek(fd, 0, SEEK.END), 8 * MIB);
    },
  },
  'holes stay holes when one byte is written': {
    tree: holed,
    run: async ({ a }) => {
      const fd = await ok(a.open('holed', O.RDWR));
      await is(a.pwrite(fd, 'S', 0), 1);
      yes((await ok(a.fstat(fd))).blocks < 1024, 'it holds a few blocks only');
      await is(a.pread(fd, 6, 4 * MIB), 'middle');
    },
  },
  'fallocate grows the file': async ({ a }) => {
    const fd = await ok(a.open('file', O.RDWR));
    await ok(a.fallocate(fd, 0, 0, 4096));
    await is((await ok(a.fstat(fd))).size, 4096);
    await is(a.pread(fd, 12, 0), 'hello world\n');
  },
  'fallocate keeps the size when asked': async ({ a }) => {
    const fd = await ok(a.open('file', O.RDWR));
    await ok(a.fallocate(fd, FALLOC.KEEP_SIZE, 0, MIB));
    const st = await ok(a.fstat(fd));
    await is(st.size, 12);
    yes(st.blocks >= 2048, 'the blocks are there');
  },
  'fallocate punches a hole': async ({ a }) => {
    const fd = await ok(a.open('big', O.CREAT | O.RDWR));
    await is(a.fill(fd, 0x61, 0, 65536), 65536);
    await ok(a.fallocate(fd, FALLOC.PUNCH_HOLE | FALLOC.KEEP_SIZE, 8192, 8192));
    await is(a.pread(fd, 2, 8191), 'a\0');
    await is(a.pread(fd, 2, 16383), '\0a');
    await is(a.lseek(fd, 0, SEEK.HOLE), 8192);
  },
  'fallocate zeroes a range': async ({ a }) => {
    const fd = await ok(a.open('file', O.RDWR));
    await ok(a.fallocate(fd, FALLOC.ZERO_RANGE, 2, 3));
    await is(a.cat('file'), 'he\0\0\0 world\n');
  },
  'fallocate on a read-only descriptor is EBADF': async ({ a }) => {
    const fd = await ok(a.open('file', O.RDONLY));
    await fails(a.fallocate(fd, 0, 0, 10), 'EBADF');
  },
  'copy_file_range between two files': async ({ a }) => {
    const from = await ok(a.open('file', O.RDONLY));
    const to = await ok(a.open('other', O.RDWR));
    await is(a.copyrange(from, 6, to, 1, 5), 5);
    await is(a.cat('other'), 'oworld');
  },
  'copy_file_range of a megabyte into a new file': {
    tree: { big: file('0123456789abcdef'.repeat(65536)) },
    run: async ({ a }) => {
      const from = await ok(a.open('big', O.RDONLY));
      const to = await ok(a.open('copy', O.CREAT | O.RDWR));
      let done = 0;
      while (done < MIB) done += await ok(a.copyrange(from, done, to, done, MIB - done));
      await is(a.pread(to, 32, MIB - 16), '0123456789abcdef');
      await is((await ok(a.stat('copy'))).size, MIB);
    },
  },
  'sendfile out of a file': async ({ a }) => {
    const from = await ok(a.open('file', O.RDONLY));
    const to = await ok(a.open('copy', O.CREAT | O.RDWR));
    await is(a.sendfile(from, 6, to, 100), 6);
    await is(a.cat('copy'), 'world\n');
  },
  'fsync and fdatasync of what was written, and of a read-only descriptor': async ({ a }) => {
    const fd = await ok(a.open('file', O.RDWR));
    await is(a.write(fd, 'H'), 1);
    await ok(a.fsync(fd));
    await ok(a.fsync(fd, true));
    await ok(a.fsync(await ok(a.open('other', O.RDONLY))));
  },
  'a write moves mtime and ctime': async ({ a }) => {
    const before = await ok(a.stat('file'));
    const fd = await ok(a.open('file', O.RDWR));
    await is(a.pwrite(fd, 'x', 0), 1);
    const after = await ok(a.fstat(fd));
    yes(after.mtime > before.mtime && after.ctime > before.ctime, 'both times are new');
  },
  'a read-only descriptor of a dup shares its position': async ({ a }) => {
    const fd = await ok(a.open('file', O.RDONLY));
    const twin = await ok(a.dup(fd));
    await is(a.read(fd, 6), 'hello ');
    await ok(a.close(fd));
    await is(a.read(twin, 5), 'world');
  },
  'executes a script, and a rewritten one': async ({ a }) => {
    await is(a.exec('./run'), 7);
    await ok(a.put('run', '#!/bin/sh\nexit 9\n', O.WRONLY | O.TRUNC));
    await is(a.exec('./run'), 9);
    await fails(a.exec('./file'), 'EACCES');
  },
};
