// How the end of a server is told: the byte of its mount, found by the mount table.

import t from 'tap';
import { announce, awaitEnd, isShown, minorOf } from '../../lib/session/ending.js';
import { O_RDWR } from '../../lib/sys/constants.js';
import { syscalls } from '../../lib/sys/syscalls.js';
import { FaultySyscalls } from '../support/faulty-syscalls.js';

const table = [
  '21 1 8:1 / / rw - ext4 /dev/sda1 rw',
  '40 21 0:51 / /a\\040b rw,nodev shared:5 master:2 - fuse.stratafs u:l rw,user_id=0',
  '41 21 0:52 / /m rw - tmpfs none rw',
  '42 41 0:53 / /m rw - fuse.stratafs u:l rw',
].join('\n');

t.test('the mount table', async (t) => {
  t.equal(minorOf(table, '/a b'), 51);
  t.equal(minorOf(table, '/m'), 53, 'the topmost');
  t.equal(minorOf(table, '/'), null, 'no FUSE mount');
  t.equal(minorOf(table, '/none'), null);
  t.equal(isShown(table, 51), true);
  t.equal(isShown(table, 5), false);
});

t.test('the lock lasts as long as its descriptor', async (t) => {
  const minor = 4_000_000;
  const [holder, asker] = [syscalls.openPath('/dev/fuse', O_RDWR), syscalls.openPath('/dev/fuse', O_RDWR)];
  t.equal(syscalls.isByteLocked(asker, minor), 0);
  t.equal(syscalls.lockByte(holder, minor), 0);
  t.equal(syscalls.isByteLocked(asker, minor), 1);
  t.equal(syscalls.isByteLocked(asker, minor + 1), 0);
  const start = Date.now();
  awaitEnd(syscalls, minor);
  t.ok(Date.now() - start >= 1000, 'a server that does not end is waited for, and not for ever');
  syscalls.close(holder);
  t.equal(syscalls.isByteLocked(asker, minor), 0);
  syscalls.close(asker);
});

t.test('nothing is announced of what is not mounted, or without /dev/fuse', async (t) => {
  t.equal(announce(syscalls, '/not/mounted'), -1);
  const faulty = new FaultySyscalls();
  faulty.refuse('openPath', 13);
  awaitEnd(faulty.syscalls, 1);
});
