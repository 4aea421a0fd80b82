// Inode numbers: the host's own on one filesystem, mixed with the filesystem's uuid on several.

import t from 'tap';
import { Stat, W } from '../../lib/sys/stat.js';
import { syscalls } from '../../lib/sys/syscalls.js';
import { InodeNumbers } from '../../lib/union/inode-numbers.js';
import type { Layer } from '../../lib/union/layers.js';
import { FaultySyscalls } from '../support/faulty-syscalls.js';

const layer = (index: number, dev: number): Layer => ({
  index,
  path: `/${index}`,
  fd: -1,
  writable: index === 0,
  dev,
  sealed: false,
  blocksTell: null,
  nosuid: false,
});

function withUuids(uuids: Record<number, number>): FaultySyscalls {
  const faulty = new FaultySyscalls();
  faulty.replace('fsUuid', ((fd: number) => new Uint8Array(16).fill(uuids[fd] ?? 0)) as never);
  return faulty;
}

function mixed(numbers: InodeNumbers, dev: number, low: number, high = 0): [number, number] {
  numbers.mix(dev, low, high);
  return [numbers.low, numbers.high];
}

t.test('one filesystem: the numbers are the host’s', async (t) => {
  const numbers = await InodeNumbers.create(syscalls, [layer(0, 5), layer(1, 5)]);
  t.ok(numbers.plain);
  t.same(mixed(numbers, 5, 42, 7), [42, 7]);
});

t.test('several: only the bottom one’s are plain', async (t) => {
  const layers = [layer(0, 5), layer(1, 6), layer(2, 7)].map((one) => ({ ...one, fd: one.dev }));
  const numbers = await InodeNumbers.create(withUuids({ 5: 1, 6: 2 }).syscalls, layers);
  t.notOk(numbers.plain);
  t.same(mixed(numbers, 7, 42), [42, 0]);
  const five = mixed(numbers, 5, 42);
  const six = mixed(numbers, 6, 42);
  t.not(five[0], six[0], 'one number on two filesystems is two');
  for (const [, high] of [five, six]) t.ok(high >= 0x8000_0000, 'the top bit keeps them from plain ones');
  t.same(mixed(numbers, 5, 42), five, 'the same each time');
  const again = await InodeNumbers.create(withUuids({ 5: 1, 6: 2 }).syscalls, layers);
  t.same(mixed(again, 5, 42), five, 'and at each mount');
});

t.test('a filesystem without a uuid goes by its device', async (t) => {
  const faulty = new FaultySyscalls();
  faulty.refuse('fsUuid', 95);
  const layers = [layer(0, 5), layer(1, 6), layer(2, 7)];
  const numbers = await InodeNumbers.create(faulty.syscalls, layers);
  t.not(mixed(numbers, 5, 1)[0], mixed(numbers, 6, 1)[0]);
});

t.test('show', async (t) => {
  const numbers = await InodeNumbers.create(withUuids({}).syscalls, [layer(0, 5), layer(1, 7)]);
  const stat = new Stat();
  stat.setIno(9, 0);
  stat.words[W.dev] = 7;
  numbers.show(stat);
  t.equal(stat.inoLow, 9);
  stat.words[W.dev] = 5;
  numbers.show(stat);
  t.same([stat.inoLow, stat.inoHigh], mixed(numbers, 5, 9));
});

t.test('numbers of a hundred thousand files do not meet', async (t) => {
  const numbers = await InodeNumbers.create(withUuids({}).syscalls, [layer(0, 5), layer(1, 7)]);
  const seen = new Set<string>();
  for (let ino = 1; ino <= 100_000; ino += 1) seen.add(mixed(numbers, 5, ino).join(':'));
  t.equal(seen.size, 100_000);
});

t.test('cookies', async (t) => {
  const numbers = await InodeNumbers.create(syscalls, [layer(0, 5)]);
  const seen = new Set<number>();
  for (let at = 0; at < 10_000; at += 1) {
    const cookie = numbers.cookie(`name${at}`);
    if (cookie < 3 || cookie >= 2 ** 52) t.fail(`${cookie}`);
    seen.add(cookie);
  }
  t.equal(seen.size, 10_000);
  t.equal(numbers.cookie('a'), numbers.cookie('a'));
  t.equal(numbers.cookie('\xff\xfe'), numbers.cookie('\xff\xfe'), 'names are bytes');
});
