// One file's attributes as the addon writes them: a window of 32-bit words, little-endian, so that
// 64-bit inode numbers stay exact without a BigInt on the hot path. No I/O here.

import { S_IFDIR, S_IFMT, S_IFREG } from './constants.js';

/** How many 32-bit words the addon fills for one file (statx, repacked). */
export const STAT_WORDS = 32;

/**
 * Word offsets. 64-bit fields take two words, low first.
 * ino dev size blocks(512 B) atime mtime ctime btime are 64-bit; *nsec are 32-bit.
 * dev and rdev are the kernel's 32-bit encoding (new_encode_dev), as FUSE wants rdev.
 */
export const W = {
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
  mntId: 26,
  attributes: 28,
  /** Not the host's: 1 when the owner or the group is nobody's here. */
  unmapped: 30,
} as const;

const HIGH = 0x1_0000_0000;

/** A reusable attribute record; `words` is what the addon fills. */
export class Stat {
  constructor(readonly words = new Uint32Array(STAT_WORDS)) {}

  #u32(word: number): number {
    return this.words[word] as number;
  }

  #u64(word: number): number {
    return this.#u32(word + 1) * HIGH + this.#u32(word);
  }

  get inoLow(): number {
    return this.#u32(W.ino);
  }

  get inoHigh(): number {
    return this.#u32(W.ino + 1);
  }

  setIno(low: number, high: number): void {
    this.words[W.ino] = low;
    this.words[W.ino + 1] = high;
  }

  /** Bytes; exact below 2^53, which every Linux filesystem's limit on real hosts is. */
  get size(): number {
    return this.#u64(W.size);
  }

  /** 512-byte blocks allocated. */
  get blocks(): number {
    return this.#u64(W.blocks);
  }

  set blocks(count: number) {
    this.words[W.blocks] = count;
    this.words[W.blocks + 1] = count / HIGH;
  }

  get mode(): number {
    return this.#u32(W.mode);
  }

  set mode(mode: number) {
    this.words[W.mode] = mode;
  }

  get nlink(): number {
    return this.#u32(W.nlink);
  }

  set nlink(count: number) {
    this.words[W.nlink] = count;
  }

  get uid(): number {
    return this.#u32(W.uid);
  }

  set uid(id: number) {
    this.words[W.uid] = id;
  }

  get gid(): number {
    return this.#u32(W.gid);
  }

  set gid(id: number) {
    this.words[W.gid] = id;
  }

  get rdev(): number {
    return this.#u32(W.rdev);
  }

  get dev(): number {
    return this.#u32(W.dev);
  }

  get blksize(): number {
    return this.#u32(W.blksize);
  }

  /** The owner or the group has no id that can be shown, nor one to give to a copy. */
  get unmapped(): boolean {
    return this.#u32(W.unmapped) !== 0;
  }

  /** The flags "immutable" (0x10) and "append only" (0x20). */
  get protection(): number {
    return this.#u32(W.attributes) & 0x30;
  }

  get isDirectory(): boolean {
    return (this.mode & S_IFMT) === S_IFDIR;
  }

  get isRegular(): boolean {
    return (this.mode & S_IFMT) === S_IFREG;
  }

  /** Names the inode behind this record on this host: `dev:high:low`. */
  identity(): string {
    return `${this.dev}:${this.inoHigh}:${this.inoLow}`;
  }

  /** Access, modification and change time, as `other` has them. */
  copyTimes(other: Stat): void {
    this.words.set(other.words.subarray(W.atime, W.btime), W.atime);
    this.words.set(other.words.subarray(W.atimeNsec, W.btimeNsec), W.atimeNsec);
  }

  copyFrom(other: Stat): void {
    this.words.set(other.words);
  }
}
