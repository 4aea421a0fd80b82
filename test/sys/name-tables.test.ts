// Names of several directories as one table: what is in it, in which order, what is apart, and how it is listed.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { errno } from '../../lib/errno.js';
import { DT_DIR, DT_REG, O_DIRECTORY, O_RDONLY } from '../../lib/sys/constants.js';
import { mergeNames, PUT, putNames } from '../../lib/sys/name-tables.js';
import { syscalls } from '../../lib/sys/syscalls.js';
import { InodeNumbers } from '../../lib/union/inode-numbers.js';
import { PackedNames } from '../../lib/union/packed-names.js';

const numbers = await InodeNumbers.create(syscalls, []);
const ground = mkdtempSync(join(tmpdir(), 'stratafs-tables-'));
t.teardown(() => rmSync(ground, { recursive: true }));

interface Read {
  readonly records: Uint8Array;
  readonly ranges: Uint32Array;
  readonly counts: number[];
}

/** The records of directories with these names; `name/` is a directory. `types` are those asked for, as bits. */
function read(directories: readonly (readonly string[])[], types = 0): Read {
  const records = new Uint8Array(1 << 20);
  const ranges: number[] = [];
  const counts: number[] = [];
  const told = new Uint32Array(2);
  let end = 0;
  for (const names of directories) {
    const path = mkdtempSync(join(ground, 'd'));
    for (const name of names) {
      if (name.endsWith('/')) mkdirSync(join(path, name));
      else writeFileSync(Buffer.from(join(path, name), 'latin1'), '');
    }
    const fd = syscalls.openPath(path, O_RDONLY | O_DIRECTORY);
    const bytes = syscalls.readNames(fd, records, end, 'mark', told);
    t.equal(told[1], names.includes('mark') ? 1 : 0);
    syscalls.close(fd);
    counts.push(told[0] as number);
    ranges.push(end, end + bytes, types);
    end += bytes;
  }
  return { records, ranges: Uint32Array.from(ranges), counts };
}

const many = (prefix: string, count: number): string[] => Array.from({ length: count }, (_v, at) => `${prefix}${at}`);

t.test('rows lie in the order of the same hash as in TypeScript, and are found', async (t) => {
  const names = [...many('a', 300), 'mark', '\xff\xfe', 'x'.repeat(255)];
  const below = [...many('b', 40), 'c/'];
  const { records, ranges, counts } = read([names, below]);
  t.same(counts, [names.length, below.length]);
  const { table, count, apart } = mergeNames(records, ranges, '.wh.');
  t.equal(apart, null);
  t.equal(count, names.length + below.length);
  const packed = PackedNames.of(table as ArrayBuffer, count, numbers.hash);
  for (const name of [...names, ...below.map((one) => one.replace('/', ''))]) {
    const at = packed.find(name);
    const record = packed.recordAt(at);
    if (record?.name !== name || record.cookie !== numbers.cookie(name)) t.fail(name);
    t.equal(record?.source, names.includes(name) ? 0 : 1, name);
    t.equal(record?.kind, name === 'c' ? DT_DIR : DT_REG, name);
  }
  t.equal(packed.find('nothing'), -1);
});

t.test('of names that several directories have the first one counts, and further directories are told', async (t) => {
  const { records, ranges } = read([
    ['both', 'file', 'all/', 'cut/', ...many('a', 20)],
    ['both', 'file/', 'all/', 'cut', 'below/'],
    ['file/', 'all/', 'cut/', 'below/'],
  ]);
  const { table, count, more, apart } = mergeNames(records, ranges, '.wh.');
  t.equal(apart, null);
  t.equal(count, 25);
  const packed = PackedNames.of(table as ArrayBuffer, count, numbers.hash, more);
  const record = (name: string) => {
    const { kind, source, deeper } = packed.recordAt(packed.find(name)) ?? {};
    return { kind, source, deeper };
  };
  t.same(record('both'), { kind: DT_REG, source: 0, deeper: null });
  t.same(record('file'), { kind: DT_REG, source: 0, deeper: null }, 'a file hides directories');
  t.same(record('all'), { kind: DT_DIR, source: 0, deeper: [1, 2] });
  t.same(record('cut'), { kind: DT_DIR, source: 0, deeper: null }, 'a file ends what is merged');
  t.same(record('below'), { kind: DT_DIR, source: 1, deeper: [2] });
  packed.cut(packed.find('all'), 1);
  t.same(record('all').deeper, [1]);
  t.same(record('below').deeper, [2]);
});

t.test('apart, in the order of the directories: prefixes, types and those of the same name', async (t) => {
  const first = ['same', ...many('a', 20), '.wh.a', 'dir/'];
  const { records, ranges } = read([first, ['same', 'dir', 'other']], 1 << DT_DIR);
  const { count, apart } = mergeNames(records, ranges, '.wh.');
  t.equal(count, 22);
  t.same(apart?.names.slice(0, 2).sort(), ['.wh.a', 'dir']);
  t.same(apart?.names.slice(2), ['dir']);
  t.same([...(apart?.sources ?? [])], [0, 0, 1]);
  const none = mergeNames(records, new Uint32Array(0), '.wh.');
  t.same([none.table, none.count, none.apart], [null, 0, null]);
});

t.test('what does not fit is refused, not cut', async (t) => {
  const fd = syscalls.openPath(ground, O_RDONLY | O_DIRECTORY);
  read([many('a', 100)]);
  t.equal(syscalls.readNames(fd, new Uint8Array(64), 0, '', new Uint32Array(2)), -errno.E2BIG);
  t.equal(syscalls.readNames(fd, new Uint8Array(64), 64, '', new Uint32Array(2)), -errno.E2BIG);
  t.equal(syscalls.readNames(-1, new Uint8Array(64), 0, '', new Uint32Array(2)), -errno.EBADF);
  t.throws(() => syscalls.readNames(fd, new Uint8Array(64), 72, '', new Uint32Array(2)), TypeError);
  t.throws(() => mergeNames(new Uint8Array(8), Uint32Array.of(0, 16, 0), ''), TypeError);
  t.throws(() => mergeNames(new Uint8Array(8), Uint32Array.of(8, 0, 0), ''), TypeError);
  syscalls.close(fd);
});

t.test('rows are listed until one does not fit or is for the caller', async (t) => {
  const { records, ranges } = read([[...many('a', 30), 'dir/']]);
  const { table, count } = mergeNames(records, ranges, '.wh.');
  const packed = PackedNames.of(table as ArrayBuffer, count, numbers.hash);
  const dir = packed.find('dir');
  packed.remove(packed.find('a3'));
  const into = new Uint8Array(8192).fill(0xaa);
  const cells = Uint32Array.of(16, 8000, 0, count, 1 << DT_DIR, 128);
  const listed = putNames(into, table as ArrayBuffer, count, cells);
  t.equal(cells[PUT.from], dir, 'it stops at the directory');
  t.equal(cells[PUT.at], 16 + listed * 160);
  t.same(into.subarray(16, 144), new Uint8Array(128));
  const view = new DataView(into.buffer);
  t.equal(Number(view.getBigUint64(16 + 128 + 8, true)), packed.cookies[packed.find('a3') === 0 ? 1 : 0]);
  t.equal(into[8000], 0xaa);

  const short = Uint32Array.of(0, 70, 0, count, 0, 0);
  t.equal(putNames(into, table as ArrayBuffer, count, short), 2, 'two records of 32 bytes');
  t.equal(short[PUT.room], 6);
  const taken = packed.find('a7');
  packed.takeAt(taken);
  const until = Uint32Array.of(0, 8000, 0, count, 0, 0);
  putNames(into, table as ArrayBuffer, count, until);
  t.equal(until[PUT.from], taken, 'it stops where an object knows more');
  t.throws(() => putNames(into, table as ArrayBuffer, count, Uint32Array.of(0, 9000, 0, 1, 0, 0)), TypeError);
  t.throws(() => putNames(into, table as ArrayBuffer, count, Uint32Array.of(0, 8, 0, count + 1, 0, 0)), TypeError);
});
