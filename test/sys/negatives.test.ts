// LOOKUPs of names that are not there, answered by the addon on a real mount served by this process and used by others.

import { test } from 'tap';
import { syscalls as sys } from '../../lib/sys/syscalls.js';
import { DirIndex, type DirNode, Entry } from '../../lib/union/inode.js';
import { InodeNumbers } from '../../lib/union/inode-numbers.js';
import { Negatives } from '../../lib/union/negatives.js';
import { op, run, served } from './tiny-server.js';

const skip = sys.geteuid() !== 0 && 'needs root';

/** The server's one directory, which has `name`. */
function rootWith(name: string): DirNode {
  const index = new DirIndex();
  index.entries.addPlain(name, new Entry(8, null as never, 0, 0));
  return { id: 1, index } as DirNode;
}

test('names that the filter lacks are answered without JavaScript, others are not', { skip }, async (t) => {
  const { hash } = await InodeNumbers.create(sys, []);
  const left = await served(async (server) => {
    const stat = async (name: string) => (await run('stat', '-c', '%i', `${server.mountpoint}/${name}`)).code;
    const negatives = new Negatives(hash);
    server.channel.negatives(negatives.directories, negatives.filter, negatives.vacant, 0);
    t.equal(await stat('absent'), 1);
    const asked = server.count(op.LOOKUP);
    const node = rootWith('f');
    negatives.learn(node);
    t.equal(await stat('absent'), 1);
    t.equal(await stat(`z${'x'.repeat(254)}`), 1);
    t.equal(server.count(op.LOOKUP), asked);
    t.match(server.channel.counters(), { missed: 2 });
    t.equal(await stat('f'), 0);
    t.equal(server.count(op.LOOKUP), asked + 1);
    t.equal(await stat(`z${'x'.repeat(255)}`), 1);
    t.equal(server.count(op.LOOKUP), asked + 2, 'whether a name is too long is not for the addon to say');
    negatives.note(node.index as DirIndex, 'absent');
    t.equal(await stat('absent'), 1);
    t.equal(server.count(op.LOOKUP), asked + 3);
    negatives.unlearn(node);
    t.equal(await stat('another'), 1);
    t.equal(server.count(op.LOOKUP), asked + 4);
    t.match(server.channel.counters(), { missed: 2, replyErrors: 0 });
  });
  t.same(left, []);
});

test('the kernel remembers for as long as was said', { skip }, async (t) => {
  const { hash } = await InodeNumbers.create(sys, []);
  await served(async (server) => {
    const negatives = new Negatives(hash);
    server.channel.negatives(negatives.directories, negatives.filter, negatives.vacant, Number.POSITIVE_INFINITY);
    negatives.learn(rootWith('f'));
    for (let i = 0; i < 3; i += 1) t.equal((await run('stat', `${server.mountpoint}/absent`)).code, 1);
    t.match(server.channel.counters(), { missed: 1 });
    t.equal(server.count(op.LOOKUP), 0);
  });
});

test('memory that is no filter is refused', { skip }, async (t) => {
  await served(async (server) => {
    const directories = new Float64Array(2);
    const vacant = new Float64Array(2);
    t.throws(() => server.channel.negatives(directories, new Uint32Array(3), vacant, 0), TypeError);
    t.throws(() => server.channel.negatives(directories, new Uint32Array(0), vacant, 0), TypeError);
    t.throws(() => server.channel.negatives(new Uint8Array(16) as never, new Uint32Array(2), vacant, 0), TypeError);
  });
});
