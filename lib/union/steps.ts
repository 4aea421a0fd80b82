// Long work of the thread that answers requests, cut into steps so that it answers others in between.

/** Work that can be left at each `yield`, a few milliseconds apart. */
export type Steps<T> = Generator<undefined, T, undefined>;

/** Long enough that going round the event loop costs little beside it, ms. */
const SLICE = 4;

/** Does all of it at once. */
export function allSteps<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** Work under way; `done` never rejects. */
export class Stepping<T> {
  readonly done: Promise<void>;
  /** null while it goes on, and when it was given up. */
  result: { readonly value: T } | { readonly error: unknown } | null = null;
  readonly #steps: Steps<T>;
  #givenUp = false;

  constructor(steps: Steps<T>) {
    this.#steps = steps;
    this.done = new Promise((resolve) => this.#later(resolve));
  }

  /** What the work holds is let go of. Nobody waits any more: `done` never settles. */
  giveUp(): void {
    this.#givenUp = true;
    this.#steps.return(undefined as never);
  }

  #later(resolve: () => void): void {
    setImmediate(() => {
      if (this.#givenUp) return;
      if (this.#someSteps()) resolve();
      else this.#later(resolve);
    });
  }

  /** True when it is done, or has failed. */
  #someSteps(): boolean {
    const end = performance.now() + SLICE;
    try {
      do {
        const step = this.#steps.next();
        if (step.done === true) this.result = { value: step.value };
      } while (this.result === null && performance.now() < end);
    } catch (error) {
      this.result = { error };
    }
    return this.result !== null;
  }
}
