// Loads the addon: the only importer of native/.

import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import nodeGypBuild from 'node-gyp-build';
import type { Jobs, Syscalls } from './calls.js';

/** How the addon answers what the channel's reader found; see native/README.md. */
export interface NativeChannel {
  /** Polls the descriptor and calls `onRequest(length)` for each request left to JavaScript. */
  start(onRequest: (length: number) => void, onEnd: (code: number) => void): void;
  /** The request at hand, valid until onRequest returns. */
  readonly requestBuffer: ArrayBuffer;
  /** Where a reply is built; header first. */
  readonly replyBuffer: ArrayBuffer;
  /** Writes replyBuffer[0, length) to /dev/fuse. 0 or -errno. */
  reply(length: number): number;
  /** Writes any message (notify codes) to /dev/fuse. 0 or -errno. */
  write(message: Uint8Array): number;
  /** Grants the data plane READ and WRITE with this fh on `fd`, and takes ownership of `fd`. */
  attach(fh: number, fd: number): number;
  /** Points fh at another descriptor it then owns; the old one closes when no worker uses it. */
  swap(fh: number, fd: number): number;
  /** Takes fh away; its descriptor closes when no worker uses it. */
  detach(fh: number): number;
  /** FUSE_DEV_IOC_BACKING_OPEN: a backing id > 0, or -errno. */
  backingOpen(fd: number): number;
  backingClose(id: number): number;
  /** Stops polling; the descriptor stays open. */
  stop(): void;
  /** Counters since start: requests, reads, writes, offloaded, bytesRead, bytesWritten, attached, wishes. */
  counters(): Record<string, number>;
}

export interface Addon {
  readonly syscalls: Syscalls;
  readonly jobs: Jobs;
  /** `wakeful`: while requests follow each other closely, idle processors are kept from halting, where that is allowed. */
  openChannel(fd: number, maxWrite: number, wakeful: boolean): NativeChannel;
}

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');

/** The loaded addon. Built by `npm run build`, or shipped in prebuilds/. */
export const addon: Addon = nodeGypBuild(root) as Addon;
