// Layers out of gzip and zstd, and into gzip. What a stream is compressed by is read from its first bytes: media types
// of strangers are not always true.

import { Buffer } from 'node:buffer';
import { spawn } from 'node:child_process';
import { Readable } from 'node:stream';
import * as zlib from 'node:zlib';
import { createGunzip, createGzip } from 'node:zlib';
import { ImageError } from './error.js';

export type Compression = 'none' | 'gzip' | 'zstd';

const CHUNK = 256 << 10;
/** Fast: layers are written far more often than they are sent over slow lines. */
const GZIP_LEVEL = 1;

export function compressionOf(head: Uint8Array): Compression {
  if (head[0] === 0x1f && head[1] === 0x8b) return 'gzip';
  // The frame's magic number, or one of a skippable frame.
  const word = head.length < 4 ? 0 : Buffer.from(head.subarray(0, 4)).readUInt32LE();
  return word === 0xfd2fb528 || (word & 0xfffffff0) >>> 0 === 0x184d2a50 ? 'zstd' : 'none';
}

/** The first four bytes at least, and the stream as it was. */
async function peeked(stream: AsyncIterable<Uint8Array>): Promise<[head: Buffer, whole: AsyncIterable<Uint8Array>]> {
  const chunks = stream[Symbol.asyncIterator]();
  let head = Buffer.alloc(0);
  while (head.length < 4) {
    const { value, done } = await chunks.next();
    if (done === true) break;
    head = Buffer.concat([head, value]);
  }
  async function* whole(): AsyncGenerator<Uint8Array> {
    try {
      if (head.length > 0) yield head;
      for (;;) {
        const { value, done } = await chunks.next();
        if (done === true) return;
        yield value;
      }
    } finally {
      await chunks.return?.();
    }
  }
  return [head, whole()];
}

/** `input` through `stage`; an error of either ends the other, and whoever stops early stops both. */
async function* through(
  input: AsyncIterable<Uint8Array>,
  stage: NodeJS.ReadWriteStream & { destroy(error?: Error): unknown },
): AsyncGenerator<Uint8Array> {
  const source = Readable.from(input, { objectMode: false, highWaterMark: CHUNK });
  let failure: Error | undefined;
  source.on('error', (error) => {
    failure = error;
    stage.destroy(error);
  });
  source.pipe(stage);
  try {
    for await (const chunk of stage) yield chunk as Buffer;
  } catch (error) {
    throw failure ?? error;
  } finally {
    source.destroy();
    stage.destroy();
  }
}

async function* gunzipped(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* through(stream, createGunzip({ chunkSize: CHUNK }));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code?.startsWith('Z_') === true) throw new ImageError(`damaged gzip data: ${(error as Error).message}`);
    throw error;
  }
}

/** By the program `zstd`, for Node.js before 22.15 knows nothing of it. */
async function* unzstdByProgram(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const child = spawn('zstd', ['-dcq', '--memory=512MB'], { stdio: ['pipe', 'pipe', 'pipe'] });
  let complaint = '';
  child.stderr.on('data', (text: Buffer) => {
    if (complaint.length < 1000) complaint += text.toString();
  });
  const ended = new Promise<string | null>((resolve) => {
    child.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    child.on('close', (code) => resolve(code === 0 ? null : complaint.trim() || `zstd ended with ${code}`));
  });
  let failure: unknown;
  const source = Readable.from(stream, { objectMode: false, highWaterMark: CHUNK });
  source.on('error', (error) => {
    failure = error;
    child.kill();
  });
  // The program's own complaint tells more than a broken pipe.
  child.stdin.on('error', () => source.destroy());
  source.pipe(child.stdin);
  try {
    for await (const chunk of child.stdout) yield chunk as Buffer;
    const wrong = await ended;
    if (failure !== undefined) throw failure;
    if (wrong === 'ENOENT')
      throw new ImageError('this is compressed by zstd: install the program zstd, then try again');
    if (wrong !== null) throw new ImageError(`damaged zstd data: ${wrong.split('\n')[0]}`);
  } finally {
    source.destroy();
    child.kill();
  }
}

type ZstdFactory = () => NodeJS.ReadWriteStream & { destroy(error?: Error): unknown };

function unzstd(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const { createZstdDecompress } = zlib as unknown as { createZstdDecompress?: ZstdFactory };
  return createZstdDecompress === undefined ? unzstdByProgram(stream) : through(stream, createZstdDecompress());
}

/** What `stream` is when nothing compresses it any more. */
export async function* decompressed(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const [head, whole] = await peeked(stream);
  const compression = compressionOf(head);
  if (compression === 'gzip') yield* gunzipped(whole);
  else if (compression === 'zstd') yield* unzstd(whole);
  else yield* whole;
}

/** The same bytes for the same input: the header holds neither a name nor a time. */
export function gzipped(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  return through(stream, createGzip({ level: GZIP_LEVEL, chunkSize: CHUNK }));
}
