// The channel and its data plane on a real mount served by this process, used by other processes.

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { errno } from '../../lib/errno.js';
import { addon } from '../../lib/sys/binding.js';
import * as c from '../../lib/sys/constants.js';
import { syscalls as sys } from '../../lib/sys/syscalls.js';
import { fdsBelow } from './native-util.js';
import { FOPEN_PASSTHROUGH, op, run, served, TinyServer } from './tiny-server.js';

const MIB = 2 ** 20;
const skip = sys.geteuid() !== 0 && 'needs root';

function noise(length: number): Buffer {
  const out = Buffer.alloc(length);
  for (let i = 0; i + 4 <= length; i += 4) out.writeUInt32LE(Math.imul(i, 2654435761) >>> 0, i);
  return out;
}

function digest(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

async function sumOf(server: TinyServer): Promise<string> {
  return (await run('sha256sum', server.file)).out.slice(0, 64);
}

/** Drops the host file from the page cache, so that reading it blocks. */
async function chill(server: TinyServer): Promise<void> {
  await run('dd', `of=${server.host}`, 'oflag=nocache', 'conv=notrunc,fdatasync', 'count=0', 'status=none');
}

test('granted reads never reach JavaScript', { skip }, async (t) => {
  const left = await served(async (server) => {
    const data = noise(5 * MIB + 123);
    writeFileSync(server.host, data);
    t.equal(await sumOf(server), digest(data), 'warm');
    const warm = server.channel.counters();
    t.equal(warm.bytesRead, data.length);
    t.ok((warm.reads as number) > 0);
    t.equal(warm.offloaded, 0, 'the page cache had it all');
    await chill(server);
    t.equal(await sumOf(server), digest(data), 'cold');
    t.ok((server.channel.counters().offloaded as number) > 0, 'workers waited for the disk');
    t.equal(server.count(op.READ), 0);
    t.equal(server.channel.counters().replyErrors, 0);
    while (server.count(op.RELEASE) < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    t.equal(server.channel.counters().attached, 0);
  });
  t.same(left, []);
});

test('many readers at once, cold', { skip }, async (t) => {
  await served(async (server) => {
    const data = noise(16 * MIB);
    writeFileSync(server.host, data);
    await chill(server);
    const sums = await Promise.all(Array.from({ length: 8 }, () => sumOf(server)));
    t.same(new Set(sums), new Set([digest(data)]));
  });
});

test('granted writes, small inline and large on workers', { skip }, async (t) => {
  const left = await served(async (server) => {
    const data = noise(9 * MIB);
    const source = join(server.temp.dir, 'source');
    writeFileSync(source, data);
    const copy = (bs: string) => run('dd', `if=${source}`, `of=${server.file}`, `bs=${bs}`, 'conv=notrunc');
    t.equal((await copy('1M')).code, 0);
    t.equal(digest(readFileSync(server.host)), digest(data));
    t.ok((server.channel.counters().offloaded as number) >= 9);
    writeFileSync(server.host, '');
    const before = server.channel.counters().offloaded;
    t.equal((await copy('4k')).code, 0);
    t.equal(digest(readFileSync(server.host)), digest(data));
    t.equal(server.channel.counters().offloaded, before);
    t.equal(server.channel.counters().bytesWritten, 2 * data.length);
    t.equal(server.count(op.WRITE), 0);
  });
  t.same(left, []);
});

test('a failed write is the caller’s errno', { skip }, async (t) => {
  await served(async (server) => {
    server.grant = () => sys.openPath(server.host, c.O_RDONLY);
    for (const bs of ['4k', '1M']) {
      const failed = await run('dd', 'if=/dev/zero', `of=${server.file}`, `bs=${bs}`, 'count=1', 'conv=notrunc');
      t.match(failed.err, /Bad file descriptor/);
    }
    server.grant = () => sys.openPath('/dev/full', c.O_RDWR);
    const full = await run('dd', 'if=/dev/zero', `of=${server.file}`, 'bs=4k', 'count=1', 'conv=notrunc');
    t.match(full.err, /No space left/);
  });
});

test('a write by someone else takes set-id bits away', { skip }, async (t) => {
  await served(async (server) => {
    const asOther = (bs: string) =>
      run(
        'setpriv',
        '--reuid=1234',
        '--regid=1234',
        '--clear-groups',
        'dd',
        'if=/dev/zero',
        `of=${server.file}`,
        `bs=${bs}`,
        'count=1',
        'conv=notrunc',
      );
    const cases: [number, string, number][] = [
      [0o6777, '1k', 0o0777],
      [0o6777, '1M', 0o0777],
      [0o6767, '1k', 0o0767],
      [0o0666, '1k', 0o0666],
    ];
    for (const [before, bs, after] of cases) {
      chmodSync(server.host, before);
      t.equal((await asOther(bs)).code, 0);
      t.equal(statSync(server.host).mode & 0o7777, after, `${before.toString(8)} after ${bs}`);
    }
    chmodSync(server.host, 0o6777);
    t.equal((await run('dd', 'if=/dev/zero', `of=${server.file}`, 'bs=1k', 'count=1', 'conv=notrunc')).code, 0);
    t.equal(statSync(server.host).mode & 0o7777, 0o6777, 'root may keep them');
  });
});

test('a grant is swapped under an open handle, and taken away', { skip }, async (t) => {
  const left = await served(async (server) => {
    const second = join(server.temp.dir, 'second');
    writeFileSync(server.host, 'first first first');
    writeFileSync(second, 'other other other');
    server.openFlags = 1; // FOPEN_DIRECT_IO: every read is a READ
    const script =
      'exec 3<"$1"; dd bs=5 count=1 status=none <&3; read x; dd bs=6 count=1 status=none <&3; read x; cat <&3';
    const reader = spawn('sh', ['-c', script, 'sh', server.file]);
    let out = '';
    const until = (length: number) =>
      new Promise<void>((resolve) => {
        const look = () => (out.length >= length ? resolve() : setTimeout(look, 5));
        look();
      });
    reader.stdout.on('data', (data: Buffer) => {
      out += data.toString();
    });
    await until(5);
    t.equal(out, 'first');
    t.equal(server.channel.swap(1, sys.openPath(second, c.O_RDONLY)), 0);
    t.same(fdsBelow(server.host), [], 'the old descriptor is closed');
    reader.stdin.write('\n');
    await until(11);
    t.equal(out, 'first other');
    t.equal(server.channel.detach(1), 0);
    t.same(fdsBelow(second), []);
    reader.stdin.end('\n');
    await new Promise((resolve) => reader.on('close', resolve));
    t.equal(out, 'first otherript\n', 'the rest comes from JavaScript');
    t.equal(server.channel.detach(1), -errno.ENOENT);
    t.equal(server.channel.swap(1, 0), -errno.ENOENT);
  });
  t.same(left, []);
});

test('the table refuses nonsense and leaves the descriptor', { skip }, async (t) => {
  await served(async (server) => {
    const fd = sys.openPath(server.host, c.O_RDONLY);
    t.equal(server.channel.attach(77, fd, false), 0);
    t.equal(server.channel.attach(77, fd, false), -errno.EEXIST);
    t.equal(server.channel.attach(78, -1, false), -errno.EBADF);
    t.equal(server.channel.counters().attached, 1);
    t.equal(server.channel.detach(77), 0);
    t.equal(sys.close(fd), -errno.EBADF, 'detach closed it');
    const borrowed = server.channel.counters;
    t.equal(borrowed.call({} as typeof server.channel).attached, 0, 'a method knows its channel');
    const start = server.channel.start;
    t.throws(
      () =>
        start.call(
          {} as typeof server.channel,
          () => {},
          () => {},
        ),
      TypeError,
    );
    t.throws(() => server.start(), /cannot start/, 'only once');
    t.throws(() => addon.openChannel(server.device, 1, false), TypeError);
    t.equal(server.reply(12345n, 0), -errno.ENOENT, 'nobody asked');
    t.equal(server.channel.reply(3), -errno.EINVAL);
    t.equal(server.channel.write(new Uint8Array(16)), -errno.EINVAL);
  });
});

/** Microseconds in which idle processors have to wake, as all processes together ask of Linux. */
function askedLatency(): number {
  return readFileSync('/dev/cpu_dma_latency').readInt32LE();
}

/** Asks for so many names, with at least so many milliseconds from one to the next. */
const asking = (names: number, pause: number): string => `
  for (let i = 0, due = performance.now(); i < ${names}; i += 1, due += ${pause}) {
    while (performance.now() < due);
    require('fs').statSync(process.argv[1] + '/no' + i, { throwIfNoEntry: false });
  }`;
const names = asking(3000, 0);
const noQos = skip || (!existsSync('/dev/cpu_dma_latency') && 'no /dev/cpu_dma_latency here');
const DRIVER = '/sys/devices/system/cpu/cpuidle/current_driver';
/** How deep a processor sleeps is nobody's choice here. */
const unheeded = existsSync(DRIVER) && readFileSync(DRIVER, 'latin1') === 'none\n';

test('while requests follow each other closely, idle processors are kept awake, and no longer', {
  skip: noQos || (unheeded && 'no cpuidle driver here'),
}, async (t) => {
  await served(async (server) => {
    const asked: number[] = [];
    server.hook = () => {
      if (server.seen.length % 500 === 0) asked.push(askedLatency());
      return 0;
    };
    t.equal(server.channel.counters().wishes, 0, 'nothing is asked of an idle machine');
    t.equal((await run(process.execPath, '-e', names, server.mountpoint)).code, 0);
    t.ok(asked.includes(0), `asked for while busy: ${asked}`);
    t.ok((server.channel.counters().wishes as number) > 0);
    // Other mounts on this machine may be busy.
    for (let tries = 0; tries < 200 && askedLatency() === 0; tries += 1) await new Promise((go) => setTimeout(go, 50));
    t.ok(askedLatency() > 0, 'taken back');
  }, true);
});

test('a program that also computes is a burst, a name now and then is none', {
  skip: noQos || (unheeded && 'no cpuidle driver here'),
}, async (t) => {
  await served(async (server) => {
    const wishes = (): number => server.channel.counters().wishes as number;
    t.equal((await run(process.execPath, '-e', asking(50, 20), server.mountpoint)).code, 0);
    t.equal(wishes(), 0);
    t.equal((await run(process.execPath, '-e', asking(400, 0.7), server.mountpoint)).code, 0);
    t.ok(wishes() > 0);
  }, true);
});

test('where nobody would heed it, nothing is asked', {
  skip: noQos || (!unheeded && 'a cpuidle driver heeds it here'),
}, async (t) => {
  await served(async (server) => {
    t.equal((await run(process.execPath, '-e', names, server.mountpoint)).code, 0);
    t.equal(server.channel.counters().wishes, 0);
  }, true);
});

test('without the wish for it, nothing is asked', { skip: noQos }, async (t) => {
  await served(async (server) => {
    t.equal((await run(process.execPath, '-e', names, server.mountpoint)).code, 0);
    t.equal(server.channel.counters().wishes, 0);
  });
});

test('a handler that throws answers EIO and the mount lives on', { skip }, async (t) => {
  await served(async (server) => {
    writeFileSync(server.host, 'fine');
    server.hook = (opcode) => {
      if (opcode === op.OPEN) throw new Error('thrown on purpose');
      return 0;
    };
    t.match((await run('cat', server.file)).err, /Input\/output error/);
    server.hook = (opcode, unique) => {
      if (opcode !== op.OPEN) return 0;
      server.reply(unique, errno.EACCES);
      throw new Error('thrown after the answer, on purpose');
    };
    t.match((await run('cat', server.file)).err, /Permission denied/);
    server.hook = () => 0;
    t.equal((await run('cat', server.file)).out, 'fine');
  });
});

test('answers may come later, from a promise', { skip }, async (t) => {
  await served(async (server) => {
    writeFileSync(server.host, 'late');
    const order: string[] = [];
    server.hook = (opcode, unique) => {
      order.push(`in ${opcode}`);
      Promise.resolve().then(() => order.push(`job ${opcode}`));
      if (opcode !== op.OPEN) return 0;
      setTimeout(() => server.reply(unique, errno.EBUSY), 20);
      return -1;
    };
    t.match((await run('cat', server.file)).err, /Device or resource busy/);
    const paired = order.every((one, i) => i % 2 === 0 || one === (order[i - 1] as string).replace('in', 'job'));
    t.ok(paired, 'promise jobs run before the next request');
  });
});

test('passthrough leaves nothing to serve', { skip }, async (t) => {
  const left = await served(async (server) => {
    writeFileSync(server.host, 'through');
    t.equal((await run('stat', server.file)).code, 0);
    const fd = sys.openPath(server.host, c.O_RDONLY);
    server.backingId = server.channel.backingOpen(fd);
    t.ok(server.backingId > 0, `backing id ${server.backingId}`);
    sys.close(fd);
    server.grant = () => -1;
    server.openFlags = FOPEN_PASSTHROUGH;
    t.equal((await run('cat', server.file)).out, 'through');
    t.equal(server.count(op.READ), 0);
    t.equal(server.channel.counters().reads, 0);
    t.equal(server.channel.backingClose(server.backingId), 0);
    t.equal(server.channel.backingClose(server.backingId), -errno.ENOENT);
    t.equal(server.channel.backingOpen(9999), -errno.EBADF);
  });
  t.same(left, []);
});

test('unmounting ends the channel once, and closes what was granted', { skip }, async (t) => {
  const server = new TinyServer();
  try {
    server.start();
    t.equal((await run('stat', server.file)).code, 0);
    t.equal(server.channel.attach(500, sys.openPath(server.host, c.O_RDONLY), false), 0);
    t.equal(sys.umount(server.mountpoint, 0), 0);
    t.equal(await server.ended, errno.ENODEV);
    t.same(fdsBelow(server.host), []);
    server.channel.stop();
    t.throws(() => server.start(), /cannot start/);
    t.equal(sys.dup(server.device) >= 0, true, 'the device stays the caller’s');
  } finally {
    await server.teardown();
  }
});

test('stop from inside a handler', { skip }, async (t) => {
  const server = new TinyServer();
  try {
    server.hook = (opcode, unique) => {
      if (opcode !== op.LOOKUP) return 0;
      server.reply(unique, errno.EACCES);
      server.channel.stop();
      return -1;
    };
    server.start();
    t.match((await run('stat', server.file)).err, /Permission denied/);
  } finally {
    await server.teardown();
  }
});

test('an environment that ends with a channel running', { skip }, async (t) => {
  const here = new URL('.', import.meta.url).href;
  const script = `import('${here}tiny-server.js').then(async ({ TinyServer, run }) => {
    const { writeFileSync } = await import('node:fs');
    const server = new TinyServer(); server.start();
    writeFileSync(server.host, Buffer.alloc(8 << 20));
    await run('dd', 'if=/dev/zero', 'of=' + server.file, 'bs=1M', 'count=4', 'conv=notrunc');
    process.stdout.write(server.mountpoint);
    END; })`;
  const inWorker = `new (require('node:worker_threads').Worker)(${JSON.stringify(script.replace('END', 'process.exit(0)'))}, { eval: true })`;
  for (const program of [script.replace('END', 'process.exit(0)'), inWorker]) {
    const ended = await run(process.execPath, '-e', program);
    t.equal(ended.code, 0, ended.err);
    t.match(ended.out, /mnt$/);
    t.equal(sys.umount(ended.out, c.MNT_DETACH), 0);
    await run('rm', '-rf', join(ended.out, '..'));
  }
});
