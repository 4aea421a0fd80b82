// The inode numbers users see: the host's own where all layers share a filesystem, else the host's
// number mixed with its filesystem's uuid, the top bit set so that the two kinds never meet.

import { Buffer } from 'node:buffer';
import xxhash from 'xxhash-wasm';
import type { Syscalls } from '../sys/calls.js';
import type { Stat } from '../sys/stat.js';
import type { Layer } from './layers.js';

type Hasher = Awaited<ReturnType<typeof xxhash>>;

/** It is compiled by another thread: whoever begins early waits less. */
export const loadHasher = (): Promise<Hasher> => xxhash();

/** 1 and 2 are `.` and `..`. */
const FIRST_COOKIE = 3;
const TOP_BIT = 0x8000_0000;

/** Spreads what differs in few bits over all 32. */
function mixed(word: number): number {
  let x = Math.imul(word ^ (word >>> 16), 0x85eb_ca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2_ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

/** Hashes names and inode numbers; made once per mount. */
export class InodeNumbers {
  readonly #hash: Hasher;
  /** The filesystem whose numbers are shown as they are: the topmost layer's. */
  readonly #plainDev: number;
  readonly #uuids = new Map<number, Buffer>();
  readonly #cell = Buffer.alloc(24);

  private constructor(hash: Hasher, sys: Syscalls, layers: readonly Layer[]) {
    this.#hash = hash;
    // The bottom layer changes least from one mount to the next.
    this.#plainDev = layers.at(-1)?.dev ?? 0;
    for (const layer of layers) {
      if (layer.dev === this.#plainDev || this.#uuids.has(layer.dev)) continue;
      const uuid = sys.fsUuid(layer.fd);
      const key = Buffer.alloc(16);
      if (typeof uuid === 'number') key.writeUInt32LE(layer.dev);
      else key.set(uuid.subarray(0, 16));
      this.#uuids.set(layer.dev, key);
    }
  }

  static async create(sys: Syscalls, layers: readonly Layer[], hasher = loadHasher()): Promise<InodeNumbers> {
    return new InodeNumbers(await hasher, sys, layers);
  }

  /** All layers lie on one filesystem. */
  get plain(): boolean {
    return this.#uuids.size === 0;
  }

  /** Replaces the host's number in `stat` by the shown one. `dev` is the filesystem it counts in. */
  show(stat: Stat, dev = stat.dev): void {
    if (dev === this.#plainDev || this.#uuids.size === 0) return;
    this.mix(dev, stat.inoLow, stat.inoHigh);
    stat.setIno(this.low, this.high);
  }

  low = 0;
  high = 0;

  /** The shown number of host inode (low, high) on `dev`, left in this.low and this.high. */
  mix(dev: number, low: number, high: number): void {
    this.low = low;
    this.high = high;
    const uuid = this.#uuids.get(dev);
    if (uuid === undefined) return;
    this.#cell.set(uuid);
    this.#cell.writeUInt32LE(low, 16);
    this.#cell.writeUInt32LE(high, 20);
    this.low = this.#hash.h32Raw(this.#cell, 0);
    this.high = (this.#hash.h32Raw(this.#cell, 1) | TOP_BIT) >>> 0;
  }

  readonly hash = (name: string): number => this.cookie(name);

  /** A name's place in a listing: 51 bits, the same at every mount, above those of `.` and `..`. native/name_tables.cc has it too. */
  cookie(name: string): number {
    let low = 0x811c_9dc5;
    let high = name.length;
    for (let at = 0; at < name.length; at += 1) {
      const byte = name.charCodeAt(at);
      low = Math.imul(low ^ byte, 0x0100_0193);
      high = Math.imul(high ^ byte, 0x2c1b_3c6d) ^ (low >>> 15);
    }
    return (mixed(high) & 0x7ffff) * 0x1_0000_0000 + mixed(low ^ high) + FIRST_COOKIE;
  }
}
