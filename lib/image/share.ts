// One stream read by several at once, none of them far ahead of the others. What one fails of ends all.

/** Chunks that wait for a reader before the stream waits, too. */
const AHEAD = 4;

class Branch {
  readonly #held: Uint8Array[] = [];
  #end: { readonly error: unknown } | 'whole' | null = null;
  #closed = false;
  #readerWaits = (): void => {};
  #writerWaits = (): void => {};

  /** Resolves when there is room for more, or nobody reads any more. */
  async push(chunk: Uint8Array): Promise<void> {
    if (this.#closed) return;
    this.#held.push(chunk);
    this.#readerWaits();
    while (this.#held.length > AHEAD && !this.#closed) {
      await new Promise<void>((resolve) => {
        this.#writerWaits = resolve;
      });
    }
  }

  end(how: { readonly error: unknown } | 'whole'): void {
    this.#end ??= how;
    if (this.#end !== 'whole') this.#close();
    this.#readerWaits();
  }

  #close(): void {
    this.#closed = true;
    this.#held.length = 0;
    this.#writerWaits();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        const chunk = this.#held.shift();
        if (chunk !== undefined) {
          this.#writerWaits();
          yield chunk;
        } else if (this.#end === 'whole') return;
        else if (this.#end !== null) throw this.#end.error;
        else {
          await new Promise<void>((resolve) => {
            this.#readerWaits = resolve;
          });
        }
      }
    } finally {
      this.#close();
    }
  }
}

export type Reader = (branch: AsyncIterable<Uint8Array>) => Promise<void>;

/** Gives all of `stream` to each of `readers`; rejects with what failed first, when all have ended. */
export async function share(stream: AsyncIterable<Uint8Array>, readers: readonly Reader[]): Promise<void> {
  const branches = readers.map(() => new Branch());
  const failures: unknown[] = [];
  const failed = (error: unknown): void => {
    failures.push(error);
    for (const branch of branches) branch.end({ error });
  };
  const reading = readers.map((read, at) => read(branches[at] as Branch).catch(failed));
  try {
    for await (const chunk of stream) {
      if (failures.length > 0) break;
      await Promise.all(branches.map((branch) => branch.push(chunk)));
    }
    for (const branch of branches) branch.end('whole');
  } catch (error) {
    failed(error);
  }
  await Promise.all(reading);
  if (failures.length > 0) throw failures[0];
}
