// gzip and zstd streams: found out by their first bytes, the same bytes when written, an error when damaged.

import { Buffer } from 'node:buffer';
import { spawnSync } from 'node:child_process';
import * as zlib from 'node:zlib';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { compressionOf, decompressed, packed } from '../../lib/image/compression.js';

async function* inPieces(data: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < data.length; at += size) yield data.subarray(at, at + size);
}

async function all(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

const data = Buffer.from('all work and no play '.repeat(20_000));
const zstd = spawnSync('zstd', ['-cq'], { input: data });
const noZstd = zstd.status !== 0 && 'zstd is not installed';

t.test('the first bytes tell', async (t) => {
  t.equal(compressionOf(gzipSync('')), 'gzip');
  t.equal(compressionOf(Buffer.from('28b52ffd', 'hex')), 'zstd');
  t.equal(compressionOf(Buffer.from('5a2a4d18', 'hex')), 'zstd', 'a skippable frame');
  for (const plain of ['', 'a', 'abcd']) t.equal(compressionOf(Buffer.from(plain)), 'none');
});

t.test('gzip: the same bytes whatever the pieces, without time and name', async (t) => {
  const once = await all(packed(inPieces(data, 1000), 'gzip'));
  t.same(await all(packed(inPieces(data, 70_001), 'gzip')), once);
  t.equal(once.readUInt32LE(4), 0);
  t.same(await all(decompressed(inPieces(once, 1))), data);
});

t.test('several gzip members are one stream; nothing is nothing', async (t) => {
  const two = Buffer.concat([gzipSync('one '), gzipSync('two')]);
  t.equal((await all(decompressed(inPieces(two, 3)))).toString(), 'one two');
  t.equal((await all(decompressed(inPieces(Buffer.alloc(0), 1)))).length, 0);
  t.same(await all(decompressed(inPieces(data, 9999))), data);
});

t.test('damaged gzip', async (t) => {
  const whole = gzipSync(data);
  await t.rejects(all(decompressed(inPieces(whole.subarray(0, 50), 7))), /damaged gzip data/);
  const changed = Buffer.from(whole);
  changed[changed.length - 6] = (changed[changed.length - 6] as number) ^ 1;
  await t.rejects(all(decompressed(inPieces(changed, 700))), /damaged gzip data/);
});

t.test('zstd', { skip: noZstd }, async (t) => {
  t.same(await all(decompressed(inPieces(zstd.stdout, 5))), data);
  await t.rejects(all(decompressed(inPieces(zstd.stdout.subarray(0, 20), 5))), /damaged zstd data/);
  const changed = Buffer.from(zstd.stdout);
  changed[6] = (changed[6] as number) ^ 0x55;
  await t.rejects(all(decompressed(inPieces(changed, 700))), /damaged zstd data/);
});

t.test(
  'into zstd: the same bytes whatever the pieces, one frame that the program reads',
  { skip: noZstd },
  async (t) => {
    for (const length of [0, 1, 5000, 131_072, 262_144, data.length]) {
      const part = data.subarray(0, length);
      const once = await all(packed(inPieces(part, 1000), 'zstd'));
      t.equal(compressionOf(once), 'zstd');
      t.same(await all(packed(inPieces(part, 131_072), 'zstd')), once, `${length} bytes`);
      t.same(await all(packed(inPieces(part, length || 1), 'zstd')), once, `${length} bytes at once`);
      const { stdout, status } = spawnSync('zstd', ['-dcq'], { input: once });
      t.equal(status, 0);
      t.same(stdout, part);
      t.same(await all(decompressed(inPieces(once, 7))), part);
    }
  },
);

t.test('a source that fails while it is packed is what is told', { skip: noZstd }, async (t) => {
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield data;
    throw new Error('the disk is gone');
  }
  await t.rejects(all(packed(failing(), 'zstd')), /the disk is gone/);
  await t.rejects(all(packed(failing(), 'gzip')), /the disk is gone/);
});

const library = 'createZstdCompress' in zlib && 'this Node.js has zstd';
t.test('zstd without the program says what to install', { skip: library }, async (t) => {
  const { PATH } = process.env;
  process.env.PATH = '/nonexistent';
  t.teardown(() => {
    process.env.PATH = PATH;
  });
  const wanted = /^zstd is needed, .* install the program zstd/;
  const frame = Buffer.from('28b52ffd00000000', 'hex');
  await t.rejects(all(decompressed(inPieces(frame, 8))), { message: wanted });
  await t.rejects(all(packed(inPieces(data, 1000), 'zstd')), { message: wanted });
});

t.test('a source that fails is what is told', async (t) => {
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield gzipSync(data).subarray(0, 100);
    throw new Error('the line is cut');
  }
  await t.rejects(all(decompressed(failing())), /the line is cut/);
});

t.test('whoever stops early ends the source', async (t) => {
  let ended = false;
  async function* watched(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) yield gzipSync(data);
    } finally {
      ended = true;
    }
  }
  for await (const _chunk of decompressed(watched())) break;
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(ended, true);
});
