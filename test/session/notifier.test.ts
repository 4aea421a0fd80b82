// Notifications: only for nodes that the kernel knows, best effort.

import t from 'tap';
import { errno } from '../../lib/errno.js';
import { setSink } from '../../lib/log.js';
import { Notifier } from '../../lib/session/notifier.js';
import { DirNode } from '../../lib/union/inode.js';
import { FakeChannel } from '../support/fake-channel.js';

const logged: string[] = [];
setSink((line) => void logged.push(line));

function node(id: number): DirNode {
  const made = new DirNode(null, '', []);
  made.id = id as DirNode['id'];
  return made;
}

t.test('attributes of a known node', async (t) => {
  const notifier = new Notifier();
  t.doesNotThrow(() => notifier.attributes(node(5)), 'before there is a channel');
  const channel = new FakeChannel();
  notifier.channel = channel;
  notifier.attributes(node(0));
  t.same(channel.written, [], 'the kernel does not know it');
  notifier.attributes(node(5));
  const message = channel.written[0];
  t.equal(message?.byteLength, 40);
  t.equal(message?.readInt32LE(4), 2, 'NOTIFY_INVAL_INODE');
  t.equal(message?.readBigUInt64LE(8), 0n, 'a notification has no unique');
  t.equal(message?.readBigUInt64LE(16), 5n);
  t.equal(message?.readBigInt64LE(24), -1n, 'the pages stay');
});

t.test('a refusal', async (t) => {
  const notifier = new Notifier();
  const channel = new FakeChannel();
  notifier.channel = channel;
  channel.results.push(-errno.ENOENT, -errno.EINVAL);
  notifier.attributes(node(5));
  t.same(logged, [], 'what is gone from the caches needs no telling');
  notifier.attributes(node(5));
  t.match(logged[0], /refused/);
});
