// Loads the addon: the only importer of native/.

import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import nodeGypBuild from 'node-gyp-build';
import type { Jobs, Syscalls } from './syscalls.js';

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
  /** Grants the data plane `fd` for READ and WRITE with this fh. The table does not own `fd`. */
  attach(fh: number, fd: number, writable: boolean): number;
  /** Points fh at another descriptor; later requests use it. Waits for requests that are using the old one. */
  swap(fh: number, fd: number): number;
  /** Takes fh back; returns when no request of it is in a worker. */
  detach(fh: number): number;
  /** FUSE_DEV_IOC_BACKING_OPEN: a backing id > 0, or -errno. */
  backingOpen(fd: number): number;
  backingClose(id: number): number;
  /** Stops polling; the descriptor stays open. */
  stop(): void;
  /** Counters since start: requests, reads, writes, offloaded, bytesRead, bytesWritten. */
  counters(): Record<string, number>;
}

export interface Addon {
  readonly syscalls: Syscalls;
  readonly jobs: Jobs;
  openChannel(fd: number, maxWrite: number): NativeChannel;
}

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');

/** The loaded addon. Built by `npm run build`, or shipped in prebuilds/. */
export const addon: Addon = nodeGypBuild(root) as Addon;
