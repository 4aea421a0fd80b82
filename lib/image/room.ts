// How much of the disk may be taken by what comes out of compressed streams. No ratio parts layers from bombs: whoever
// writes zeros, or one line over and over, makes layers of gzip's utmost. So it is the disk that is kept, not a ratio.

import { statfsSync } from 'node:fs';
import { ImageError } from './error.js';

/** What hardly a layer does: more than a byte becomes 250, beyond the first GiB. */
const SUSPECT = { fold: 250, slack: 2 ** 30 };
const units: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/** `500M`, `20G`, or bytes. */
export function parseSize(text: string, option: string): number {
  const [, digits, unit = ''] = /^(\d+(?:\.\d+)?)([kmgt]?)(?:i?b)?$/i.exec(text) ?? [];
  const bytes = Math.floor(Number(digits) * (units[unit.toLowerCase()] as number));
  if (digits !== undefined && Number.isSafeInteger(bytes)) return bytes;
  throw new ImageError(`${option} ${text}: a size is wanted, such as 500M or 20G`);
}

/** What may be taken together by all that one command unpacks. */
export class Room {
  readonly bytes: number;
  /** Somebody said so: everything counts. Else what expands as hardly a layer does. */
  readonly asked: boolean;
  #taken = 0;

  constructor(bytes: number, asked: boolean) {
    this.bytes = bytes;
    this.asked = asked;
  }

  /** So many bytes, or half of what is free where `directory` lies. */
  static in(directory: string, asked: number | null): Room {
    if (asked !== null) return new Room(asked, true);
    const { bavail, bsize } = statfsSync(directory);
    return new Room((bavail * bsize) / 2, false);
  }

  /** As large, and empty. */
  another(): Room {
    return new Room(this.bytes, this.asked);
  }

  /** The bounds of one stream. */
  guard(suspect = SUSPECT): Guard {
    return new Guard(this, suspect);
  }

  take(bytes: number): void {
    this.#taken += bytes;
    if (this.#taken <= this.bytes) return;
    const gigabytes = `${(this.bytes / 1e9).toFixed(1)} GB`;
    const limit = this.asked
      ? `unpacked, it takes more than the ${gigabytes} of --max-unpacked`
      : `it expands more than ${SUSPECT.fold}-fold and takes more than ${gigabytes}, half of what was free`;
    throw new ImageError(`${limit}; if you trust it: --max-unpacked SIZE`);
  }
}

/** Sees one stream packed and unpacked, and what is stored of it. Throws ImageError when there is no room for more. */
export class Guard {
  readonly #room: Room;
  readonly #suspect: typeof SUSPECT;
  #packed = 0;
  #unpacked = 0;
  #stored = 0;
  #taken = 0;

  constructor(room: Room, suspect: typeof SUSPECT) {
    this.#room = room;
    this.#suspect = suspect;
  }

  /** The stream as it comes. */
  async *packed(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of stream) {
      this.#packed += chunk.length;
      yield chunk;
    }
  }

  /** What it becomes. */
  async *unpacked(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of stream) {
      this.#unpacked += chunk.length;
      yield chunk;
    }
  }

  /** So many bytes are about to be written to the disk. */
  stores(bytes: number): void {
    this.#stored += bytes;
    if (!this.#room.asked && !this.#isSuspect()) return;
    const more = this.#stored - this.#taken;
    this.#taken = this.#stored;
    this.#room.take(more);
  }

  #isSuspect(): boolean {
    const { fold, slack } = this.#suspect;
    return this.#unpacked > slack && this.#unpacked > fold * this.#packed;
  }
}
