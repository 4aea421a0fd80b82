// Where one process prepares what it will publish: a directory of its own under tmp/, held by a lock for as long as the
// process lives. What dead processes left is removed when the next one starts.

import { mkdirSync, mkdtempSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { removeTree } from './disk.js';
import { FileLock } from './file-lock.js';

/** Removes the directories in `tmp` that nobody holds. */
function sweep(tmp: string): void {
  for (const name of readdirSync(tmp)) {
    const path = join(tmp, name);
    const lock = FileLock.try(path, 'exclusive');
    if (lock === null) continue;
    try {
      removeTree(path);
    } finally {
      lock.release();
    }
  }
}

export class Staging {
  readonly #directory: string;
  readonly #lock: FileLock;
  #next = 0;

  private constructor(directory: string, lock: FileLock) {
    this.#directory = directory;
    this.#lock = lock;
  }

  static async create(tmp: string): Promise<Staging> {
    mkdirSync(tmp, { recursive: true, mode: 0o755 });
    // Between its making and its lock a directory looks abandoned: one process at a time.
    const door = await FileLock.take(tmp, 'exclusive');
    try {
      sweep(tmp);
      const directory = mkdtempSync(join(tmp, `${process.pid}-`));
      const lock = FileLock.try(directory, 'exclusive');
      if (lock === null) throw new Error(`${directory} is held by somebody else`);
      return new Staging(directory, lock);
    } finally {
      door.release();
    }
  }

  /** A path at which nothing is yet. */
  fresh(): string {
    this.#next += 1;
    return join(this.#directory, String(this.#next));
  }

  close(): void {
    removeTree(this.#directory);
    this.#lock.release();
  }
}
