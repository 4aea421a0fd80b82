// Who opens closes: a descriptor with exactly one owner.

import type { Syscalls } from './calls.js';

let live = 0;

/** How many OwnedFds are open in this process; zero at the end of every test. */
export function liveFds(): number {
  return live;
}

/** A descriptor that is closed once, by its owner. */
export class OwnedFd {
  #fd: number;
  readonly #sys: Pick<Syscalls, 'close'>;

  constructor(sys: Pick<Syscalls, 'close'>, fd: number) {
    this.#sys = sys;
    this.#fd = fd;
    live += 1;
  }

  /** The number; throws after close(). */
  get fd(): number {
    if (this.#fd < 0) throw new Error('descriptor used after close');
    return this.#fd;
  }

  get closed(): boolean {
    return this.#fd < 0;
  }

  /** Gives the number away: somebody else closes it. */
  release(): number {
    const { fd } = this;
    this.#fd = -1;
    live -= 1;
    return fd;
  }

  close(): void {
    if (this.#fd < 0) return;
    this.#sys.close(this.#fd);
    this.#fd = -1;
    live -= 1;
  }
}
