// One request in, exactly one answer out: decode, find the row, run it, turn what it threw into an
// errno. A handler that must wait is run again from the start when what it waits for is done.

import { AssertionFailure } from '../assert.js';
import { ErrnoError, errno, errnoName } from '../errno.js';
import { debugEnabled, log } from '../log.js';
import type { Answer, Context } from '../ops/context.js';
import { onEnded } from '../ops/files.js';
import { type Operation, operations } from '../ops/table.js';
import type { Changes } from '../union/changes.js';
import { Pending } from '../union/pending.js';
import { Opcode, type OpcodeValue, opcodeName } from '../wire/abi.js';
import { printReply, printRequest } from '../wire/print.js';
import { decode, expectsReply, type Request, type WellFormedRequest } from '../wire/requests.js';
import type { Channel } from './channel.js';

/** A request that waits for work. */
interface InFlight {
  readonly request: WellFormedRequest;
  /** null: a signal does not end the waiting. */
  abandon: (() => void) | null;
  answered: boolean;
}

/** What was done without us since the request before. */
export interface News {
  /** See NativeChannel.tell. */
  readonly told: Float64Array;
  readonly changes: Changes;
}

/** More requests than this may not wait at once; the kernel's own bound is far lower. */
const MAX_IN_FLIGHT = 1024;

export class Dispatcher {
  readonly #channel: Channel;
  readonly #c: Context;
  readonly #bytes: Uint8Array;
  readonly #news: News;
  readonly #inFlight = new Map<string, InFlight>();

  constructor(channel: Channel, context: Context, news: News) {
    this.#news = news;
    this.#channel = channel;
    this.#c = context;
    this.#bytes = new Uint8Array(channel.requestBuffer);
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  /** Handles the request in the channel's buffer, if there is one; returns when it is answered or waits. */
  handle(length: number): void {
    const { changes, told } = this.#news;
    if (changes.unread) changes.read(this.#c.u);
    if (told[0] !== 0) onEnded(this.#c, told);
    if (length === 0) return;
    const request = decode(this.#bytes, length, this.#c.negotiated);
    if (request === undefined) {
      log.error(`a request of ${length} bytes without a whole header`);
      return;
    }
    if (debugEnabled()) log.debug(`-> ${printRequest(request)}`);
    if (request.malformed) this.#fail(request, request.errno, request.why);
    else if (request.opcode === Opcode.INTERRUPT) this.#interrupt(request.body.targetLow, request.body.targetHigh);
    else this.#run(request);
  }

  #run(request: WellFormedRequest): void {
    const operation = operations[request.opcode] as Operation<OpcodeValue> | undefined;
    if (operation === undefined) {
      this.#fail(request, errno.ENOSYS);
      return;
    }
    this.#c.reply.begin(request.uniqueLow, request.uniqueHigh);
    try {
      const later = operation(this.#c, request as never);
      if (later instanceof Promise) this.#await(request, later as Promise<Answer>);
      else if (typeof later === 'number' && later < 0) this.#fail(request, -later);
      else this.#finish(request, 0);
    } catch (error) {
      if (error instanceof Pending) this.#park(request, error);
      else this.#threw(request, error);
    }
  }

  #finish(request: Request, error: number): void {
    if (!expectsReply(request.opcode)) {
      this.#c.delivered();
      return;
    }
    const { reply } = this.#c;
    const length = reply.finish(error);
    if (debugEnabled()) log.debug(`<- ${printReply(reply.buffer.subarray(0, length))}`);
    const sent = this.#channel.reply(length);
    if (sent >= 0) this.#c.delivered();
    else this.#unsent(request, sent);
  }

  /** ENOENT: the caller was interrupted and nobody waits. ENODEV: the mount has gone. */
  #unsent(request: Request, result: number): void {
    this.#c.undelivered();
    if (result === -errno.ENOENT || result === -errno.ENODEV) return;
    log.error(`the reply to ${opcodeName(request.opcode)} was refused: ${errnoName(-result)}`);
    if (result === -errno.EINVAL) this.#fail(request, errno.EIO);
  }

  #fail(request: Request, code: number, why?: string): void {
    if (why !== undefined) log.error(`${opcodeName(request.opcode)}: ${why}`);
    if (!expectsReply(request.opcode)) return;
    this.#c.reply.begin(request.uniqueLow, request.uniqueHigh);
    this.#finish(request, code);
  }

  /** What was granted before the failure is taken back: the reply that carried it is not sent. */
  #threw(request: Request, error: unknown): void {
    this.#c.undelivered();
    if (error instanceof ErrnoError) {
      this.#fail(request, error.code);
      return;
    }
    const kind = error instanceof AssertionFailure ? 'broken invariant' : 'unexpected';
    log.error(`${opcodeName(request.opcode)}: ${kind}: ${error instanceof Error ? error.stack : String(error)}`);
    this.#fail(request, errno.EIO);
  }

  /** The request buffer is used again before the work is done: byte views are copied (which slice of a Buffer is not). */
  #hold(request: WellFormedRequest): WellFormedRequest {
    const body: Record<string, unknown> = { ...request.body };
    for (const [key, value] of Object.entries(body)) {
      if (value instanceof Uint8Array) body[key] = Uint8Array.from(value);
    }
    return { ...request, body } as WellFormedRequest;
  }

  #enter(request: WellFormedRequest, abandon: (() => void) | null): InFlight | null {
    const key = `${request.uniqueHigh}:${request.uniqueLow}`;
    if (this.#inFlight.size >= MAX_IN_FLIGHT) {
      abandon?.();
      this.#fail(request, errno.ENOMEM, 'too many requests wait');
      return null;
    }
    const entry: InFlight = { request, abandon, answered: false };
    this.#inFlight.set(key, entry);
    return entry;
  }

  #leave(entry: InFlight): boolean {
    const { uniqueHigh, uniqueLow } = entry.request;
    this.#inFlight.delete(`${uniqueHigh}:${uniqueLow}`);
    return !entry.answered;
  }

  /** Runs the request again when the work it waits for is done. */
  #park(request: WellFormedRequest, pending: Pending): void {
    this.#c.undelivered();
    const entry = this.#enter(this.#hold(request), pending.abandon);
    if (entry === null) return;
    void pending.work.then(() => {
      if (this.#leave(entry)) this.#run(entry.request);
    });
  }

  #await(request: WellFormedRequest, later: Promise<Answer>): void {
    const entry = this.#enter(this.#hold(request), () => {});
    if (entry === null) return;
    const settle = (finish: () => void): void => {
      if (!this.#leave(entry)) return;
      this.#c.reply.begin(request.uniqueLow, request.uniqueHigh);
      try {
        finish();
        this.#finish(entry.request, 0);
      } catch (error) {
        this.#threw(entry.request, error);
      }
    };
    void later.then(settle, (error: unknown) => {
      settle(() => {
        throw error;
      });
    });
  }

  /** The caller of a waiting request got a signal: it is answered EINTR now, and its work may stop, where it may be interrupted. */
  #interrupt(low: number, high: number): void {
    const entry = this.#inFlight.get(`${high}:${low}`);
    if (entry === undefined || entry.answered || entry.abandon === null) return;
    entry.answered = true;
    this.#leave(entry);
    entry.abandon();
    this.#fail(entry.request, errno.EINTR);
  }
}
