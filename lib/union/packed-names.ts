// Names of a directory that have no object each: sorted by cookie, in a few flat arrays outside the JavaScript
// heap, some forty bytes a name. Knows cookies, kinds and numbers, and not what they mean.

import { Buffer } from 'node:buffer';
import type { Steps } from './steps.js';

export interface PackedRecord {
  readonly name: string;
  readonly kind: number;
  readonly inoLow: number;
  readonly inoHigh: number;
  /** Which of the directories whose names these are has it; of several the first. */
  readonly source: number;
  /** Those behind it that have a directory of this name too; null: none. */
  readonly deeper: readonly number[] | null;
  readonly cookie: number;
}

/** Beside a kind: an object was made of the name, which may know more. */
const TAKEN = 0x80;

/** Bytes of a name that is read one by one: V8 keeps longer sums of strings as trees. */
const SHORT = 12;

/** So many names are gone through in one step. */
const AT_ONCE = 1 << 12;

/** Cookies have 51 bits: three passes of 17. */
const DIGIT = 17;
const BUCKETS = 1 << DIGIT;

const NONE = new Uint32Array(0);

/** Ranges of 0..count that one step works through. */
function* ranges(count: number): Generator<readonly [number, number], void, undefined> {
  for (let from = 0; from < count; from += AT_ONCE) yield [from, Math.min(from + AT_ONCE, count)];
}

interface Sort {
  readonly keys: Float64Array;
  readonly digits: Uint32Array;
  /** Where the next position with each digit goes. */
  readonly starts: Uint32Array;
}

function countDigits({ keys, digits, starts }: Sort, divisor: number, from: number, to: number): void {
  for (let at = from; at < to; at += 1) {
    const digit = Math.floor((keys[at] as number) / divisor) % BUCKETS;
    digits[at] = digit;
    starts[digit + 1] = (starts[digit + 1] as number) + 1;
  }
}

function putByDigit({ digits, starts }: Sort, order: Uint32Array, out: Uint32Array, from: number, to: number): void {
  for (let at = from; at < to; at += 1) {
    const position = order[at] as number;
    const digit = digits[position] as number;
    const place = starts[digit] as number;
    out[place] = position;
    starts[digit] = place + 1;
  }
}

/** Positions 0..count in ascending order of `keys`; equal keys keep their order. */
function* sortedOrder(keys: Float64Array): Steps<Uint32Array> {
  const sort = { keys, digits: new Uint32Array(keys.length), starts: new Uint32Array(BUCKETS + 1) };
  let order = new Uint32Array(keys.length);
  for (let at = 0; at < order.length; at += 1) order[at] = at;
  let other = new Uint32Array(keys.length);
  const { starts } = sort;
  for (let pass = 0; pass < 3; pass += 1) {
    starts.fill(0);
    for (const [from, to] of ranges(keys.length)) {
      yield;
      countDigits(sort, 2 ** (DIGIT * pass), from, to);
    }
    for (let at = 1; at <= BUCKETS; at += 1) starts[at] = (starts[at] as number) + (starts[at - 1] as number);
    for (const [from, to] of ranges(keys.length)) {
      yield;
      putByDigit(sort, order, other, from, to);
    }
    [order, other] = [other, order];
  }
  return order;
}

/** Names of one hash come in an order of their own, whatever the host's order was: what stands in from..to, in its place. */
function settleTies(order: Uint32Array, columns: Columns, from: number, to: number): void {
  const { keys } = columns;
  const keyAt = (at: number): number => keys[order[at] as number] as number;
  const nameAt = (at: number): string => nameIn(columns, order[at] as number);
  for (let at = Math.max(from, 1); at < to; at += 1) {
    let place = at;
    while (place > 0 && keyAt(place) === keyAt(place - 1) && nameAt(place) < nameAt(place - 1)) {
      [order[place], order[place - 1]] = [order[place - 1] as number, order[place] as number];
      place -= 1;
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

/**
 * Names beside each other: ends[i] is where the bytes of name i end, inos[2i] and inos[2i + 1] are its number. All lie in
 * one buffer, in the order in which native/name_tables.cc has them.
 */
interface Columns {
  readonly table: ArrayBuffer;
  readonly keys: Float64Array;
  readonly inos: Uint32Array;
  readonly ends: Uint32Array;
  readonly sources: Uint16Array;
  readonly kinds: Uint8Array;
  readonly bytes: Buffer;
}

/** What a name takes beside its bytes. */
const ROW = 8 + 8 + 4 + 2 + 1;

function columnsIn(table: ArrayBuffer, count: number): Columns {
  return {
    table,
    keys: new Float64Array(table, 0, count),
    inos: new Uint32Array(table, 8 * count, 2 * count),
    ends: new Uint32Array(table, 16 * count, count),
    sources: new Uint16Array(table, 20 * count, count),
    kinds: new Uint8Array(table, 22 * count, count),
    bytes: Buffer.from(table, ROW * count),
  };
}

function columnsOf(count: number, bytes: number): Columns {
  return columnsIn(new ArrayBuffer(ROW * count + bytes), count);
}

function nameIn({ bytes, ends }: Columns, at: number): string {
  const start = at === 0 ? 0 : (ends[at - 1] as number);
  const end = ends[at] as number;
  // A call into Node costs more than the bytes of a short name.
  if (end - start > SHORT) return bytes.toString('latin1', start, end);
  let name = '';
  for (let byte = start; byte < end; byte += 1) name += String.fromCharCode(bytes[byte] as number);
  return name;
}

/** Names on their way to being packed, in the order in which they come. */
export class NamePacker {
  readonly #hash: (name: string) => number;
  #columns = columnsOf(1 << 14, 1 << 18);
  #end = 0;
  count = 0;

  constructor(hash: (name: string) => number) {
    this.#hash = hash;
  }

  add(name: string, kind: number, inoLow: number, inoHigh: number): void {
    const at = this.count;
    this.#makeRoom(name.length);
    const { keys, ends, bytes, kinds, inos } = this.#columns;
    keys[at] = this.#hash(name);
    for (let from = 0; from < name.length; from += 1) bytes[this.#end + from] = name.charCodeAt(from);
    this.#end += name.length;
    ends[at] = this.#end;
    kinds[at] = kind;
    inos[2 * at] = inoLow;
    inos[2 * at + 1] = inoHigh;
    this.count = at + 1;
  }

  #makeRoom(length: number): void {
    const old = this.#columns;
    const isFull = this.count === old.ends.length;
    if (!isFull && this.#end + length <= old.bytes.length) return;
    const grown = columnsOf(old.ends.length * (isFull ? 2 : 1), old.bytes.length * (isFull ? 1 : 2) + length);
    for (const column of ['keys', 'inos', 'ends', 'kinds', 'bytes'] as const) grown[column].set(old[column]);
    this.#columns = grown;
  }

  /** All that were added, sorted. */
  *finish(): Steps<PackedNames> {
    const { count } = this;
    const from = this.#columns;
    const keys = from.keys.subarray(0, count);
    const order = yield* sortedOrder(keys);
    for (const [start, end] of ranges(count)) {
      yield;
      settleTies(order, from, start, end);
    }
    const sorted = columnsOf(count, this.#end);
    let end = 0;
    for (const [start, stop] of ranges(count)) {
      yield;
      end = takeOver(from, order, sorted, start, stop, end);
    }
    return new PackedNames(sorted, this.#hash);
  }
}

/** Puts what `order` says of start..stop into `sorted`; `end` is where the bytes of the names before it end. */
function takeOver(
  from: Columns,
  order: Uint32Array,
  sorted: Columns,
  start: number,
  stop: number,
  end: number,
): number {
  const { keys, ends, bytes, kinds, inos } = sorted;
  const [fromBytes, fromEnds] = [from.bytes, from.ends];
  let next = end;
  for (let at = start; at < stop; at += 1) {
    const position = order[at] as number;
    // Two names of one hash: the second takes the next free number.
    const before = at === 0 ? 0 : (keys[at - 1] as number);
    keys[at] = Math.max(from.keys[position] as number, before + 1);
    const last = fromEnds[position] as number;
    for (let byte = position === 0 ? 0 : (fromEnds[position - 1] as number); byte < last; byte += 1) {
      bytes[next++] = fromBytes[byte] as number;
    }
    ends[at] = next;
    kinds[at] = from.kinds[position] as number;
    inos[2 * at] = from.inos[2 * position] as number;
    inos[2 * at + 1] = from.inos[2 * position + 1] as number;
  }
  return next;
}

export class PackedNames {
  /**
   * Their keys ascend: those are the cookies, and no two are the same. A kind is 0 where the name was removed, and has TAKEN
   * where the row may not tell all.
   */
  readonly #columns: Columns;
  readonly #hash: (name: string) => number;
  /** Names that were not removed. */
  size: number;

  constructor(
    sorted: Columns,
    hash: (name: string) => number,
    /** Of directories that several have: a row and a further source, in the order of both. */
    public more: Uint32Array = NONE,
  ) {
    this.#columns = sorted;
    this.#hash = hash;
    this.size = sorted.ends.length;
  }

  /** The `count` names of a table that mergeNames made; `hash` is what that sorted by. */
  static of(table: ArrayBuffer, count: number, hash: (name: string) => number, more: Uint32Array = NONE): PackedNames {
    return new PackedNames(columnsIn(table, count), hash, more);
  }

  /** Its rows, for putNames. */
  get table(): ArrayBuffer {
    return this.#columns.table;
  }

  /** Rows, removed ones too. */
  get count(): number {
    return this.#columns.ends.length;
  }

  get cookies(): Float64Array {
    return this.#columns.keys;
  }

  nameAt(at: number): string {
    return nameIn(this.#columns, at);
  }

  /** The record at a position; null where the name was removed. */
  recordAt(at: number): PackedRecord | null {
    const kind = this.#columns.kinds[at] as number;
    if (kind === 0) return null;
    return {
      name: this.nameAt(at),
      kind: kind & ~TAKEN,
      inoLow: this.#columns.inos[2 * at] as number,
      inoHigh: this.#columns.inos[2 * at + 1] as number,
      source: this.#columns.sources[at] as number,
      deeper: this.#deeperAt(at),
      cookie: this.#columns.keys[at] as number,
    };
  }

  #deeperAt(at: number): number[] | null {
    const { more } = this;
    if (more.length === 0) return null;
    let low = 0;
    let high = more.length / 2;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((more[2 * middle] as number) < at) low = middle + 1;
      else high = middle;
    }
    if (more[2 * low] !== at) return null;
    const sources: number[] = [];
    for (; more[2 * low] === at; low += 1) sources.push(more[2 * low + 1] as number);
    return sources;
  }

  /** What sources behind `source` have of the name at `at` is hidden. */
  cut(at: number, source: number): void {
    const { more } = this;
    if (more.length > 0)
      this.more = more.filter((_, word) => more[word & ~1] !== at || (more[word | 1] as number) <= source);
  }

  /** The same, for an object that is made of it: from now on the row does not tell all. */
  takeAt(at: number): PackedRecord | null {
    const record = this.recordAt(at);
    if (record !== null) this.#columns.kinds[at] = record.kind | TAKEN;
    return record;
  }

  /** The object is gone, and the row tells all again. */
  giveBack(at: number): void {
    if (at >= 0) this.#columns.kinds[at] = (this.#columns.kinds[at] as number) & ~TAKEN;
  }

  #isAt(at: number, name: string): boolean {
    const { bytes, ends } = this.#columns;
    const start = at === 0 ? 0 : (ends[at - 1] as number);
    if ((ends[at] as number) - start !== name.length) return false;
    for (let byte = 0; byte < name.length; byte += 1) if (bytes[start + byte] !== name.charCodeAt(byte)) return false;
    return true;
  }

  /** Where `name` is; -1 when it is not here, or no more. */
  find(name: string): number {
    const hash = this.#hash(name);
    let at = firstAbove(this.cookies, hash - 1);
    // Names of one hash, and those that they moved on, follow each other without a gap.
    for (let cookie = this.cookies[at]; at < this.cookies.length; at += 1) {
      if (this.#isAt(at, name)) return this.#columns.kinds[at] === 0 ? -1 : at;
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
    if (at < 0 || this.#columns.kinds[at] === 0) return;
    this.#columns.kinds[at] = 0;
    this.size -= 1;
  }
}

/**
 * Names that are not packed, in cookie order, made at the first listing. A name that is no longer in the index is passed
 * over; names created later wait in `fresh`.
 */
export interface Listing {
  readonly cookies: Float64Array;
  readonly names: string[];
  readonly fresh: Set<string>;
}
