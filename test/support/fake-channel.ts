// A channel without a kernel: messages from the independent builder go in, replies are kept as they
// were sent. Over a union in temporary directories it makes a whole session.

import { Buffer } from 'node:buffer';
import type { Test } from 'tap';
import type { Channel } from '../../lib/session/channel.js';
import { Session } from '../../lib/session/session.js';
import { type Layout, TempUnion } from './union-in-temp.js';
import { type Bytes, build, bytes, type Caller, type DecodedReply, reply, request } from './wire-builder.js';

const BUFFER = (1 << 20) + 8192;
const INIT = 26;
/** Every flag of both words but DAX and the like: what this kernel offers. */
const OFFER = 0x7fff_ffff;

export class FakeChannel implements Channel {
  readonly requestBuffer = new ArrayBuffer(BUFFER);
  readonly replyBuffer = new ArrayBuffer(BUFFER);
  readonly replies: Buffer[] = [];
  readonly written: Buffer[] = [];
  /** What the next replies return; 0 when the list is empty. */
  readonly results: number[] = [];
  stopped = false;
  #request: (length: number) => void = () => undefined;
  #end: (code: number) => void = () => undefined;

  start(onRequest: (length: number) => void, onEnd: (code: number) => void): void {
    this.#request = onRequest;
    this.#end = onEnd;
  }

  stop(): void {
    this.stopped = true;
  }

  /** Commands that are known; null: all are asked for. */
  known: Uint32Array | null = null;

  ioctls(commands: Uint32Array): void {
    this.known = commands;
  }

  /** Where the ends of handles are told. */
  told: Float64Array | null = null;

  tell(told: Float64Array): void {
    this.told = told;
  }

  /** Seconds that names are known to be absent; null: nothing is answered without JavaScript. */
  absentFor: number | null = null;

  negatives(_directories: Float64Array, _filter: Uint32Array, _vacant: Float64Array, valid: number): void {
    this.absentFor = valid;
  }

  log(): void {}

  open(): void {}

  enterRows(): void {}

  /** Names may be made and removed without JavaScript. */
  changes = false;

  change(): void {
    this.changes = true;
  }

  reply(length: number): number {
    this.replies.push(Buffer.from(Buffer.from(this.replyBuffer, 0, length)));
    return this.results.shift() ?? 0;
  }

  write(message: Uint8Array): number {
    this.written.push(Buffer.from(message));
    return this.results.shift() ?? 0;
  }

  counters(): Record<string, number> {
    return {};
  }

  /** One message from the kernel. */
  send(message: Uint8Array): void {
    new Uint8Array(this.requestBuffer).set(message);
    this.#request(message.byteLength);
  }

  end(code: number): void {
    this.#end(code);
  }

  /** The replies since the last call. */
  take(): DecodedReply[] {
    return this.replies.splice(0).map(reply);
  }
}

/** A kernel and its server in one process. */
export class Talk {
  readonly channel = new FakeChannel();
  readonly session: Session;
  readonly ready: string[] = [];
  ended: number | null = null;
  #unique = 100;

  constructor(
    readonly w: TempUnion,
    validity = Number.POSITIVE_INFINITY,
  ) {
    this.session = new Session(this.channel, w.u, validity, {
      ready: (negotiated) => void this.ready.push(`${negotiated.major}.${negotiated.minor}`),
      ended: (code) => {
        this.ended = code;
      },
    });
    this.session.start();
  }

  /** Sends INIT; the reply to it. */
  greet(major = 7, minor = 45, flags = OFFER, flags2 = OFFER): DecodedReply {
    this.channel.send(request(INIT, build.init(major, minor, 131072, flags, flags2), { unique: 1 }));
    return this.channel.take()[0] as DecodedReply;
  }

  unique(): number {
    this.#unique += 2;
    return this.#unique;
  }

  /** Sends without waiting; the unique it went by. */
  send(opcode: number, body: Bytes = bytes(), caller: Caller = {}): number {
    const unique = Number(caller.unique ?? this.unique());
    this.channel.send(request(opcode, body, { ...caller, unique }));
    return unique;
  }

  /** The replies to one request, waiting work done. */
  async replies(opcode: number, body: Bytes = bytes(), caller: Caller = {}): Promise<DecodedReply[]> {
    this.send(opcode, body, caller);
    await this.idle();
    return this.channel.take();
  }

  async idle(): Promise<void> {
    for (let turn = 0; turn < 2000 && this.session.inFlight > 0; turn += 1) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  /** The one reply to one request. */
  async ask(opcode: number, body: Bytes = bytes(), caller: Caller = {}): Promise<DecodedReply> {
    const replies = await this.replies(opcode, body, caller);
    if (replies.length !== 1) throw new Error(`${replies.length} replies to opcode ${opcode}`);
    return replies[0] as DecodedReply;
  }
}

/** A test with a union and a session that has said hello. */
export function talkTest(
  t: Test,
  name: string,
  layout: Layout,
  body: (t: Test, talk: Talk) => Promise<void> | void,
): void {
  void t.test(name, async (t) => {
    const w = await TempUnion.make(layout);
    try {
      const talk = new Talk(w);
      talk.greet();
      await body(t, talk);
      await talk.idle();
    } finally {
      t.same(w.close(), [], 'nothing is left behind');
    }
  });
}
