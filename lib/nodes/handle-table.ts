// Open files by fh. A handle is closed by exactly one RELEASE.

import { type Fh, fhOf } from './ids.js';

/** Mints fhs and finds what stands behind them. */
export class HandleTable<H extends { fh: Fh }> {
  readonly #handles = new Map<number, H>();
  #next = 1;

  get size(): number {
    return this.#handles.size;
  }

  mint(): Fh {
    return fhOf(this.#next++);
  }

  add(handle: H): void {
    this.#handles.set(handle.fh, handle);
  }

  get(fh: number): H | undefined {
    return this.#handles.get(fh);
  }

  remove(fh: number): H | undefined {
    const handle = this.#handles.get(fh);
    this.#handles.delete(fh);
    return handle;
  }

  *all(): IterableIterator<H> {
    yield* this.#handles.values();
  }
}
