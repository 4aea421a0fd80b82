// A stream of chunks read as exact numbers of bytes. Knows nothing of tar.

import { Buffer } from 'node:buffer';
import { TarError } from './entry.js';

export class Source {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Buffer = Buffer.alloc(0);
  /** Bytes taken so far. */
  position = 0;

  constructor(stream: AsyncIterable<Uint8Array>) {
    this.#chunks = stream[Symbol.asyncIterator]();
  }

  async #fill(): Promise<boolean> {
    while (this.#rest.length === 0) {
      const { value, done } = await this.#chunks.next();
      if (done === true) return false;
      this.#rest = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    }
    return true;
  }

  /** Up to `most` bytes, as they come; null at the end. */
  async some(most: number): Promise<Buffer | null> {
    if (!(await this.#fill())) return null;
    const piece = this.#rest.subarray(0, most);
    this.#rest = this.#rest.subarray(piece.length);
    this.position += piece.length;
    return piece;
  }

  /** Exactly `length` bytes; null when the stream ends before the first, TarError when it ends amid them. */
  async exactly(length: number): Promise<Buffer | null> {
    const parts: Buffer[] = [];
    for (let missing = length; missing > 0; ) {
      const piece = await this.some(missing);
      if (piece === null) {
        if (parts.length === 0) return null;
        throw new TarError('the archive ends too early');
      }
      parts.push(piece);
      missing -= piece.length;
    }
    return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
  }

  async skip(length: number): Promise<void> {
    for (let missing = length; missing > 0; ) {
      const piece = await this.some(missing);
      if (piece === null) throw new TarError('the archive ends too early');
      missing -= piece.length;
    }
  }

  /** Gives the stream's owner back what it holds. */
  async close(): Promise<void> {
    await this.#chunks.return?.();
  }
}
