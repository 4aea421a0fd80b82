// What an archive or a directory brings, by path, for those who need more than one look: the members of a tar are
// written aside with their digests, a directory is read where it is.

import type { Buffer } from 'node:buffer';
import { createReadStream, existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { join, posix } from 'node:path';
import { decompressed } from './compression.js';
import { type Digest, type Expected, Meter, metered } from './digest.js';
import { writeStream } from './disk.js';
import { ImageError } from './error.js';
import type { Added, Incoming } from './incoming.js';
import { MAX_JSON } from './model.js';
import type { Guard } from './room.js';
import { readTar } from './tar/reader.js';

/** Longest chain of links within an archive. */
const MAX_LINKS = 10;
const CHUNK = 256 << 10;

export interface Spool {
  has(path: string): boolean;
  /** A small file; null when it is not there. */
  text(path: string): Buffer | null;
  read(path: string): AsyncIterable<Uint8Array>;
  /** Hands a file over as it is; fails when it is not what is expected. */
  into(incoming: Incoming, path: string, expected: Expected): Promise<void>;
}

function small(file: string, path: string): Buffer {
  const { size } = statSync(file);
  if (size > MAX_JSON) throw new ImageError(`${path} has ${size} bytes; ${MAX_JSON} is the most`);
  return readFileSync(file);
}

const missing = (path: string): ImageError => new ImageError(`${path} is missing`);

/** An OCI layout that lies on disk. Links that lead out of it count as missing. */
export class DirectorySpool implements Spool {
  readonly #root: string;

  constructor(root: string) {
    this.#root = realpathSync(root);
  }

  #file(path: string): string | null {
    const file = join(this.#root, path);
    if (!existsSync(file) || !realpathSync(file).startsWith(`${this.#root}/`)) return null;
    return file;
  }

  #found(path: string): string {
    const file = this.#file(path);
    if (file === null) throw missing(path);
    return file;
  }

  has(path: string): boolean {
    return this.#file(path) !== null;
  }

  text(path: string): Buffer | null {
    const file = this.#file(path);
    return file === null ? null : small(file, path);
  }

  read(path: string): AsyncIterable<Uint8Array> {
    return createReadStream(this.#found(path), { highWaterMark: CHUNK });
  }

  async into(incoming: Incoming, path: string, expected: Expected): Promise<void> {
    await incoming.add(this.read(path), expected, path);
  }
}

interface Spooled {
  readonly file: string;
  readonly digest: Digest;
  readonly size: number;
}

/** The files of a tar. */
export class TarSpool implements Spool {
  readonly #files = new Map<string, Spooled>();
  readonly #links = new Map<string, string>();

  /** Reads `stream`, which may be compressed, to its end. */
  static async of(stream: AsyncIterable<Uint8Array>, incoming: Incoming): Promise<TarSpool> {
    const spool = new TarSpool();
    // What lies aside takes room only for a while: it counts by itself.
    const guard = incoming.room.another().guard();
    const tar = guard.unpacked(decompressed(guard.packed(stream)));
    for await (const { entry, data } of readTar(tar)) {
      const path = posix.normalize(entry.path).replace(/^\/+/, '');
      if (entry.type === 'file') spool.#files.set(path, await spooled(guarded(data, guard), incoming));
      else if (entry.type === 'symlink') spool.#links.set(path, posix.join(posix.dirname(path), entry.target));
      else if (entry.type === 'hardlink') spool.#links.set(path, posix.normalize(entry.target));
    }
    return spool;
  }

  #find(path: string): Spooled | null {
    let at = posix.normalize(path);
    for (let steps = 0; steps < MAX_LINKS; steps += 1) {
      const found = this.#files.get(at);
      if (found !== undefined) return found;
      const next = this.#links.get(at);
      if (next === undefined) return null;
      at = next;
    }
    return null;
  }

  #found(path: string): Spooled {
    const found = this.#find(path);
    if (found === null) throw missing(path);
    return found;
  }

  has(path: string): boolean {
    return this.#find(path) !== null;
  }

  text(path: string): Buffer | null {
    const found = this.#find(path);
    return found === null ? null : small(found.file, path);
  }

  read(path: string): AsyncIterable<Uint8Array> {
    return createReadStream(this.#found(path).file, { highWaterMark: CHUNK });
  }

  async into(incoming: Incoming, path: string, expected: Expected): Promise<void> {
    const { file, digest, size } = this.#found(path);
    if (digest !== expected.digest) throw new ImageError(`${path} is damaged: its digest is ${digest}`);
    if (expected.size !== undefined && size !== expected.size) {
      throw new ImageError(`${path} has ${size} bytes, not the ${expected.size} that were announced`);
    }
    incoming.stage(file, digest);
  }
}

async function* guarded(data: AsyncIterable<Uint8Array>, guard: Guard): AsyncGenerator<Uint8Array> {
  for await (const chunk of data) {
    guard.stores(chunk.length);
    yield chunk;
  }
}

async function spooled(data: AsyncIterable<Uint8Array>, incoming: Incoming): Promise<Spooled> {
  const file = incoming.store.staging.fresh();
  const meter = new Meter();
  await writeStream(file, metered(data, meter));
  const added: Added = { digest: meter.digest(), size: meter.bytes };
  return { file, ...added };
}
