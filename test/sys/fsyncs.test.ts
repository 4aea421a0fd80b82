// FSYNC of granted handles: one answer each, from the thread that waited. What is slow to flush is a file of a second
// mount, which this process answers when the test says so.

import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'tap';
import { errno } from '../../lib/errno.js';
import { syscalls as sys } from '../../lib/sys/syscalls.js';
import { ENOSYS, op, run, TinyServer } from './tiny-server.js';

const skip = sys.geteuid() !== 0 && 'needs root';

/** A mount whose FSYNCs wait until `answer`. */
class SlowDisk {
  readonly server = new TinyServer();
  readonly waiting: bigint[] = [];
  readonly #files: FileHandle[] = [];

  constructor() {
    this.server.fsyncs = false;
    this.server.hook = (opcode, unique) => {
      if (opcode === op.FSYNC) this.waiting.push(unique);
      // Without FLUSH, no close by this thread waits for this thread.
      return opcode === op.FSYNC ? -1 : opcode === op.FLUSH ? ENOSYS : 0;
    };
    this.server.start();
  }

  /** A descriptor of one of its files, by its one letter. */
  async file(letter: string): Promise<number> {
    if (this.#files.length === 0) await run('cat', this.server.file);
    const file = await open(join(this.server.mountpoint, letter), 'r+');
    this.#files.push(file);
    return file.fd;
  }

  answer(code: number): void {
    for (const unique of this.waiting.splice(0)) this.server.reply(unique, code);
  }

  async teardown(): Promise<void> {
    await Promise.all(this.#files.map((file) => file.close()));
    await this.server.teardown();
  }
}

async function until(reached: () => boolean): Promise<void> {
  while (!reached()) await new Promise((resolve) => setTimeout(resolve, 5));
}

async function slowly(body: (server: TinyServer, disk: SlowDisk) => Promise<void>): Promise<void> {
  const [server, disk] = [new TinyServer(), new SlowDisk()];
  try {
    server.start();
    await body(server, disk);
  } finally {
    disk.answer(0);
    await server.teardown();
    await disk.teardown();
  }
}

test('granted fsyncs never reach JavaScript, others do', { skip }, async (t) => {
  await slowly(async (server) => {
    t.equal((await run('sync', server.file)).code, 0);
    t.equal((await run('sync', '-d', server.file)).code, 0);
    t.equal(server.count(op.FSYNC), 0);
    t.match(server.channel.counters(), { fsyncs: 2, replyErrors: 0, interrupted: 0 });
    server.fsyncs = false;
    server.hook = (opcode) => (opcode === op.FSYNC ? errno.EDQUOT : 0);
    t.match((await run('sync', server.file)).err, /quota/);
    t.equal(server.count(op.FSYNC), 1);
    t.equal(server.channel.counters().fsyncs, 2);
  });
});

test('the error of an fsync is the caller’s, and nobody else waits meanwhile', { skip }, async (t) => {
  await slowly(async (server, disk) => {
    const fd = await disk.file('f');
    server.grant = () => sys.dup(fd);
    const failed = run('sync', server.file);
    await until(() => disk.waiting.length === 1);
    t.equal((await run('stat', join(server.mountpoint, 'g'))).code, 0);
    disk.answer(errno.EIO);
    t.match((await failed).err, /Input\/output error/);
    t.match(server.channel.counters(), { fsyncs: 1, replyErrors: 0, interrupted: 0 });
  });
});

test('an interrupted fsync is answered at once, and once', { skip }, async (t) => {
  await slowly(async (server, disk) => {
    const fd = await disk.file('f');
    const usual = server.grant;
    server.grant = () => sys.dup(fd);
    t.equal((await run('timeout', '-s', 'INT', '0.3', 'sync', server.file)).code, 124);
    t.equal(disk.waiting.length, 1, 'the disk is still busy');
    disk.answer(0);
    server.grant = usual;
    t.equal((await run('sync', join(server.mountpoint, 'g'))).code, 0);
    t.match(server.channel.counters(), { replyErrors: 0, interrupted: 0 });
  });
});

test('stop answers the fsyncs that wait for a thread', { skip }, async (t) => {
  await slowly(async (server, disk) => {
    const slow = await Promise.all([...'fghi'].map((letter) => disk.file(letter)));
    const usual = server.grant;
    server.grant = () => (slow.length > 0 ? sys.dup(slow.pop() as number) : usual());
    const all = [...'fghijk'].map((letter) => run('sync', join(server.mountpoint, letter)));
    await until(() => server.channel.counters().fsyncs === 6 && disk.waiting.length === 4);
    disk.answer(0);
    server.channel.stop();
    sys.umount(server.mountpoint, 1);
    for (const { err } of await Promise.all(all)) t.notMatch(err, /error syncing/);
    t.match(server.channel.counters(), { fsyncs: 6, replyErrors: 0, interrupted: 0 });
  });
});
