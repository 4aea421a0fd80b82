// Contents by their digest, in the layout that OCI gives them: blobs/sha256/HEX. A blob that is there is whole.

import type { Buffer } from 'node:buffer';
import { createReadStream, existsSync, readFileSync, statSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { checkMeter, type Digest, hexOf, Meter } from './digest.js';
import { digestsIn, publishFile } from './disk.js';
import { ImageError } from './error.js';
import { MAX_JSON } from './model.js';

const CHUNK = 256 << 10;

export class Blobs {
  readonly #directory: string;

  /** `layout` is the root of an OCI layout. */
  constructor(layout: string) {
    this.#directory = join(layout, 'blobs', 'sha256');
  }

  path(digest: Digest): string {
    return join(this.#directory, hexOf(digest));
  }

  has(digest: Digest): boolean {
    return existsSync(this.path(digest));
  }

  size(digest: Digest): number {
    return this.#found(digest, () => statSync(this.path(digest)).size);
  }

  /** The bytes as they are on disk; whoever trusts no disk checks them. */
  read(digest: Digest, start = 0): AsyncIterable<Uint8Array> {
    this.size(digest);
    return createReadStream(this.path(digest), { highWaterMark: CHUNK, start });
  }

  /** The whole of a small blob, checked. */
  bytes(digest: Digest, what: string): Buffer {
    const size = this.size(digest);
    if (size > MAX_JSON) throw new ImageError(`${what} has ${size} bytes; ${MAX_JSON} is the most`);
    const data = readFileSync(this.path(digest));
    const meter = new Meter();
    meter.update(data);
    checkMeter(meter, { digest }, what);
    return data;
  }

  list(): Digest[] {
    return digestsIn(this.#directory);
  }

  /** Takes over a file whose contents are on the device and have this digest. */
  publish(file: string, digest: Digest): void {
    publishFile(file, this.path(digest), this.#directory);
  }

  remove(digest: Digest): void {
    unlinkSync(this.path(digest));
  }

  #found<T>(digest: Digest, read: () => T): T {
    try {
      return read();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      throw new ImageError(`${digest} is not in the store; pull or load the image again`);
    }
  }
}
