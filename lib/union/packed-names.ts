// The names of a directory too large for an object each: sorted by cookie, in a few flat arrays outside
// the JavaScript heap, some forty bytes a name. Knows cookies, kinds and numbers, and not what they mean.

import { Buffer } from 'node:buffer';

/** What is put in, names beside each other: kinds[i] and the two words inos[2i], inos[2i + 1] are names[i]'s. */
export interface PackedColumns {
  readonly names: readonly string[];
  readonly kinds: ArrayLike<number>;
  readonly inos: ArrayLike<number>;
}

export interface PackedRecord {
  readonly name: string;
  readonly kind: number;
  readonly inoLow: number;
  readonly inoHigh: number;
}

/** Cookies have 51 bits: three passes of 17. */
const DIGIT = 17;
const BUCKETS = 1 << DIGIT;

/** Positions 0..count in ascending order of `keys`; equal keys keep their order. */
function sortedOrder(keys: Float64Array): Uint32Array {
  let order = new Uint32Array(keys.length);
  for (let at = 0; at < order.length; at += 1) order[at] = at;
  let other = new Uint32Array(keys.length);
  const digits = new Uint32Array(keys.length);
  for (let pass = 0; pass < 3; pass += 1) {
    const divisor = 2 ** (DIGIT * pass);
    const starts = new Uint32Array(BUCKETS + 1);
    for (let at = 0; at < keys.length; at += 1) {
      const digit = Math.floor((keys[at] as number) / divisor) % BUCKETS;
      digits[at] = digit;
      starts[digit + 1] = (starts[digit + 1] as number) + 1;
    }
    for (let at = 1; at <= BUCKETS; at += 1) starts[at] = (starts[at] as number) + (starts[at - 1] as number);
    for (let at = 0; at < order.length; at += 1) {
      const position = order[at] as number;
      const digit = digits[position] as number;
      const to = starts[digit] as number;
      other[to] = position;
      starts[digit] = to + 1;
    }
    [order, other] = [other, order];
  }
  return order;
}

/** Names of one hash come in an order of their own, whatever the host's order was. */
function settleTies(order: Uint32Array, keys: Float64Array, names: readonly string[]): void {
  const nameAt = (at: number): string => names[order[at] as number] as string;
  for (let at = 1; at < order.length; at += 1) {
    let to = at;
    while (to > 0 && keys[order[to] as number] === keys[order[to - 1] as number] && nameAt(to) < nameAt(to - 1)) {
      [order[to], order[to - 1]] = [order[to - 1] as number, order[to] as number];
      to -= 1;
    }
  }
}

/** Position of the first of the ascending `cookies` above `after`. */
export function firstAbove(cookies: Float64Array, after: number): number {
  let low = 0;
  let high = cookies.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((cookies[middle] as number) <= after) low = middle + 1;
    else high = middle;
  }
  return low;
}

export class PackedNames {
  /** Ascending; no two are the same. */
  readonly cookies: Float64Array;
  readonly #hash: (name: string) => number;
  readonly #ends: Uint32Array;
  readonly #bytes: Buffer;
  /** 0 where the name was removed. */
  readonly #kinds: Uint8Array;
  readonly #inos: Uint32Array;
  /** Names that were not removed. */
  size: number;

  constructor({ names, kinds, inos }: PackedColumns, hash: (name: string) => number) {
    const count = names.length;
    this.#hash = hash;
    this.size = count;
    const keys = new Float64Array(count);
    let bytes = 0;
    for (let at = 0; at < count; at += 1) {
      const name = names[at] as string;
      keys[at] = hash(name);
      bytes += name.length;
    }
    const order = sortedOrder(keys);
    settleTies(order, keys, names);
    this.cookies = new Float64Array(count);
    this.#ends = new Uint32Array(count);
    this.#kinds = new Uint8Array(count);
    this.#inos = new Uint32Array(2 * count);
    this.#bytes = Buffer.allocUnsafeSlow(bytes);
    let last = 0;
    let end = 0;
    for (let at = 0; at < count; at += 1) {
      const from = order[at] as number;
      // Two names of one hash: the second takes the next free number.
      last = Math.max(keys[from] as number, last + 1);
      this.cookies[at] = last;
      end = this.#append(names[from] as string, end);
      this.#ends[at] = end;
      this.#kinds[at] = kinds[from] as number;
      this.#inos[2 * at] = inos[2 * from] as number;
      this.#inos[2 * at + 1] = inos[2 * from + 1] as number;
    }
  }

  #append(name: string, end: number): number {
    for (let at = 0; at < name.length; at += 1) this.#bytes[end + at] = name.charCodeAt(at);
    return end + name.length;
  }

  nameAt(at: number): string {
    return this.#bytes.toString('latin1', at === 0 ? 0 : this.#ends[at - 1], this.#ends[at]);
  }

  /** The record at a position; null where the name was removed. */
  recordAt(at: number): PackedRecord | null {
    const kind = this.#kinds[at] as number;
    if (kind === 0) return null;
    return {
      name: this.nameAt(at),
      kind,
      inoLow: this.#inos[2 * at] as number,
      inoHigh: this.#inos[2 * at + 1] as number,
    };
  }

  /** Where `name` is; -1 when it is not here, or no more. */
  find(name: string): number {
    const hash = this.#hash(name);
    let at = firstAbove(this.cookies, hash - 1);
    // Names of one hash, and those that they moved on, follow each other without a gap.
    for (let cookie = this.cookies[at]; at < this.cookies.length; at += 1) {
      if (this.nameAt(at) === name) return this.#kinds[at] === 0 ? -1 : at;
      if (this.cookies[at + 1] !== (cookie as number) + 1) return -1;
      cookie = this.cookies[at + 1];
    }
    return -1;
  }

  hasCookie(cookie: number): boolean {
    return this.cookies[firstAbove(this.cookies, cookie - 1)] === cookie;
  }

  /** Takes the name at `at` out; nothing happens where there is none. */
  remove(at: number): void {
    if (at < 0 || this.#kinds[at] === 0) return;
    this.#kinds[at] = 0;
    this.size -= 1;
  }
}
