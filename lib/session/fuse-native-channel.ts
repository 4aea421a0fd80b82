// The union behind the package fuse-native (libfuse 2.9, paths): each call is answered exactly once,
// nothing is thrown into the package, and a call that must wait is run again when its work is done.

import type Fuse from 'fuse-native';
import { AssertionFailure } from '../assert.js';
import { errno } from '../errno.js';
import { debugEnabled, log } from '../log.js';
import { Pending } from '../union/pending.js';
import type { Union } from '../union/union.js';
import { resultOf } from './fuse-native-convert.js';
import { type Call, type Outcome, type RowName, rows } from './fuse-native-operations.js';
import type { ScriptPlane } from './fuse-native-plane.js';
import { Tree, Walk } from './fuse-native-tree.js';

type Signal = (result: number, ...payload: unknown[]) => void;
type Row = (c: Call, ...args: readonly unknown[]) => Outcome;

/** Where a call's buffer stands among its arguments: the package wants it back, done or failed. */
const bufferAt: Partial<Record<RowName, number>> = { read: 2, write: 2, setxattr: 2, getxattr: 2, listxattr: 1 };

/** One call of a libfuse thread, which waits until it is answered. */
interface Waiting {
  readonly name: RowName;
  readonly args: readonly unknown[];
  readonly signal: Signal;
  readonly thread: Uint8Array | null;
}

export class FuseNativeChannel {
  readonly #u: Union;
  readonly #plane: ScriptPlane;
  readonly #tree: Tree;
  #thread: Uint8Array | null = null;
  #ended = false;
  #requests = 0;
  #inFlight = 0;

  constructor(u: Union, plane: ScriptPlane) {
    this.#u = u;
    this.#plane = plane;
    this.#tree = new Tree(u);
  }

  /** Calls that wait for work. */
  get inFlight(): number {
    return this.#inFlight;
  }

  get requests(): number {
    return this.#requests;
  }

  /** The names of the calls that are answered, as the package's constructor wants them. */
  static get implemented(): Record<string, true> {
    return Object.fromEntries(Object.keys(rows).map((name) => [name, true as const]));
  }

  /**
   * Puts this channel in the place of the package's own conversions, which know milliseconds and
   * small buffers only by accident, and its own option list, which lacks most of libfuse's.
   */
  attach(fuse: Fuse, mountArgument: string): void {
    const methods: Record<string, unknown> = { _fuseOptions: () => mountArgument };
    for (const name of Object.keys(rows) as RowName[]) {
      methods[`_op_${name}`] = (signal: Signal, ...args: unknown[]): void =>
        this.#take({ name, args, signal, thread: this.#thread });
    }
    Object.assign(fuse, methods);
    fuse._handlers = fuse._handlers.map(
      (handler) =>
        handler &&
        ((thread, opcode, ...args) => {
          this.#thread = thread;
          handler(thread, opcode, ...args);
        }),
    );
  }

  /** The mount is gone; what still waits finds no union. */
  end(): void {
    this.#ended = true;
    this.#tree.clear();
  }

  #take(call: Waiting): void {
    this.#requests += 1;
    if (debugEnabled()) log.debug(`-> ${call.name} ${call.args.filter((arg) => !ArrayBuffer.isView(arg)).join(' ')}`);
    this.#run(call);
  }

  #run(call: Waiting): void {
    const walk = new Walk(this.#tree);
    try {
      if (this.#ended) this.#answer(call, -errno.ENODEV);
      else this.#settle(call, walk, (rows[call.name] as unknown as Row)(this.#callOf(call, walk), ...call.args));
    } catch (error) {
      if (error instanceof Pending) this.#later(walk, error.work, () => this.#run(call));
      else this.#failed(call, walk, error);
    }
  }

  #callOf(call: Waiting, walk: Walk): Call {
    return { u: this.#u, plane: this.#plane, walk, thread: call.thread };
  }

  #settle(call: Waiting, walk: Walk, outcome: Outcome): void {
    if (outcome instanceof Promise) {
      this.#later(walk, outcome, (result) => this.#answer(call, result as number));
      return;
    }
    walk.end();
    if (typeof outcome === 'number') this.#answer(call, outcome);
    else this.#answer(call, 0, outcome);
  }

  /** What the call has walked to stays known until the rest of it is done. */
  #later(walk: Walk, work: Promise<unknown>, rest: (result: unknown) => void): void {
    this.#inFlight += 1;
    void work.then((result) => {
      this.#inFlight -= 1;
      rest(result);
      if (!this.#ended) walk.end();
    });
  }

  #failed(call: Waiting, walk: Walk, error: unknown): void {
    const result = resultOf(error);
    if (result === null) {
      const kind = error instanceof AssertionFailure ? 'broken invariant' : 'unexpected';
      log.error(`${call.name}: ${kind}: ${error instanceof Error ? error.stack : String(error)}`);
    }
    try {
      walk.end();
    } catch (again) {
      log.error(`${call.name}: ${again instanceof Error ? again.stack : String(again)}`);
    }
    this.#answer(call, result ?? -errno.EIO);
  }

  #answer(call: Waiting, result: number, payload: readonly unknown[] = []): void {
    if (debugEnabled()) log.debug(`<- ${call.name} ${result}`);
    const at = bufferAt[call.name];
    if (at === undefined) {
      call.signal(result, ...payload);
      return;
    }
    const { buffer } = call.args[at] as Uint8Array;
    if (call.name === 'read' || call.name === 'write') call.signal(result, 0, buffer);
    else call.signal(result, buffer);
  }
}
