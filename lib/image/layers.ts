// Layers as directories: layers/sha256/HEX of the diff id, with the tree in fs/ and its measures in layer.json. Made once,
// shared by every image and container, and never written to again.

import { existsSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { type Digest, hexOf } from './digest.js';
import { digestsIn, diskUsage, removeTree, syncDirectory } from './disk.js';

/** What is known of an unpacked layer without walking it. */
export interface LayerRecord {
  readonly entries: number;
  /** Bytes of contents. */
  readonly bytes: number;
}

export const TREE = 'fs';
export const RECORD = 'layer.json';

export class Layers {
  readonly #directory: string;

  constructor(root: string) {
    this.#directory = join(root, 'layers', 'sha256');
  }

  #home(diffId: Digest): string {
    return join(this.#directory, hexOf(diffId));
  }

  /** The directory to mount. */
  tree(diffId: Digest): string {
    return join(this.#home(diffId), TREE);
  }

  has(diffId: Digest): boolean {
    return existsSync(this.#home(diffId));
  }

  record(diffId: Digest): LayerRecord {
    return JSON.parse(readFileSync(join(this.#home(diffId), RECORD), 'utf8')) as LayerRecord;
  }

  list(): Digest[] {
    return digestsIn(this.#directory);
  }

  /** Takes over a finished layer, unless another process was faster. */
  publish(prepared: string, diffId: Digest): void {
    try {
      renameSync(prepared, this.#home(diffId));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
    }
    syncDirectory(this.#directory);
  }

  usage(diffId: Digest): number {
    return diskUsage(this.#home(diffId));
  }

  /** By way of `aside`, so that no half of it is ever seen. */
  remove(diffId: Digest, aside: string): void {
    renameSync(this.#home(diffId), aside);
    syncDirectory(this.#directory);
    removeTree(aside);
  }
}
