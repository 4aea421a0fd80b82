// Attributes that are answered for as the host has them, and handles whose end is told later, on a real mount served by
// this process and used by others.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { test } from 'tap';
import { errno } from '../../lib/errno.js';
import * as c from '../../lib/sys/constants.js';
import { syscalls as sys } from '../../lib/sys/syscalls.js';
import { eventually } from '../support/expect.js';
import { CAPABILITY, capability, op, run, served, type TinyServer } from './tiny-server.js';

const skip = sys.geteuid() !== 0 && 'needs root';
const ROOT = 1;
const FILE = 2;
const INO = 0x1_2345_6789;

/** Runs `body` while somebody has the file open for writing, as a mirror. */
async function whileOpen(server: TinyServer, body: () => Promise<void>): Promise<void> {
  server.opened = (fh) => server.channel.mirror(fh, FILE, INO % 2 ** 32, 1, 0);
  const writer = spawn('sh', ['-c', `exec 3>>${server.file}; echo; read line`]);
  await once(writer.stdout, 'data');
  server.opened = () => {};
  try {
    await body();
  } finally {
    writer.stdin.end();
    await once(writer, 'exit');
  }
}

test('owner, mode and times of a mirror are set and told without JavaScript', { skip }, async (t) => {
  const left = await served(async (server) => {
    // Whoever goes there asks for it too.
    server.channel.mirrorDirectory(ROOT, server.temp.dirfd, ROOT, 0, 0, 0, false);
    await whileOpen(server, async () => {
      const [gets, sets] = [server.count(op.GETATTR), server.count(op.SETATTR)];
      t.equal((await run('chmod', '640', server.file)).code, 0);
      t.equal((await run('chown', '7:8', server.file)).code, 0);
      t.equal((await run('touch', '-m', '-d', '1969-12-31T23:59:00Z', server.file)).code, 0);
      t.equal((await run('stat', '-c', '%a %u %g %Y %i %h', server.file)).out, `640 7 8 -60 ${INO} 1\n`);
      const before = statSync(server.host).mtimeMs;
      t.equal((await run('touch', '-a', server.file)).code, 0);
      t.equal(statSync(server.host).mtimeMs, before);
      t.ok(statSync(server.host).atimeMs > Date.now() - 60_000);
      t.equal((await run('touch', server.file)).code, 0);
      t.ok(statSync(server.host).mtimeMs > Date.now() - 60_000);
      t.same([server.count(op.GETATTR), server.count(op.SETATTR)], [gets, sets]);
      t.match(server.channel.counters(), { mirrors: 2 });
    });
    t.ok(await eventually(() => server.channel.counters().attached === 0));
    t.equal(server.channel.counters().mirrors, 1, 'the directory');
    const asked = server.count(op.SETATTR);
    await run('chmod', '600', server.file);
    t.equal(server.count(op.SETATTR), asked + 1, 'it was one while the handle lived');
  });
  t.same(left, []);
});

test('what gives privileges, or meets some, is JavaScript’s, and ends the mirror', { skip }, async (t) => {
  const deeds: Readonly<Record<string, (server: TinyServer) => Promise<unknown>>> = {
    'a mode with setuid': (server) => run('chmod', '4755', server.file),
    'an owner for a setuid file': (server) => {
      sys.chmodAt(server.temp.dirfd, 'host', 0o4755);
      return run('setpriv', '--reuid=0', '--bounding-set=-fsetid', 'chown', '5', server.file);
    },
    'an owner for a file with a capability': (server) => {
      sys.setXattr(server.temp.dirfd, 'host', CAPABILITY, capability, 0);
      return run('chown', '5', server.file);
    },
    'a size': (server) => run('truncate', '-s', '3', server.file),
  };
  for (const [name, deed] of Object.entries(deeds)) {
    const left = await served(async (server) => {
      await whileOpen(server, async () => {
        const asked = server.count(op.SETATTR);
        await deed(server);
        t.ok(server.count(op.SETATTR) > asked, name);
        t.match(server.channel.counters(), { mirrors: 0 }, name);
      });
    });
    t.same(left, []);
  }
});

test('a mirror has no capability, or JavaScript says which', { skip }, async (t) => {
  const left = await served(async (server) => {
    // ENOSYS would be the last answer that the kernel asks for.
    server.hook = (opcode) => (opcode === op.GETXATTR ? errno.ENODATA : 0);
    await whileOpen(server, async () => {
      const ask = (): Promise<unknown> =>
        run('python3', '-c', `import os; os.getxattr("${server.file}", "${CAPABILITY}")`);
      const asked = server.count(op.GETXATTR);
      await ask();
      t.equal(server.count(op.GETXATTR), asked);
      sys.setXattr(server.temp.dirfd, 'host', CAPABILITY, capability, 0);
      await ask();
      t.equal(server.count(op.GETXATTR), asked + 1);
      await run('python3', '-c', `import os; os.getxattr("${server.file}", "user.other")`);
      t.equal(server.count(op.GETXATTR), asked + 2);
    });
  });
  t.same(left, []);
});

test('a directory is a mirror until that ends', { skip }, async (t) => {
  const left = await served(async (server) => {
    const { channel, mountpoint } = server;
    const shown = async (): Promise<string> => (await run('stat', '-c', '%i %h %a', mountpoint)).out;
    channel.mirrorDirectory(ROOT, server.temp.dirfd, 77, 0, 9, 0, false);
    t.equal(await shown(), '77 9 755\n');
    const [gets, sets] = [server.count(op.GETATTR), server.count(op.SETATTR)];
    await run('chmod', '711', mountpoint);
    t.equal(server.count(op.SETATTR), sets + 1, 'it was not open to change');
    t.equal(channel.counters().mirrors, 0);
    channel.mirrorDirectory(ROOT, server.temp.dirfd, 77, 0, 0, 0, true);
    await run('chmod', '2711', mountpoint);
    t.equal(await shown(), `77 ${statSync(server.temp.dir).nlink} 2711\n`);
    t.same([server.count(op.GETATTR), server.count(op.SETATTR)], [gets, sets + 1]);
    channel.unmirror(ROOT);
    await shown();
    t.ok(server.count(op.GETATTR) > gets);
  });
  t.same(left, []);
});

test('the ends of handles are told, as far as there is room', { skip }, async (t) => {
  const left = await served(async (server) => {
    const told = new Float64Array(3);
    server.channel.tell(told);
    for (let fh = 1; fh <= 2; fh += 1) {
      await run('cat', server.file);
      t.ok(await eventually(() => told[0] === fh));
    }
    t.same([...told], [2, 1, 2]);
    t.equal(server.channel.counters().attached, 0);
    await run('cat', server.file);
    t.ok(await eventually(() => server.released.length === 1));
    t.same(server.released, [3], 'no room is left');
    told[0] = 0;
    server.grant = () => -1;
    await run('cat', server.file);
    t.ok(await eventually(() => server.released.length === 2));
    t.same(server.released, [3, 4], 'a handle without a grant is not known here');
    t.throws(() => server.channel.tell(new Float64Array(1)), TypeError);
  });
  t.same(left, []);
});

test('where nothing is told, and of mirrors without a handle', { skip }, async (t) => {
  const left = await served(async (server) => {
    t.ok(server.channel.mirror(5, FILE, 1, 0, 0) < 0);
    const fd = sys.openPath(server.host, c.O_RDWR);
    server.channel.attach(9, fd, true);
    t.equal(server.channel.mirror(9, FILE, 1, 0, 0), 0);
    t.equal(server.channel.counters().mirrors, 1);
    server.channel.swap(9, sys.openPath(server.host, c.O_RDWR));
    t.equal(server.channel.counters().mirrors, 0, 'another file is not what was described');
    server.channel.detach(9);
  });
  t.same(left, []);
});
