// One request in, one answer out: good, malformed and random ones, late ones, interrupted ones, and
// answers that nobody took.

import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import t, { type Test } from 'tap';
import { assertionFailures } from '../../lib/assert.js';
import { errno } from '../../lib/errno.js';
import { setSink } from '../../lib/log.js';
import type { Fh } from '../../lib/nodes/ids.js';
import { FileNode } from '../../lib/union/inode.js';
import { Opcode } from '../../lib/wire/abi.js';
import { type Talk, talkTest } from '../support/fake-channel.js';
import { FaultySyscalls } from '../support/faulty-syscalls.js';
import { Random } from '../support/random.js';
import { dir, file, symlink } from '../support/tree.js';
import { type Bytes, build, bytes, request } from '../support/wire-builder.js';

const logged: string[] = [];
setSink((line) => void logged.push(line));

const big = 'b'.repeat(3 << 20);
const layout = { lowers: [{ f: file('low'), big: file(big), d: dir({ x: file('x') }), l: symlink('f') }] };
const noReply: readonly number[] = [Opcode.FORGET, Opcode.BATCH_FORGET, Opcode.INTERRUPT, Opcode.NOTIFY_REPLY];
const silent = (opcode: number): boolean => noReply.includes(opcode);
const none = new Uint8Array(0);

/** One well-formed body for each opcode, on the root or on fh 1. */
const bodies: Readonly<Record<keyof typeof Opcode, Bytes>> = {
  LOOKUP: build.names('f'),
  FORGET: build.forget(0),
  GETATTR: build.getattr(0, 0),
  SETATTR: build.setattr({ valid: 1, mode: 0o755 }),
  READLINK: build.empty(),
  SYMLINK: build.names('s', 'target'),
  MKNOD: build.mknod(0o100644, 0, 0, 'n'),
  MKDIR: build.mkdir(0o755, 0, 'm'),
  UNLINK: build.names('nothing'),
  RMDIR: build.names('nothing'),
  RENAME: build.rename(1, 'a', 'b'),
  LINK: build.link(1, 'k'),
  OPEN: build.open(0),
  READ: build.read(1, 0, 10),
  WRITE: build.write(1, 0, Buffer.from('data')),
  STATFS: build.empty(),
  RELEASE: build.release(77, 0, 0),
  FSYNC: build.fsync(1, 0),
  SETXATTR: build.setxattrExt('user.a', Buffer.from('v'), 0, 0),
  GETXATTR: build.getxattr(10, 'user.a'),
  LISTXATTR: build.listxattr(100),
  REMOVEXATTR: build.names('user.a'),
  FLUSH: build.flush(1),
  INIT: build.init(7, 45, 0, 0, 0),
  OPENDIR: build.open(0),
  READDIR: build.read(0, 0, 4096),
  RELEASEDIR: build.release(0, 0, 0),
  FSYNCDIR: build.fsync(0, 0),
  GETLK: build.lock(1, 1, 0, 1, 0, 0, 0),
  SETLK: build.lock(1, 1, 0, 1, 0, 0, 0),
  SETLKW: build.lock(1, 1, 0, 1, 0, 0, 0),
  ACCESS: build.access(4),
  CREATE: build.create(2, 0o100644, 0, 0, 'c'),
  INTERRUPT: build.interrupt(4),
  BMAP: build.bmap(0, 512),
  DESTROY: build.empty(),
  IOCTL: build.ioctl(0, 0, 0x1234, 0, 0, none),
  POLL: build.poll(1, 1, 0, 0),
  NOTIFY_REPLY: build.notifyReply(0, none),
  BATCH_FORGET: build.batchForget([{ nodeid: 1, nlookup: 0 }]),
  FALLOCATE: build.fallocate(1, 0, 10, 0),
  READDIRPLUS: build.read(0, 0, 4096),
  RENAME2: build.rename2(1, 0, 'a', 'b'),
  LSEEK: build.lseek(1, 0, 0),
  COPY_FILE_RANGE: build.copyFileRange(1, 0, 1, 1, 0, 10, 0),
  SETUPMAPPING: build.setupMapping(1, 0, 1, 0, 0),
  REMOVEMAPPING: build.removeMapping([]),
  SYNCFS: build.syncfs(),
  TMPFILE: build.create(2, 0o100600, 0, 0, 't'),
  STATX: build.statx(0, 0, 0, 0xfff),
  COPY_FILE_RANGE_64: build.copyFileRange(1, 0, 1, 1, 0, 10, 0),
};
const rows = Object.entries(bodies).map(([name, body]) => ({
  name,
  opcode: Opcode[name as keyof typeof Opcode],
  body,
}));

/** Everything the kernel would forget and release when the mount ends. */
function forgetAll(talk: Talk): void {
  const { u } = talk.w;
  for (const handle of [...u.handles.all()]) talk.send(Opcode.RELEASE, build.release(handle.fh, 0, 0));
  for (const node of [...u.nodes.all()]) {
    if (node.id > 1) talk.send(Opcode.FORGET, build.forget(node.nlookup), { nodeid: node.id });
  }
  talk.channel.take();
}

async function exactlyOne(t: Test, talk: Talk, name: string, opcode: number, message: Buffer): Promise<void> {
  talk.channel.send(message);
  await talk.idle();
  const replies = talk.channel.take();
  t.equal(replies.length, silent(opcode) ? 0 : 1, `${name}: replies`);
  const first = replies[0];
  if (first === undefined) return;
  t.equal(first.unique, message.readBigUInt64LE(8), `${name}: unique`);
  t.ok(first.error <= 0 && first.error > -4096, `${name}: ${first.error}`);
}

talkTest(t, 'a good request of each opcode', layout, async (t, talk) => {
  for (const { name, opcode, body } of rows) {
    await exactlyOne(t, talk, name, opcode, request(opcode, body, { unique: talk.unique() }));
  }
  forgetAll(talk);
});

talkTest(t, 'each cut short at every length', layout, async (t, talk) => {
  for (const { name, opcode, body } of rows) {
    const whole = request(opcode, body, { unique: talk.unique() });
    for (let length = 40; length < whole.byteLength; length += 4) {
      const cut = Buffer.from(whole.subarray(0, length));
      cut.writeUInt32LE(length, 0);
      await exactlyOne(t, talk, `${name} of ${length} bytes`, opcode, cut);
    }
  }
  forgetAll(talk);
});

talkTest(t, 'an opcode that nobody knows', layout, async (t, talk) => {
  for (const opcode of [0, 7, 19, 54, 4096, 0xffffffff]) t.equal((await talk.ask(opcode)).error, -errno.ENOSYS);
});

talkTest(t, 'no header, no answer', layout, (t, talk) => {
  for (const length of [0, 4, 39]) talk.channel.send(Buffer.alloc(length));
  const lying = request(Opcode.STATFS, bytes());
  lying.writeUInt32LE(4000, 0);
  talk.channel.send(lying);
  t.same(talk.channel.take(), []);
});

talkTest(t, 'random bodies', layout, async (t, talk) => {
  const random = new Random(7);
  // To forget more than was told is a broken invariant, and only a kernel gone mad does it.
  const guessable = rows.filter(({ name }) => !name.endsWith('FORGET'));
  const before = assertionFailures();
  let wrong = 0;
  for (let turn = 0; turn < 4000; turn += 1) {
    const { opcode } = random.pick(guessable);
    const size = random.below(96);
    const body = randomBytes(size);
    // Small numbers reach further than random ones.
    if (random.once(2)) for (let at = 0; at < size; at += 1) body[at] = random.once(3) ? random.below(3) : 0;
    const unique = talk.unique();
    talk.channel.send(request(opcode, bytes().raw(body), { unique, nodeid: random.below(4) }));
    await talk.idle();
    const replies = talk.channel.take();
    if (replies.length !== (silent(opcode) ? 0 : 1)) wrong += 1;
    if (replies.some((one) => one.unique !== BigInt(unique))) wrong += 1;
  }
  t.equal(wrong, 0);
  t.equal(assertionFailures(), before, 'no request breaks an invariant');
  t.same(logged.filter((line) => line.includes('unexpected')).slice(0, 3), [], 'nor throws what nobody expects');
  forgetAll(talk);
});

talkTest(t, 'a node that is not known', layout, async (t, talk) => {
  t.equal((await talk.ask(Opcode.GETATTR, build.getattr(0, 0), { nodeid: 999 })).error, -errno.ESTALE);
  t.equal((await talk.ask(Opcode.LOOKUP, build.names('f'), { nodeid: 2 ** 52 })).error, -errno.ESTALE);
});

const broken = new FaultySyscalls();

talkTest(t, 'what nobody expects is EIO and a loud log', { ...layout, sys: broken.syscalls }, async (t, talk) => {
  broken.replace('statFs', () => {
    throw new TypeError('surprise');
  });
  t.equal((await talk.ask(Opcode.STATFS)).error, -errno.EIO);
  t.match(logged.at(-1), /STATFS: unexpected: TypeError: surprise/);
  broken.replace('statFs', null);
  t.equal((await talk.ask(Opcode.STATFS)).error, 0, 'and life goes on');
});

async function idOf(talk: Talk, name: string): Promise<number> {
  const found = await talk.ask(Opcode.LOOKUP, build.names(name));
  return Number(found.payload.entry().nodeid);
}

talkTest(t, 'a request that waits is run again when its work is done', layout, async (t, talk) => {
  const nodeid = await idOf(talk, 'big');
  const unique = talk.send(Opcode.OPEN, build.open(2), { nodeid });
  t.equal(talk.session.inFlight, 1);
  t.same(talk.channel.take(), [], 'no answer yet');
  const other = await talk.w.node('f');
  t.ok(other instanceof FileNode, 'others are served meanwhile');
  await talk.idle();
  const [opened, ...more] = talk.channel.take();
  t.same(more, []);
  t.equal(opened?.error, 0);
  t.equal(opened?.unique, BigInt(unique));
  t.equal(talk.w.read('big').length, big.length);
  forgetAll(talk);
});

talkTest(t, 'two callers wait for one copy', layout, async (t, talk) => {
  const nodeid = await idOf(talk, 'big');
  talk.send(Opcode.OPEN, build.open(2), { nodeid });
  talk.send(Opcode.OPEN, build.open(1), { nodeid });
  t.equal(talk.session.inFlight, 2);
  await talk.idle();
  t.same(
    talk.channel.take().map((one) => one.error),
    [0, 0],
  );
  forgetAll(talk);
});

talkTest(t, 'a request that waits keeps its bytes', layout, async (t, talk) => {
  const nodeid = await idOf(talk, 'big');
  const value = Buffer.alloc(200, 'v');
  talk.send(Opcode.SETXATTR, build.setxattrExt('user.a', value, 0, 0), { nodeid });
  t.equal(talk.session.inFlight, 1, 'for the copy-up');
  talk.send(Opcode.LOOKUP, build.names('x'.repeat(250)));
  await talk.idle();
  t.same(
    talk.channel.take().map((one) => one.error),
    [0, 0],
  );
  t.same(talk.w.sys.getXattr(talk.w.u.layers[0]?.fd as number, 'big', 'user.a'), new Uint8Array(value));
  forgetAll(talk);
});

talkTest(t, 'an interrupt answers EINTR once', layout, async (t, talk) => {
  const nodeid = await idOf(talk, 'big');
  const unique = talk.send(Opcode.OPEN, build.open(2), { nodeid });
  talk.send(Opcode.INTERRUPT, build.interrupt(unique), { unique: unique + 1 });
  talk.send(Opcode.INTERRUPT, build.interrupt(unique), { unique: unique + 1 });
  await new Promise((resolve) => setTimeout(resolve, 100));
  const replies = talk.channel.take();
  t.same(
    replies.map((one) => [one.unique, one.error]),
    [[BigInt(unique), -errno.EINTR]],
  );
  t.equal(talk.session.inFlight, 0);
  t.equal(talk.w.u.handles.size, 0);
  t.equal(talk.w.read('big').length, big.length, 'still the lower file');
  t.same(talk.w.leftovers(), []);
  const again = await talk.ask(Opcode.OPEN, build.open(2), { nodeid });
  t.equal(again.error, 0, 'and it works the next time');
  forgetAll(talk);
});

const many = {
  lowers: [{ many: dir(Object.fromEntries(Array.from({ length: 10_100 }, (_v, at) => [`f${at}`, '']))) }],
};

talkTest(t, 'a lookup in a large directory waits for it, and no signal makes it fail', many, async (t, talk) => {
  talk.w.u.runsAgain = true;
  const nodeid = await idOf(talk, 'many');
  const unique = talk.send(Opcode.LOOKUP, build.names('f99'), { nodeid });
  talk.send(Opcode.INTERRUPT, build.interrupt(unique), { unique: unique + 1 });
  const meanwhile = talk.send(Opcode.LOOKUP, build.names('absent'), { unique: unique + 2 });
  t.match(talk.channel.take(), [{ unique: BigInt(meanwhile) }], 'others are answered');
  while (talk.session.inFlight > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  t.match(talk.channel.take(), [{ unique: BigInt(unique), error: 0 }]);
  forgetAll(talk);
});

talkTest(t, 'an interrupt of nothing is nothing', layout, (t, talk) => {
  talk.send(Opcode.INTERRUPT, build.interrupt(12345));
  t.same(talk.channel.take(), []);
});

talkTest(t, 'an entry that was not delivered is taken back', layout, async (t, talk) => {
  const before = talk.w.u.nodes.size;
  talk.channel.results.push(-errno.ENOENT);
  await talk.ask(Opcode.LOOKUP, build.names('f'));
  t.equal(talk.w.u.nodes.size, before);
  const nodeid = await idOf(talk, 'f');
  talk.channel.results.push(-errno.ENOENT);
  await talk.ask(Opcode.LOOKUP, build.names('f'));
  t.equal(talk.w.u.nodes.get(nodeid)?.nlookup, 1, 'only what was delivered counts');
  forgetAll(talk);
});

talkTest(t, 'an open that was not delivered is released', layout, async (t, talk) => {
  const nodeid = await idOf(talk, 'f');
  talk.channel.results.push(-errno.ENOENT);
  await talk.ask(Opcode.OPEN, build.open(0), { nodeid });
  t.equal(talk.w.u.handles.size, 0);
  talk.channel.results.push(-errno.ENOENT);
  await talk.ask(Opcode.CREATE, build.create(2, 0o100644, 0, 0, 'made'));
  t.equal(talk.w.u.handles.size, 0);
  t.equal(talk.w.plane.fds.size, 0);
  t.equal(talk.w.u.nodes.size, 2);
  t.ok(talk.w.has('made'), 'the file itself stays');
  forgetAll(talk);
});

talkTest(t, 'handles that ended without a request are forgotten before anything else', layout, async (t, talk) => {
  const told = talk.channel.told as Float64Array;
  const end = (fh: number): void => {
    talk.w.plane.detach(fh);
    told.set([(told[0] as number) + 1], 0);
    told.set([fh], told[0]);
  };
  const nodeid = await idOf(talk, 'f');
  for (let i = 0; i < 2; i += 1) await talk.ask(Opcode.OPEN, build.open(0), { nodeid });
  const [first, second] = [...talk.w.u.handles.all()].map(({ fh }) => fh) as [Fh, Fh];
  end(first);
  await talk.ask(Opcode.GETATTR, build.getattr(0, 0));
  t.same(
    [...talk.w.u.handles.all()].map(({ fh }) => fh),
    [second],
  );
  t.equal(told[0], 0);
  end(second);
  end(second + 7);
  talk.channel.send(new Uint8Array(0));
  t.equal(talk.w.u.handles.size, 0);
  t.equal(talk.w.file('f').cachedOpens, 0);
  t.same(talk.channel.take(), [], 'nothing was asked');
  forgetAll(talk);
});

talkTest(t, 'a listing with nodes that was not delivered', layout, async (t, talk) => {
  talk.channel.results.push(-errno.ENOENT);
  await talk.ask(Opcode.READDIRPLUS, build.read(0, 0, 4096));
  t.equal(talk.w.u.nodes.size, 1);
});

talkTest(t, 'an answer that the kernel refuses becomes EIO', layout, async (t, talk) => {
  talk.channel.results.push(-errno.EINVAL);
  const replies = await talk.replies(Opcode.LOOKUP, build.names('f'));
  t.same(
    replies.map((one) => one.error),
    [0, -errno.EIO],
    'the first was not taken',
  );
  t.equal(talk.w.u.nodes.size, 1);
});
