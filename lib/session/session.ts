// The conversation over one /dev/fuse: INIT first, then requests until the mount ends. Agreeing on
// features is wire/init's; this floor says what is wished, and what a refusal costs.

import { errno } from '../errno.js';
import { debugEnabled, log } from '../log.js';
import { Context } from '../ops/context.js';
import { IOCTLS } from '../ops/ioctl.js';
import { Stat } from '../sys/stat.js';
import { syscalls } from '../sys/syscalls.js';
import { Changes } from '../union/changes.js';
import { enterRows } from '../union/layer-walk.js';
import type { Union } from '../union/union.js';
import { Opcode } from '../wire/abi.js';
import { DirentWriter } from '../wire/dirents.js';
import { type Feature, type Negotiated, negotiate, type Wishes } from '../wire/init.js';
import { ReplyWriter } from '../wire/replies.js';
import { decode } from '../wire/requests.js';
import type { Channel } from './channel.js';
import { Dispatcher } from './dispatch.js';

/** Bytes in one WRITE. */
export const MAX_WRITE = 1 << 20;

/** Room for the news between two requests: a count, and handles that have ended. */
const TOLD = 256;

/** What a union wants of the kernel, all mounts having default_permissions; passthrough and ACLs are the mount's choice. */
const wishes: Wishes = {
  asyncRead: true,
  atomicOTrunc: true,
  bigWrites: true,
  dontMask: true,
  hasIoctlDir: true,
  explicitInvalData: true,
  readdirplus: true,
  readdirplusAuto: true,
  asyncDio: true,
  parallelDirops: true,
  handleKillprivV2: true,
  abortError: true,
  maxPages: true,
  cacheSymlinks: true,
  noOpendirSupport: true,
  // A nodeid means nothing to the next mount: an overlay nested in this one must not store it.
  noExportSupport: true,
  setxattrExt: true,
  hasExpireOnly: true,
  directIoAllowMmap: true,
  allowIdmap: true,
  maxWrite: MAX_WRITE,
};

/** Refusals that users of this mount would notice. */
const noticed: readonly Feature[] = ['passthrough', 'posixAcl', 'readdirplus', 'handleKillprivV2'];

export interface SessionHooks {
  /** The kernel and we agreed; the mount answers from now on. */
  ready(negotiated: Negotiated): void;
  /** The mount is gone (errno ENODEV) or the connection failed. */
  ended(code: number): void;
}

export class Session {
  readonly #channel: Channel;
  readonly #u: Union;
  readonly #validity: number;
  readonly #hooks: SessionHooks;
  readonly #reply: ReplyWriter;
  readonly #bytes: Uint8Array;
  #dispatcher: Dispatcher | null = null;
  negotiated: Negotiated | null = null;

  constructor(channel: Channel, u: Union, validity: number, hooks: SessionHooks) {
    this.#channel = channel;
    this.#u = u;
    this.#validity = validity;
    this.#hooks = hooks;
    this.#reply = new ReplyWriter(channel.replyBuffer);
    this.#bytes = new Uint8Array(channel.requestBuffer);
  }

  start(): void {
    this.#channel.start(
      (length) => this.#take(length),
      (code) => {
        // What was done last is in no later request.
        this.#dispatcher?.handle(0);
        this.#hooks.ended(code);
      },
    );
  }

  /** Requests that wait for work. */
  get inFlight(): number {
    return this.#dispatcher?.inFlight ?? 0;
  }

  #take(length: number): void {
    if (this.#dispatcher === null) this.#greet(length);
    else this.#dispatcher.handle(length);
  }

  #greet(length: number): void {
    const request = decode(this.#bytes, length);
    if (request === undefined) return;
    this.#reply.begin(request.uniqueLow, request.uniqueHigh);
    if (request.malformed || request.opcode !== Opcode.INIT) {
      this.#channel.reply(this.#reply.finish(errno.EIO));
      return;
    }
    const outcome = negotiate(request.body, {
      ...wishes,
      posixAcl: !this.#u.options.noacl,
      passthrough: this.#u.passthrough,
    });
    if (outcome.kind === 'again') this.#reply.initMajorOnly(outcome.major, outcome.minor);
    else if (outcome.kind === 'agreed') this.#reply.init(outcome.negotiated);
    else log.error(outcome.why);
    this.#channel.reply(this.#reply.finish(outcome.kind === 'error' ? errno.EPROTO : 0));
    if (outcome.kind === 'agreed') this.#agreed(outcome.negotiated, outcome.refused);
  }

  #agreed(negotiated: Negotiated, refused: readonly string[]): void {
    for (const why of refused) {
      if (noticed.some((feature) => why.startsWith(feature))) log.warn(why);
      else log.info(why);
    }
    this.negotiated = negotiated;
    this.#u.passthrough = negotiated.passthrough;
    const context = new Context(
      this.#u,
      this.#reply,
      new DirentWriter(this.#reply),
      negotiated,
      this.#validity,
      new Stat(),
    );
    const told = new Float64Array(TOLD);
    const changes = new Changes();
    // What is answered without us is in no log.
    if (!debugEnabled()) {
      this.#channel.ioctls(IOCTLS);
      this.#channel.tell(told);
      const { directories, filter, vacant } = this.#u.negatives;
      this.#channel.negatives(directories, filter, vacant, this.#validity);
      // Who changes what single calls do is to see each of them.
      if (this.#u.sys === syscalls) {
        enterRows(this.#channel);
        this.#u.plane.allowLinks(!this.#u.indexed);
        changes.begin(this.#u, this.#channel, this.#validity);
      }
    }
    this.#dispatcher = new Dispatcher(this.#channel, context, { told, changes });
    this.#hooks.ready(negotiated);
  }
}
