// Which names directories do not have, in memory that the data plane reads too: it answers a LOOKUP of such a name by
// itself. A filter of one bit a name: it may take a name that is absent for one that might be there, never the other way
// round, so every name that comes to a directory is noted here. Names that go stay noted. No I/O.

import type { DirIndex, DirNode } from './inode.js';

/** Bits of the filter, as a power of two: 1 MiB. */
const FILTER_LOG = 23;
/** So many directories are told of at once; one that is met later takes the place of another. */
const DIRECTORIES = 1 << 13;
/** Of directories with more names than this each miss is asked. */
const MOST_NAMES = 1 << 16;
/** With so many names noted, one in four misses would be asked all the same: the filter begins anew. */
const MOST_NOTED = 1 << (FILTER_LOG - 2);

export class Negatives {
  /** Two numbers a directory: its nodeid, and the salt of its names. 0: none. */
  readonly directories = new Float64Array(2 * DIRECTORIES);
  readonly filter = new Uint32Array(1 << (FILTER_LOG - 5));
  /** Nodeid of a directory and hash of a name that it lacks, as long as no name came to any; 0: none. */
  readonly vacant = new Float64Array(2);
  readonly #hash: (name: string) => number;
  #lastSalt = 0;
  /** Salts below are of names that the filter has no more. */
  #firstSalt = 1;
  #noted = 0;

  /** `hash`: InodeNumbers.hash. */
  constructor(hash: (name: string) => number) {
    this.#hash = hash;
  }

  /** From now on names that `dir` does not have are answered without us. Nothing where its names are not known, or too many. */
  learn(dir: DirNode): void {
    const { index } = dir;
    if (index === null || index.entries.size > MOST_NAMES) return;
    if (index.salt < this.#firstSalt) this.#noteAll(index);
    const at = 2 * (dir.id % DIRECTORIES);
    this.directories[at] = dir.id;
    this.directories[at + 1] = index.salt;
  }

  /** `name` was missed in `dir`. */
  miss(dir: DirNode, name: string): void {
    this.learn(dir);
    if (dir.index === null || dir.index.entries.get(name) !== undefined) return;
    this.vacant[0] = dir.id;
    this.vacant[1] = this.#hash(name);
  }

  /** The names of `dir` are not kept any longer. */
  unlearn(dir: DirNode): void {
    if (this.vacant[0] === dir.id) this.vacant[0] = 0;
    const at = 2 * (dir.id % DIRECTORIES);
    if (this.directories[at] === dir.id) this.directories[at] = 0;
  }

  /** `name` comes to the directory of `index`. */
  note(index: DirIndex, name: string): void {
    this.vacant[0] = 0;
    if (index.salt >= this.#firstSalt) this.#set(index.salt, this.#hash(name));
  }

  #noteAll(index: DirIndex): void {
    if (this.#noted > MOST_NOTED) this.#beginAnew();
    this.#lastSalt += 1;
    index.salt = this.#lastSalt;
    for (const name of index.entries.plainNames()) this.#set(index.salt, this.#hash(name));
    // A packed name whose hash is another's cookie already has a later one: its hash is set all the same.
    for (const cookie of index.entries.packed?.cookies ?? []) this.#set(index.salt, cookie);
  }

  #beginAnew(): void {
    this.directories.fill(0);
    this.filter.fill(0);
    this.#firstSalt = this.#lastSalt + 1;
    this.#noted = 0;
  }

  /** native/negatives.cc finds the bit in the same way. */
  #set(salt: number, hash: number): void {
    const bit = Math.imul((hash >>> 0) ^ Math.imul(salt, 0x9e37_79b1), 0x85eb_ca6b) >>> (32 - FILTER_LOG);
    const word = bit >>> 5;
    this.filter[word] = (this.filter[word] as number) | (1 << (bit & 31));
    this.#noted += 1;
  }
}
