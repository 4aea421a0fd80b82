// The data plane in JavaScript: which descriptor an fh reads and writes. Owns the descriptors.

import { errno } from '../errno.js';
import type { Syscalls } from '../sys/calls.js';
import type { DataPlane } from '../union/union.js';

export class ScriptPlane implements DataPlane {
  readonly #fds = new Map<number, number>();
  readonly #sys: Pick<Syscalls, 'close'>;

  constructor(sys: Pick<Syscalls, 'close'>) {
    this.#sys = sys;
  }

  get attached(): number {
    return this.#fds.size;
  }

  /** The descriptor of `fh`, or -errno. */
  fd(fh: number): number {
    return this.#fds.get(fh) ?? -errno.EBADF;
  }

  attach(fh: number, fd: number): number {
    this.#fds.set(fh, fd);
    return 0;
  }

  swap(fh: number, fd: number): number {
    const before = this.#fds.get(fh);
    if (before === undefined) return -errno.EBADF;
    this.#fds.set(fh, fd);
    this.#sys.close(before);
    return 0;
  }

  detach(fh: number): number {
    const fd = this.#fds.get(fh);
    if (fd === undefined) return -errno.EBADF;
    this.#fds.delete(fh);
    this.#sys.close(fd);
    return 0;
  }

  /** libfuse hands every open over. */
  stand(): void {}

  withdraw(): boolean {
    return false;
  }

  mirror(): number {
    return -errno.EOPNOTSUPP;
  }

  mirrorDirectory(): void {}

  unmirror(): void {}

  hide(): void {}

  /** Each LOOKUP comes to JavaScript. */
  serveRows(): void {}

  endRows(): void {}

  dropRows(): void {}

  listed(): void {}

  putRows(): number {
    return 0;
  }

  allowRows(): void {}

  rowsIn(): number {
    return 0;
  }

  takeRows(): null {
    return null;
  }

  liveRows(): number {
    return 0;
  }

  allowLinks(): void {}

  ownLinks(): void {}

  linkedNode(): number {
    return 0;
  }

  ledTo(): number {
    return 0;
  }

  takeLinks(): null {
    return null;
  }

  takeOpen(): null {
    return null;
  }

  nodeOfOpen(): number {
    return 0;
  }

  openRows(): Float64Array {
    return new Float64Array(0);
  }

  /** libfuse 2 lists names alone. */
  beginListing(): boolean {
    return true;
  }

  fillsListing(): boolean {
    return true;
  }

  askedIn(): void {}

  reclaim(): number {
    return 0;
  }

  /** This channel has no passthrough. */
  backingOpen(): number {
    return -errno.EOPNOTSUPP;
  }

  backingClose(): number {
    return -errno.EBADF;
  }
}
