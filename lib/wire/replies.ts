// Builds one reply at a time in a buffer it is given. Owns the layout of answers; knows neither
// who asked nor who sends. Payload is 4-byte aligned and the machine little-endian, so fields are
// stored through one Uint32Array.

import { Buffer } from 'node:buffer';
import { assert } from '../assert.js';
import { laterStructs, OUT_HEADER_SIZE, structs } from './abi.js';
import type { Negotiated } from './init.js';

assert(new Uint8Array(new Uint32Array([1]).buffer)[0] === 1, 'the wire is little-endian and so is this machine');

/**
 * A file's attributes as 32-bit words, 64-bit fields low word first: ino 0, size 2, blocks 4,
 * atime 6, mtime 8, ctime 10, btime 12, their nsec 14..17, mode 18, nlink 19, uid 20, gid 21,
 * rdev 22, blksize 23, dev 24, mntId 26, attributes 28. `Stat.words` of lib/sys is laid out so.
 */
export type WireAttr = Uint32Array;

const A = {
  ino: 0,
  size: 2,
  blocks: 4,
  atime: 6,
  mtime: 8,
  ctime: 10,
  btime: 12,
  atimeNsec: 14,
  mtimeNsec: 15,
  ctimeNsec: 16,
  btimeNsec: 17,
  mode: 18,
  nlink: 19,
  uid: 20,
  gid: 21,
  rdev: 22,
  blksize: 23,
  dev: 24,
  attributes: 28,
} as const;

export interface KStatfs {
  readonly blocks: number;
  readonly bfree: number;
  readonly bavail: number;
  readonly files: number;
  readonly ffree: number;
  readonly bsize: number;
  readonly namelen: number;
  readonly frsize: number;
}

export interface FileLock {
  readonly start: number;
  readonly end: number;
  readonly type: number;
  readonly pid: number;
}

const HIGH = 0x1_0000_0000;
/** 68 years: "without end" to every cache, and safe in the kernel's jiffies arithmetic. */
const FOREVER = 0x7fff_ffff;
const ENTRY_WORDS = structs.fuse_entry_out.size / 4;
const ATTR_OUT_WORDS = structs.fuse_attr_out.size / 4;
const ATTR_WORD = structs.fuse_attr_out.attr / 4;
const ENTRY_ATTR_WORD = structs.fuse_entry_out.attr / 4;
/** The kernel speaks 64-bit fields as two words; blocks, sizes and times sit at words 0..11. */
const WIDE_WORDS = 12;

export class ReplyWriter {
  /** The whole buffer, header first; send its first `finish()` bytes. */
  readonly buffer: Buffer;
  readonly #words: Uint32Array;
  /** Bytes used so far, header included. */
  #at = OUT_HEADER_SIZE;

  constructor(buffer: ArrayBuffer | SharedArrayBuffer, byteOffset = 0, byteLength = buffer.byteLength - byteOffset) {
    assert(byteOffset % 4 === 0, 'a reply buffer is 4-byte aligned');
    assert(byteLength >= OUT_HEADER_SIZE + laterStructs.fuse_statx_out.size, 'a reply buffer holds any fixed answer');
    this.buffer = Buffer.from(buffer, byteOffset, byteLength);
    this.#words = new Uint32Array(buffer, byteOffset, Math.floor(byteLength / 4));
  }

  /** Forgets the last reply and starts the answer to `unique`. */
  begin(uniqueLow: number, uniqueHigh: number): void {
    this.#words[2] = uniqueLow;
    this.#words[3] = uniqueHigh;
    this.#at = OUT_HEADER_SIZE;
  }

  /** Writes the header and returns the reply's length. `error` is a positive errno; it drops the payload. */
  finish(error = 0): number {
    if (error !== 0) this.#at = OUT_HEADER_SIZE;
    this.#words[0] = this.#at;
    this.#words[1] = -error;
    return this.#at;
  }

  /** Bytes used so far, header included. */
  get length(): number {
    return this.#at;
  }

  /** Payload bytes that still fit. */
  get room(): number {
    return this.buffer.byteLength - this.#at;
  }

  /** Takes `size` payload bytes, uncleared, and returns their offset in `buffer`. */
  reserve(size: number): number {
    const at = this.#at;
    assert(size <= this.room, 'an answer fits its buffer');
    this.#at = at + size;
    return at;
  }

  /** Gives back what was reserved beyond `length`. */
  truncate(length: number): void {
    assert(length >= OUT_HEADER_SIZE && length <= this.#at, 'a reply is cut within its payload');
    this.#at = length;
  }

  /** Clears `count` words from word `w` on. */
  clearWords(w: number, count: number): void {
    this.#words.fill(0, w, w + count);
  }

  /** Valid times are seconds; Infinity caches without end. Nodeid 0 is a negative entry. */
  entry(nodeid: number, generation: number, entryValid: number, attrValid: number, attr: WireAttr): void {
    this.putEntry(this.#takeWords(ENTRY_WORDS), nodeid, generation, entryValid, attrValid, attr);
  }

  /** A name that is known not to exist, remembered by the kernel for `entryValid` seconds. */
  negativeEntry(entryValid: number): void {
    const w = this.#takeWords(ENTRY_WORDS);
    this.clearWords(w, ENTRY_WORDS);
    this.#valid(w + 4, w + 8, entryValid);
  }

  /** Stores an entry at word `w`, for this class and for directory listings. */
  putEntry(w: number, nodeid: number, generation: number, entryValid: number, attrValid: number, attr: WireAttr): void {
    this.putU64(w, nodeid);
    this.putU64(w + 2, generation);
    this.#valid(w + 4, w + 8, entryValid);
    this.#valid(w + 6, w + 9, attrValid);
    this.#putAttr(w + ENTRY_ATTR_WORD, attr);
  }

  attr(attrValid: number, attr: WireAttr): void {
    const w = this.#takeWords(ATTR_OUT_WORDS);
    this.#valid(w, w + 2, attrValid);
    this.#words[w + 3] = 0;
    this.#putAttr(w + ATTR_WORD, attr);
  }

  /** `backingId` counts only with OpenFlag.PASSTHROUGH. */
  open(fh: number, openFlags: number, backingId = 0): void {
    const w = this.#takeWords(4);
    this.putU64(w, fh);
    this.#words[w + 2] = openFlags;
    this.#words[w + 3] = backingId;
  }

  create(
    nodeid: number,
    generation: number,
    entryValid: number,
    attrValid: number,
    attr: WireAttr,
    fh: number,
    openFlags: number,
    backingId = 0,
  ): void {
    this.entry(nodeid, generation, entryValid, attrValid, attr);
    this.open(fh, openFlags, backingId);
  }

  write(size: number): void {
    this.#two(size, 0);
  }

  /** How large the value or the list is; for size 0 requests. */
  xattrSize(size: number): void {
    this.#two(size, 0);
  }

  poll(revents: number): void {
    this.#two(revents, 0);
  }

  lseek(offset: number): void {
    this.putU64(this.#takeWords(2), offset);
  }

  /** COPY_FILE_RANGE_64's answer; the older opcode's is `write`. */
  copy64(size: number): void {
    this.putU64(this.#takeWords(2), size);
  }

  bmap(block: number): void {
    this.putU64(this.#takeWords(2), block);
  }

  statfs(st: KStatfs): void {
    const w = this.#takeWords(structs.fuse_statfs_out.size / 4);
    this.putU64(w, st.blocks);
    this.putU64(w + 2, st.bfree);
    this.putU64(w + 4, st.bavail);
    this.putU64(w + 6, st.files);
    this.putU64(w + 8, st.ffree);
    this.#words[w + 10] = st.bsize;
    this.#words[w + 11] = st.namelen;
    this.#words[w + 12] = st.frsize;
    this.clearWords(w + 13, 7);
  }

  lock(lock: FileLock): void {
    const w = this.#takeWords(structs.fuse_lk_out.size / 4);
    this.putU64(w, lock.start);
    this.putU64(w + 2, lock.end);
    this.#words[w + 4] = lock.type;
    this.#words[w + 5] = lock.pid;
  }

  /** File data, a link's target, an xattr's value, a list of names. */
  bytes(data: Uint8Array): void {
    this.buffer.set(data, this.reserve(data.byteLength));
  }

  /** A byte string (latin1), without a NUL: the answer to READLINK. */
  text(text: string): void {
    this.buffer.write(text, this.reserve(text.length), 'latin1');
  }

  /** `result` is the ioctl's return value, `data` what the caller's buffer receives. */
  ioctl(result: number, data?: Uint8Array): void {
    const w = this.#takeWords(structs.fuse_ioctl_out.size / 4);
    this.#words[w] = result;
    this.clearWords(w + 1, 3);
    if (data !== undefined) this.bytes(data);
  }

  /** `mask` says which fields are meant (STATX_*); the kernel fills device and mount itself. */
  statx(attrValid: number, mask: number, attr: WireAttr): void {
    const w = this.#takeWords(laterStructs.fuse_statx_out.size / 4);
    this.clearWords(w, laterStructs.fuse_statx_out.size / 4);
    this.#valid(w, w + 2, attrValid);
    this.#putStatx(w + laterStructs.fuse_statx_out.stat / 4, mask, attr);
  }

  /** The whole INIT answer, as long as the kernel's minor version knows it. */
  init(agreed: Negotiated): void {
    const at = this.reserve(structs.fuse_init_out.size);
    const w = at / 4;
    this.clearWords(w, structs.fuse_init_out.size / 4);
    this.#words[w] = agreed.major;
    this.#words[w + 1] = agreed.minor;
    this.#words[w + 2] = agreed.maxReadahead;
    this.#words[w + 3] = agreed.flags;
    this.#words[w + 4] = halves(agreed.maxBackground, agreed.congestionThreshold);
    this.#words[w + 5] = agreed.maxWrite;
    this.#words[w + 6] = agreed.timeGran;
    this.#words[w + 7] = halves(agreed.maxPages, 0);
    this.#words[w + 8] = agreed.flags2;
    this.#words[w + 9] = agreed.maxStackDepth;
    this.#words[w + 10] = halves(agreed.requestTimeoutSeconds, 0);
    this.truncate(at + agreed.initOutSize);
  }

  /** The answer to a larger major version: ours, and nothing more. The kernel asks again. */
  initMajorOnly(major: number, minor: number): void {
    const w = this.#takeWords(structs.fuse_init_out.size / 4);
    this.clearWords(w, structs.fuse_init_out.size / 4);
    this.#words[w] = major;
    this.#words[w + 1] = minor;
  }

  putU32(word: number, value: number): void {
    this.#words[word] = value;
  }

  /** A non-negative number below 2^53 at words `word` and `word + 1`. */
  putU64(word: number, value: number): void {
    this.#words[word] = value;
    this.#words[word + 1] = value < HIGH ? 0 : value / HIGH;
  }

  /** Takes whole words and returns the first one's index. */
  #takeWords(count: number): number {
    const at = this.reserve(count * 4);
    assert(at % 4 === 0, 'words follow words');
    return at / 4;
  }

  #two(first: number, second: number): void {
    const w = this.#takeWords(2);
    this.#words[w] = first;
    this.#words[w + 1] = second;
  }

  #valid(secondsWord: number, nsecWord: number, seconds: number): void {
    const whole = seconds >= FOREVER ? FOREVER : Math.floor(seconds);
    this.#words[secondsWord] = whole;
    this.#words[secondsWord + 1] = 0;
    this.#words[nsecWord] = seconds >= FOREVER ? 0 : Math.floor((seconds - whole) * 1e9);
  }

  /** `fuse_attr` begins with the same twelve words as WireAttr; btime is left out, the rest shifts. */
  #putAttr(w: number, attr: WireAttr): void {
    const words = this.#words;
    for (let i = 0; i < WIDE_WORDS; i += 1) words[w + i] = at(attr, i);
    words[w + 12] = at(attr, A.atimeNsec);
    words[w + 13] = at(attr, A.mtimeNsec);
    words[w + 14] = at(attr, A.ctimeNsec);
    words[w + 15] = at(attr, A.mode);
    words[w + 16] = at(attr, A.nlink);
    words[w + 17] = at(attr, A.uid);
    words[w + 18] = at(attr, A.gid);
    words[w + 19] = at(attr, A.rdev);
    words[w + 20] = at(attr, A.blksize);
    words[w + 21] = 0;
  }

  #putStatx(w: number, mask: number, attr: WireAttr): void {
    const words = this.#words;
    words[w] = mask;
    words[w + 1] = at(attr, A.blksize);
    words[w + 2] = at(attr, A.attributes);
    words[w + 3] = at(attr, A.attributes + 1);
    words[w + 4] = at(attr, A.nlink);
    words[w + 5] = at(attr, A.uid);
    words[w + 6] = at(attr, A.gid);
    words[w + 7] = at(attr, A.mode) & 0xffff;
    for (let i = 0; i < 6; i += 1) words[w + 8 + i] = at(attr, A.ino + i);
    // attributes_mask: an attribute that is set is one we can tell.
    words[w + 14] = at(attr, A.attributes);
    words[w + 15] = at(attr, A.attributes + 1);
    this.#time(w + 16, attr, A.atime, A.atimeNsec);
    this.#time(w + 20, attr, A.btime, A.btimeNsec);
    this.#time(w + 24, attr, A.ctime, A.ctimeNsec);
    this.#time(w + 28, attr, A.mtime, A.mtimeNsec);
    words[w + 32] = major(at(attr, A.rdev));
    words[w + 33] = minor(at(attr, A.rdev));
    words[w + 34] = major(at(attr, A.dev));
    words[w + 35] = minor(at(attr, A.dev));
  }

  #time(w: number, attr: WireAttr, seconds: number, nsec: number): void {
    this.#words[w] = at(attr, seconds);
    this.#words[w + 1] = at(attr, seconds + 1);
    this.#words[w + 2] = at(attr, nsec);
    this.#words[w + 3] = 0;
  }
}

function at(words: Uint32Array, index: number): number {
  return words[index] as number;
}

/** Two 16-bit fields, the first one at the lower address. */
function halves(low: number, high: number): number {
  return (low & 0xffff) | ((high & 0xffff) << 16);
}

/** The kernel's 32-bit device encoding (new_encode_dev), taken apart. */
function major(device: number): number {
  return (device >>> 8) & 0xfff;
}

function minor(device: number): number {
  return (device & 0xff) | ((device >>> 12) & 0xf_ff00);
}
