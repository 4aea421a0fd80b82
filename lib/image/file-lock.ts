// Locks between processes: flock on a file, gone when its holder is. Waiting never blocks the JavaScript thread.

import { closeSync, constants, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { errno } from '../errno.js';
import { check } from '../sys/check.js';
import { syscalls } from '../sys/syscalls.js';

const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;

export type LockKind = 'shared' | 'exclusive';

const SHORTEST_WAIT_MS = 5;
const LONGEST_WAIT_MS = 200;
/** Waiting for longer than this is worth a word. */
const PATIENCE_MS = 2000;

export class FileLock {
  readonly fd: number;
  #held = true;

  private constructor(fd: number) {
    this.fd = fd;
  }

  /** Null when somebody else holds it. `path` may be a directory. */
  static try(path: string, kind: LockKind, flags = constants.O_RDONLY): FileLock | null {
    const fd = openSync(path, flags, 0o644);
    const result = syscalls.flock(fd, (kind === 'shared' ? LOCK_SH : LOCK_EX) | LOCK_NB);
    if (result >= 0) return new FileLock(fd);
    closeSync(fd);
    if (result !== -errno.EAGAIN) check(result, `lock ${path}`);
    return null;
  }

  /** Waits for as long as it takes; `onWait` is called once if that is long. */
  static async take(
    path: string,
    kind: LockKind,
    { flags = constants.O_RDONLY, onWait = (): void => {} } = {},
  ): Promise<FileLock> {
    const start = Date.now();
    let told = false;
    for (let wait = SHORTEST_WAIT_MS; ; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
      const lock = FileLock.try(path, kind, flags);
      if (lock !== null) return lock;
      if (!told && Date.now() - start > PATIENCE_MS) {
        told = true;
        onWait();
      }
      await sleep(wait);
    }
  }

  release(): void {
    if (!this.#held) return;
    this.#held = false;
    closeSync(this.fd);
  }
}
