// Giving memory back: V8 keeps what a great many nodes took long after the kernel has forgotten them,
// for a server that idles allocates nothing and so collects nothing. Knows no node and no file.

import { log } from '../log.js';

/** So many objects must have died before it is worth looking, and as many as live on. */
const WAVE = 20_000;
/** How long to watch whether the mount is idle, ms, and how many requests still are idleness. */
const PAUSE = 300;
const FEW = 20;

/** A full collection that shrinks the heap too; what the debugger's protocol offers to any program. */
export async function collectGarbage(): Promise<void> {
  try {
    const { Session } = await import('node:inspector');
    const session = new Session();
    session.connect();
    await new Promise((resolve) => session.post('HeapProfiler.collectGarbage', resolve));
    session.disconnect();
  } catch (error) {
    log.once('info', 'memory', `memory is given back late: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/**
 * V8's settings for a server of short requests and long-lived nodes. They change nothing that is already compiled: given on
 * the command line they would make V8 refuse the bytecode that a mount starts from.
 */
const settings = [
  // The space for young objects stays at 1 MiB. It would grow to 16, twice, while nodes are made; but those live long, and of
  // what a request leaves behind nothing is alive at the next collection.
  '--semi-space-growth-factor=1',
  // Twice as much work before a function is optimised: compiling takes the other processor, where the caller would run.
  '--interrupt-budget=300000',
];

/** Applies them; once the mount answers, for loading the module takes its time. */
export async function settleEngine(): Promise<void> {
  const { setFlagsFromString } = await import('node:v8');
  for (const setting of settings) setFlagsFromString(setting);
}

export interface Household {
  /** Objects that live now. */
  readonly live: () => number;
  /** Requests so far. */
  readonly requests: () => number;
  /** Drops what is only a cache. */
  readonly trim: () => void;
  readonly collect: () => Promise<void>;
}

export class MemoryKeeper {
  readonly #home: Household;
  #gone = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(home: Household) {
    this.#home = home;
  }

  /** `count` more objects have died. */
  note(count: number): void {
    this.#gone += count;
    if (this.#timer === null && this.#gone >= WAVE) this.#watch();
  }

  /** Nothing comes after this. */
  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#gone = Number.NEGATIVE_INFINITY;
  }

  #watch(): void {
    const before = this.#home.requests();
    this.#timer = setTimeout(() => this.#decide(before), PAUSE);
    this.#timer.unref();
  }

  #decide(before: number): void {
    this.#timer = null;
    if (this.#home.requests() - before > FEW) {
      this.#watch();
      return;
    }
    if (this.#gone < this.#home.live()) return;
    this.#gone = 0;
    this.#home.trim();
    void this.#home.collect();
  }
}
