// Large READs of what the host has cached: spliced, whole, at any offset, and without harm to the host's cache.

import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { test } from 'tap';
import { syscalls as sys } from '../../lib/sys/syscalls.js';
import { op, run, TinyServer } from './tiny-server.js';

const skip = sys.geteuid() !== 0 && 'needs root';
const FOPEN_DIRECT_IO = 1;
const size = 2 ** 20 + 12_345;

/** Bytes of which no two pages are alike. */
function pages(): Buffer {
  const out = Buffer.alloc(size, 'x');
  for (let at = 0; at + 4 <= size; at += 512) out.writeUInt32LE(at, at);
  return out;
}

async function served(body: (server: TinyServer) => Promise<void>): Promise<void> {
  const server = new TinyServer();
  try {
    server.start();
    await body(server);
  } finally {
    await server.teardown();
  }
}

const counted = (server: TinyServer, name: string): number => server.channel.counters()[name] as number;

test('what the host has cached is spliced, and stays cached', { skip }, async (t) => {
  await served(async (server) => {
    writeFileSync(server.host, pages());
    const cached = () => run('fincore', '-n', '-b', '-o', 'RES', server.host);
    await run('sync', server.host);
    const before = await cached();
    const sum = createHash('sha256').update(pages()).digest('hex');
    t.match((await run('sha256sum', server.file)).out, sum);
    t.ok(counted(server, 'spliced') > 0);
    t.equal(counted(server, 'bytesRead'), size);
    t.equal(counted(server, 'offloaded'), 0);
    t.equal(server.count(op.READ), 0);
    t.equal((await cached()).out, before.out);
    t.match((await run('sha256sum', server.host)).out, sum, 'the host’s own pages');
  });
});

test('at any offset, up to the end of the file', { skip }, async (t) => {
  await served(async (server) => {
    writeFileSync(server.host, pages());
    server.openFlags = FOPEN_DIRECT_IO;
    // Some beyond what the pipe holds, some whose last piece is short, some too small.
    for (const block of [4096, 65_536, 70_001, 131_072, 200_000, 253_953, 258_048, 500_000, size, 2 * size]) {
      const before = counted(server, 'spliced');
      const read = await run('dd', `if=${server.file}`, `bs=${block}`, 'status=none');
      t.ok(Buffer.from(read.out, 'latin1').equals(pages()), `in blocks of ${block}`);
      t.equal(counted(server, 'spliced') > before, block >= 65_536 && block <= 200_000, `spliced ${block}`);
    }
    t.match(server.channel.counters(), { replyErrors: 0, interrupted: 0 });
  });
});

test('a file that grows and shrinks meanwhile', { skip }, async (t) => {
  await served(async (server) => {
    writeFileSync(server.host, pages());
    server.openFlags = FOPEN_DIRECT_IO;
    const change = 'for i in $(seq 300); do truncate -s 70000 "$1"; truncate -s 131072 "$1"; truncate -s 5 "$1"; done';
    const reading = 'for i in $(seq 150); do dd if="$1" bs=100k status=none || exit 1; done >/dev/null';
    const [, reader] = await Promise.all([
      run('sh', '-c', change, 'sh', server.host),
      run('sh', '-c', reading, 'sh', server.file),
    ]);
    t.same(reader, { code: 0, out: '', err: '' });
    t.match(server.channel.counters(), { replyErrors: 0, interrupted: 0 });
  });
});
