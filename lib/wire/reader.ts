// A bounds-checked cursor over one request's bytes. Owns the conversion of bytes to numbers and
// byte strings; knows no opcode. Running out of bytes is a value (`short`), not an exception, and
// so is a 64-bit number that JavaScript cannot hold exactly (`inexact`).

import { Buffer } from 'node:buffer';

const HIGH = 0x1_0000_0000;
/** High words from here on make the number 2^53 or more. */
const INEXACT_HIGH = 0x20_0000;

export class Reader {
  /** Set once a read went past the end; every such read returned 0 or an empty value. */
  short = false;
  /** Set once `u64` met a value of 2^53 or more; that read returned Number.MAX_SAFE_INTEGER. */
  inexact = false;
  readonly #view: DataView;
  readonly #bytes: Buffer;
  #at = 0;
  #end = 0;

  constructor(source: Uint8Array) {
    this.#view = new DataView(source.buffer, source.byteOffset, source.byteLength);
    this.#bytes = Buffer.from(source.buffer, source.byteOffset, source.byteLength);
  }

  /** Starts over on the window [start, end) of the source. */
  window(start: number, end: number): void {
    this.#end = Math.min(end, this.#view.byteLength);
    this.#at = start;
    this.short = start > this.#end;
    this.inexact = false;
  }

  /** Where the next read begins, counted from the start of the source. */
  get at(): number {
    return this.#at;
  }

  get remaining(): number {
    return this.#end - this.#at;
  }

  /** Moves the end; what lies beyond belongs to someone else. */
  endAt(end: number): void {
    if (end < this.#at) this.short = true;
    else this.#end = Math.min(end, this.#end);
  }

  skip(count: number): void {
    this.#take(count);
  }

  u16(): number {
    const at = this.#take(2);
    return at < 0 ? 0 : this.#view.getUint16(at, true);
  }

  u32(): number {
    const at = this.#take(4);
    return at < 0 ? 0 : this.#view.getUint32(at, true);
  }

  i32(): number {
    return this.u32() | 0;
  }

  /** An id or offset that must be exact: from 2^53 on `inexact` is set. */
  u64(): number {
    const at = this.#take(8);
    if (at < 0) return 0;
    const high = this.#view.getUint32(at + 4, true);
    if (high >= INEXACT_HIGH) {
      this.inexact = true;
      return Number.MAX_SAFE_INTEGER;
    }
    return high * HIGH + this.#view.getUint32(at, true);
  }

  /** A length or a bound, where "2^53 - 1 or more" is all there is to know. */
  u64Saturated(): number {
    const at = this.#take(8);
    if (at < 0) return 0;
    const high = this.#view.getUint32(at + 4, true);
    if (high >= INEXACT_HIGH) return Number.MAX_SAFE_INTEGER;
    return high * HIGH + this.#view.getUint32(at, true);
  }

  /** A signed 64-bit number, saturated at the ends of the safe range. */
  i64(): number {
    const at = this.#take(8);
    if (at < 0) return 0;
    const value = this.#view.getInt32(at + 4, true) * HIGH + this.#view.getUint32(at, true);
    return Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, value));
  }

  /** A view, not a copy: valid until the source is filled again. */
  bytes(length: number): Uint8Array {
    const at = this.#take(length);
    return at < 0 ? this.#bytes.subarray(0, 0) : this.#bytes.subarray(at, at + length);
  }

  /** A NUL-terminated byte string, the NUL consumed; an unterminated one is short. */
  cstring(): string {
    let nul = this.#at;
    while (nul < this.#end && this.#view.getUint8(nul) !== 0) nul += 1;
    if (nul >= this.#end) {
      this.short = true;
      this.#at = this.#end;
      return '';
    }
    const text = this.#bytes.toString('latin1', this.#at, nul);
    this.#at = nul + 1;
    return text;
  }

  /** Consumes `count` bytes and returns where they begin, or -1 when there are not so many. */
  #take(count: number): number {
    const at = this.#at;
    if (count > this.#end - at) {
      this.short = true;
      this.#at = this.#end;
      return -1;
    }
    this.#at = at + count;
    return at;
  }
}
