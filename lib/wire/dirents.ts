// Fills a reply with directory entries up to the size the kernel asked for. Owns record layout
// and padding; knows no directory. "Full" is a value: the listing goes on at the next request.

import { assert } from '../assert.js';
import { NAME_MAX, OUT_HEADER_SIZE, structs } from './abi.js';
import type { ReplyWriter, WireAttr } from './replies.js';

const ENTRY = structs.fuse_entry_out.size;
const DIRENT = structs.fuse_dirent.size;

function padded(size: number): number {
  return (size + 7) & ~7;
}

export class DirentWriter {
  readonly #reply: ReplyWriter;
  #left = 0;
  #count = 0;

  constructor(reply: ReplyWriter) {
    this.#reply = reply;
  }

  /** Starts a listing of at most `size` bytes in the reply that was begun. */
  start(size: number): void {
    assert(this.#reply.length === OUT_HEADER_SIZE, 'a listing is the whole answer');
    this.#left = Math.min(size, this.#reply.room);
    this.#count = 0;
  }

  /** How many entries are in. */
  get count(): number {
    return this.#count;
  }

  /** True when an entry with such a name would still fit; ask before work that cannot be undone. */
  fits(name: string, plus: boolean): boolean {
    return padded((plus ? ENTRY : 0) + DIRENT + name.length) <= this.#left;
  }

  /** A READDIR record; false when it does not fit. `cookie` is where the listing goes on after it. */
  add(inoLow: number, inoHigh: number, cookie: number, type: number, name: string): boolean {
    const at = this.#take(DIRENT, name);
    if (at < 0) return false;
    this.#dirent(at, inoLow, inoHigh, cookie, type, name);
    return true;
  }

  /** A READDIRPLUS record that counts as a lookup of `nodeid`, once the reply is delivered. */
  addPlus(
    nodeid: number,
    generation: number,
    entryValid: number,
    attrValid: number,
    attr: WireAttr,
    cookie: number,
    type: number,
    name: string,
  ): boolean {
    const at = this.#take(ENTRY + DIRENT, name);
    if (at < 0) return false;
    this.#reply.putEntry(at / 4, nodeid, generation, entryValid, attrValid, attr);
    this.#dirent(at + ENTRY, attr[0] as number, attr[1] as number, cookie, type, name);
    return true;
  }

  /** A READDIRPLUS record without a lookup (nodeid 0); `.` and `..` must be such. */
  addPlusBare(inoLow: number, inoHigh: number, cookie: number, type: number, name: string): boolean {
    const at = this.#take(ENTRY + DIRENT, name);
    if (at < 0) return false;
    this.#reply.clearWords(at / 4, ENTRY / 4);
    this.#dirent(at + ENTRY, inoLow, inoHigh, cookie, type, name);
    return true;
  }

  /**
   * Lets `put` write whole records at `at`, into `room` bytes at most, each behind `before` bytes of what READDIRPLUS has
   * there; it answers how many bytes it wrote. They are not counted.
   */
  fill(plus: boolean, put: (into: Uint8Array, at: number, room: number, before: number) => number): void {
    const at = this.#reply.length;
    const written = put(this.#reply.buffer, at, this.#left, plus ? ENTRY : 0);
    this.#left -= written;
    this.#reply.reserve(written);
  }

  /** Where a record of `fixed` bytes and the name begins, or -1 when full. */
  #take(fixed: number, name: string): number {
    assert(name.length > 0 && name.length <= NAME_MAX, 'a listed name has 1 to 255 bytes');
    const size = padded(fixed + name.length);
    if (size > this.#left) return -1;
    this.#left -= size;
    this.#count += 1;
    return this.#reply.reserve(size);
  }

  /** The pad after the name is cleared: the buffer may hold another request's data. */
  #dirent(at: number, inoLow: number, inoHigh: number, cookie: number, type: number, name: string): void {
    const word = at / 4;
    const start = at + DIRENT;
    const end = start + name.length;
    const { buffer } = this.#reply;
    this.#reply.putU32(word, inoLow);
    this.#reply.putU32(word + 1, inoHigh);
    this.#reply.putU64(word + 2, cookie);
    this.#reply.putU32(word + 4, name.length);
    this.#reply.putU32(word + 5, type);
    // A call into Node for each short name costs more than its bytes one by one.
    for (let byte = 0; byte < name.length; byte += 1) buffer[start + byte] = name.charCodeAt(byte);
    for (let pad = end; pad < padded(end); pad += 1) buffer[pad] = 0;
  }
}
