// Layers out of gzip and zstd, and into them. What a stream is compressed by is read from its first bytes: media types
// of strangers are not always true. Node.js before 22.15 knows nothing of zstd: there the program `zstd` does it.

import { Buffer } from 'node:buffer';
import { spawn } from 'node:child_process';
import { Readable } from 'node:stream';
import * as zlib from 'node:zlib';
import { createGunzip, createGzip } from 'node:zlib';
import { ImageError } from './error.js';

export type Compression = 'none' | 'gzip' | 'zstd';
/** What layers are packed by. */
export type Packing = Exclude<Compression, 'none'>;

const CHUNK = 256 << 10;
/** Fast: layers are written far more often than they are sent over slow lines. */
const GZIP_LEVEL = 1;
const ZSTD_LEVEL = 3;

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

type Stage = NodeJS.ReadWriteStream & { destroy(error?: Error): unknown };

/** What the program `zstd` is called for when this Node.js has none of it. */
type ZstdFactory = (options: { chunkSize: number; params: Record<number, number> }) => Stage;
const zstdLibrary = zlib as unknown as {
  readonly createZstdDecompress?: ZstdFactory;
  readonly createZstdCompress?: ZstdFactory;
};

/**
 * Writes `chunks` into `stage`, the next one being got ready while one is worked on. The end comes by itself, never
 * together with bytes: zstd would write other bytes for the two together.
 */
async function feed(chunks: AsyncIterator<Uint8Array>, stage: Stage): Promise<void> {
  const next = (): Promise<IteratorResult<Uint8Array>> => {
    const coming = chunks.next();
    coming.catch(() => {});
    return coming;
  };
  let coming = next();
  for (let chunk = await coming; chunk.done !== true; chunk = await coming) {
    coming = next();
    const { value } = chunk;
    await new Promise<void>((resolve, reject) => {
      stage.write(value, (error) => (error == null ? resolve() : reject(error)));
    });
  }
  stage.end();
}

/** `input` through `stage`; an error of either ends the other, and whoever stops early stops both. */
async function* through(input: AsyncIterable<Uint8Array>, stage: Stage): AsyncGenerator<Uint8Array> {
  const chunks = input[Symbol.asyncIterator]();
  let failure: unknown;
  feed(chunks, stage).catch((error: Error) => {
    failure ??= error;
    stage.destroy(error);
  });
  try {
    for await (const chunk of stage) yield chunk as Buffer;
  } catch (error) {
    throw failure ?? error;
  } finally {
    stage.destroy();
    // It may be waiting for bytes that never come: nobody waits for it.
    chunks.return?.().catch(() => {});
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

/** `stream` through the program `zstd`; `damaged` makes an error of its complaint. */
async function* byProgram(
  stream: AsyncIterable<Uint8Array>,
  words: readonly string[],
  damaged: (complaint: string) => ImageError,
): AsyncGenerator<Uint8Array> {
  const child = spawn('zstd', words, { stdio: ['pipe', 'pipe', 'pipe'] });
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
    if (wrong === 'ENOENT') {
      throw new ImageError(
        `zstd is needed, and Node.js ${process.versions.node} has none: install the program zstd, then try again`,
      );
    }
    if (wrong !== null) throw damaged(wrong.split('\n')[0] as string);
  } finally {
    source.destroy();
    child.kill();
  }
}

const damagedZstd = (complaint: string): ImageError => new ImageError(`damaged zstd data: ${complaint}`);

async function* unzstd(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const { createZstdDecompress } = zstdLibrary;
  if (createZstdDecompress === undefined) {
    yield* byProgram(stream, ['-dcq', '--memory=512MB'], damagedZstd);
    return;
  }
  try {
    yield* through(stream, createZstdDecompress({ chunkSize: CHUNK, params: { [WINDOW_LOG_MAX]: MOST_WINDOW_LOG } }));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code?.startsWith('ZSTD_') === true || code === 'Z_BUF_ERROR') throw damagedZstd(message);
    throw error;
  }
}

/** Of zstd's own interface: how large a window a frame may ask for, 2^29 bytes. */
const WINDOW_LOG_MAX = 100;
const MOST_WINDOW_LOG = 29;
const COMPRESSION_LEVEL = 100;

/** One thread, no checksum, no size: the same bytes from the library and from the program of one version. */
function zstdPacked(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const { createZstdCompress } = zstdLibrary;
  if (createZstdCompress !== undefined) {
    return through(stream, createZstdCompress({ chunkSize: 4 * CHUNK, params: { [COMPRESSION_LEVEL]: ZSTD_LEVEL } }));
  }
  const words = [`-${ZSTD_LEVEL}`, '-cq', '--single-thread', '--no-check'];
  return byProgram(stream, words, (complaint) => new ImageError(`zstd: ${complaint}`));
}

/** What `stream` is when nothing compresses it any more. */
export async function* decompressed(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const [head, whole] = await peeked(stream);
  const compression = compressionOf(head);
  if (compression === 'gzip') yield* gunzipped(whole);
  else if (compression === 'zstd') yield* unzstd(whole);
  else yield* whole;
}

/** The same bytes for the same input: a header of gzip's holds neither a name nor a time. */
export function packed(stream: AsyncIterable<Uint8Array>, packing: Packing): AsyncGenerator<Uint8Array> {
  if (packing === 'zstd') return zstdPacked(stream);
  return through(stream, createGzip({ level: GZIP_LEVEL, chunkSize: 4 * CHUNK }));
}
