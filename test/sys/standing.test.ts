// Handles that answer further opens by themselves, on a real mount served by this process and used by others.

import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { test } from 'tap';
import { errno } from '../../lib/errno.js';
import * as c from '../../lib/sys/constants.js';
import { syscalls as sys } from '../../lib/sys/syscalls.js';
import { eventually } from '../support/expect.js';
import { CAPABILITY, capability, op, run, served, type TinyServer } from './tiny-server.js';

const skip = sys.geteuid() !== 0 && 'needs root';
const FILE = 2;
const IOCTL = 39;
const INDIFFERENT = c.O_LARGEFILE | c.O_NONBLOCK;

/** The kernel sends RELEASE after close(2) has returned: waits until as many handles are idle. */
async function idle(server: TinyServer, count: number): Promise<void> {
  if (!(await eventually(() => server.channel.counters().idle === count)))
    throw new Error(`not ${count} handles are idle`);
}

test('a standing handle answers further opens for reading, and nothing else', { skip }, async (t) => {
  const left = await served(async (server) => {
    writeFileSync(server.host, 'standing');
    server.opened = (fh) => server.channel.stand(FILE, fh, 0, 0, INDIFFERENT, false);
    for (let i = 0; i < 3; i += 1) {
      t.equal((await run('cat', server.file)).out, 'standing');
      await idle(server, 1);
    }
    t.equal(server.count(op.OPEN), 1);
    t.match(server.channel.counters(), { stood: 2, attached: 1 });
    t.same(server.released, []);
    const overlapping = await run('sh', '-c', `exec 3<${server.file} 4<${server.file}; cat <&3; exec 3<&-; cat <&4`);
    t.equal(overlapping.out, 'standingstanding');
    await idle(server, 1);
    t.equal(server.count(op.OPEN), 1);
    const direct = await run('dd', `if=${server.file}`, 'iflag=direct', 'bs=4k', 'status=none');
    t.equal(direct.out, 'standing');
    t.equal((await run('dd', 'if=/dev/zero', `of=${server.file}`, 'count=0', 'conv=notrunc')).code, 0);
    t.equal(server.count(op.OPEN), 3, 'with other flags JavaScript answers');
    t.ok(await eventually(() => server.released.length >= 2));
    t.same(server.released, [2, 3]);
    t.equal(server.channel.detach(1), 0, 'it can be ended as it stands');
    t.match(server.channel.counters(), { idle: 0, attached: 0 });
    t.equal((await run('cat', server.file)).out, 'standing');
    t.equal(server.count(op.OPEN), 4);
  });
  t.same(left, []);
});

test('a handle that is withdrawn ends with its last close', { skip }, async (t) => {
  const left = await served(async (server) => {
    writeFileSync(server.host, 'standing');
    server.opened = (fh) => server.channel.stand(FILE, fh, 0, 0, INDIFFERENT, false);
    const reader = spawn('sh', [
      '-c',
      `exec 3<${server.file} 4<${server.file}; echo; read line; cat <&3; exec 3<&-; cat <&4`,
    ]);
    await new Promise((resolve) => reader.stdout.once('data', resolve));
    t.equal(server.channel.withdraw(1), false, 'it is open, twice');
    t.equal(server.channel.reclaim(), 0);
    server.opened = () => {};
    t.equal((await run('cat', server.file)).out, 'standing');
    t.equal(server.count(op.OPEN), 2, 'it answers no further open');
    reader.stdin.end('\n');
    t.ok(await eventually(() => server.released.length >= 2));
    t.same(server.released, [2, 1], 'one RELEASE for two closes');
    t.equal(server.channel.withdraw(1), false);
    server.opened = (fh) => server.channel.stand(FILE, fh, 0, 0, INDIFFERENT, false);
    await run('cat', server.file);
    await idle(server, 1);
    t.equal(server.channel.reclaim(), 3);
    t.equal(server.channel.reclaim(), 0);
    t.equal(server.channel.detach(3), 0, 'what is reclaimed is the caller’s');
  });
  t.same(left, []);
});

test('a file that stands with its attributes has no capability, or JavaScript says which', { skip }, async (t) => {
  const left = await served(async (server) => {
    // ENOSYS would be the last answer that the kernel asks for.
    server.hook = (opcode) => (opcode === op.GETXATTR ? errno.ENODATA : 0);
    const asks = async (key: string): Promise<number> => {
      const before = server.count(op.GETXATTR);
      const { err } = await run('python3', '-c', `import os; os.getxattr("${server.file}", "${key}")`);
      t.match(err, /No data available/);
      return server.count(op.GETXATTR) - before;
    };
    const stands = async (whole: boolean): Promise<void> => {
      server.opened = (fh) => server.channel.stand(FILE, fh, 0, 0, INDIFFERENT, whole);
      await run('cat', server.file);
      await idle(server, 1);
    };
    await stands(false);
    t.equal(await asks(CAPABILITY), 1, 'its attributes are elsewhere');
    server.channel.detach(server.channel.reclaim());
    t.equal(await asks(CAPABILITY), 1, 'nothing stands');
    await stands(true);
    t.equal(await asks(CAPABILITY), 0);
    t.equal(await asks('user.other'), 1);
    sys.setXattr(server.temp.dirfd, 'host', CAPABILITY, capability, 0);
    t.equal(await asks(CAPABILITY), 1);
  });
  t.same(left, []);
});

test('handles beyond what may stay go, the one that was closed first', { skip }, async (t) => {
  const here = new URL('.', import.meta.url).href;
  // Half of a limit of 64 descriptors is for those that nobody has open.
  const script = `import('${here}tiny-server.js').then(async ({ TinyServer, run, op }) => {
    const server = new TinyServer(); server.start();
    let node = 1000;
    server.opened = (fh) => server.channel.stand(node++, fh, 0, 0, 0, false);
    for (let i = 0; i < 36; i++) await run('cat', server.file);
    while (server.channel.counters().idle + server.released.length < 36) await new Promise((r) => setTimeout(r, 2));
    process.stdout.write(JSON.stringify([server.channel.counters().idle, server.released]));
    await server.teardown(); process.exit(0); })`;
  const ended = await run('env', '-u', 'NODE_OPTIONS', 'prlimit', '--nofile=64', process.execPath, '-e', script);
  t.same(JSON.parse(ended.out), [32, [33, 34, 35, 36]], ended.err);
});

test('only known ioctls reach JavaScript', { skip }, async (t) => {
  await served(async (server) => {
    const FLAGS = 0x80086601;
    const ask = (command: number) =>
      run('python3', '-c', `import fcntl; fcntl.ioctl(open("${server.file}", "rb", 0), ${command}, bytes(8))`);
    t.match((await ask(0x5401)).err, /Inappropriate ioctl/);
    const before = server.count(IOCTL);
    server.channel.ioctls(new Uint32Array([FLAGS]));
    t.match((await ask(0x5401)).err, /Inappropriate ioctl/, 'a terminal');
    t.equal(server.count(IOCTL), before);
    t.match((await ask(FLAGS)).err, /Inappropriate ioctl|not implemented/);
    t.ok(server.count(IOCTL) > before);
  });
});
