// One mount, assembled: options become layers, nodes, a union and a session; unmounting takes them
// apart in the reverse order. The only module that knows every floor.

import { appendFileSync } from 'node:fs';
import { basename } from 'node:path';
import { assertionFailures } from './assert.js';
import { errno } from './errno.js';
import { debugEnabled, log } from './log.js';
import { announce, releaseAnnounced } from './session/ending.js';
import { collectGarbage, MemoryKeeper, settleEngine } from './session/memory.js';
import { mountFuse, unmountFuse } from './session/mount.js';
import { Notifier } from './session/notifier.js';
import { MAX_WRITE, Session } from './session/session.js';
import { addon, type NativeChannel } from './sys/binding.js';
import { liveFds } from './sys/fd.js';
import { type Jobs, jobs, type Syscalls, syscalls } from './sys/syscalls.js';
import { assembleUnion, dissolveUnion } from './union/assemble.js';
import { MountError } from './union/layers.js';
import type { MountOptions } from './union/options.js';
import { trimUnion } from './union/trim.js';
import type { DataPlane, Union } from './union/union.js';

/** Counts of what lives in a mount; all but `nodes` are zero when it ends without a leak. */
export interface MountStats {
  readonly nodes: number;
  readonly handles: number;
  readonly backingIds: number;
  readonly fds: number;
  readonly attached: number;
  readonly inFlight: number;
  readonly assertions: number;
  readonly [counter: string]: number;
}

/** A mount that answers. */
export interface Mounted {
  /** Takes it from the tree; `ended` settles when its last user has gone. */
  unmount(): void;
  /** errno that ended the connection; ENODEV is a plain unmount. */
  readonly ended: Promise<number>;
  stats(): MountStats;
}

/** Seconds that caches hold on a mount that is not the only writer of its upper. */
const SHARED_VALIDITY = 1;

/** What the mount table shows as the source: the first layers' names, as bytes. */
export function sourceOf(options: MountOptions): string {
  if (options.fsname !== null) return options.fsname;
  const layers = [...(options.upper === null ? [] : [options.upper]), ...options.lowers];
  const names = layers.slice(0, 3).map((path) => basename(path) || '/');
  return names.join(':') + (layers.length > 3 ? ':...' : '');
}

function backingIds(u: Union): number {
  let count = 0;
  for (const node of u.nodes.all()) if ('backing' in node && node.backing !== null) count += 1;
  return count;
}

/** The data plane exists before the channel does: the union is made first, the mount last. */
class LatePlane implements DataPlane {
  channel: NativeChannel | null = null;

  /** The channel where it may answer by itself: what it answers is in no log. */
  get #unlogged(): NativeChannel | null {
    return debugEnabled() ? null : this.channel;
  }

  attach = (fh: number, fd: number, fsyncs: boolean): number => this.channel?.attach(fh, fd, fsyncs) ?? -errno.EBADF;
  swap = (fh: number, fd: number): number => this.channel?.swap(fh, fd) ?? -errno.EBADF;
  detach = (fh: number): number => this.channel?.detach(fh) ?? -errno.EBADF;
  stand: DataPlane['stand'] = (nodeid, fh, flags, backingId, indifferent, whole) =>
    this.#unlogged?.stand(nodeid, fh, flags, backingId, indifferent, whole);
  withdraw = (fh: number): boolean => this.channel?.withdraw(fh) ?? false;
  mirror: DataPlane['mirror'] = (fh, nodeid, inoLow, inoHigh, valid) =>
    this.#unlogged?.mirror(fh, nodeid, inoLow, inoHigh, valid) ?? -errno.EBADF;
  mirrorDirectory: DataPlane['mirrorDirectory'] = (nodeid, fd, inoLow, inoHigh, nlink, valid, openToChange) =>
    this.#unlogged?.mirrorDirectory(nodeid, fd, inoLow, inoHigh, nlink, valid, openToChange);
  hide: DataPlane['hide'] = (fd, name) => this.#unlogged?.hide(fd, name);
  serveRows: DataPlane['serveRows'] = (...args) => this.#unlogged?.serveRows(...args);
  endRows = (nodeid: number): void => this.channel?.endRows(nodeid);
  dropRows = (number: number): void => this.channel?.dropRows(number);
  allowRows = (allowed: boolean): void => this.channel?.allowRows(allowed);
  rowsIn = (number: number): number => this.channel?.rowsIn(number) ?? 0;
  takeRows: DataPlane['takeRows'] = (nodeid) => this.channel?.takeRows(nodeid) ?? null;
  liveRows = (): number => this.channel?.liveRows() ?? 0;
  allowLinks = (allowed: boolean): void => this.channel?.allowLinks(allowed);
  ownLinks = (identity: string, owned: boolean): void => this.channel?.ownLinks(identity, owned);
  linkedNode = (identity: string): number => this.channel?.linkedNode(identity) ?? 0;
  ledTo = (row: number): number => this.channel?.ledTo(row) ?? 0;
  takeLinks: DataPlane['takeLinks'] = (nodeid) => this.channel?.takeLinks(nodeid) ?? null;
  takeOpen: DataPlane['takeOpen'] = (nodeid) => this.channel?.takeOpen(nodeid) ?? null;
  nodeOfOpen = (fh: number): number => this.channel?.nodeOfOpen(fh) ?? 0;
  openRows = (): Float64Array => this.channel?.openRows() ?? new Float64Array(0);
  beginListing = (nodeid: number, names: number): boolean => this.channel?.beginListing(nodeid, names) ?? true;
  fillsListing = (nodeid: number): boolean => this.channel?.fillsListing(nodeid) ?? true;
  askedIn = (nodeid: number): void => this.channel?.askedIn(nodeid);
  putRows: DataPlane['putRows'] = (nodeid, into, cells) => this.channel?.putRows(nodeid, into, cells) ?? 0;
  listed = (nodeid: number, cookie: number): void => this.#unlogged?.listed(nodeid, cookie);
  unmirror = (nodeid: number): void => this.channel?.unmirror(nodeid);
  reclaim = (): number => this.channel?.reclaim() ?? 0;
  backingOpen = (fd: number): number => this.channel?.backingOpen(fd) ?? -errno.EBADF;
  backingClose = (id: number): number => this.channel?.backingClose(id) ?? -errno.EBADF;
}

/** Seconds for which the kernel may trust entries and attributes. */
function validityOf(options: MountOptions): number {
  if (options.timeout !== null) return options.timeout;
  return options.upper !== null && options.readOnly ? SHARED_VALIDITY : Number.POSITIVE_INFINITY;
}

/** The calls that a mount makes; tests put faults between them and the host. */
export interface HostCalls {
  readonly syscalls: Syscalls;
  readonly jobs: Jobs;
}

/** Mounts over the native channel. Resolves when the mount answers; throws MountError before anything is mounted. */
export async function mountUnion(
  options: MountOptions,
  mountpoint: string,
  host: HostCalls = { syscalls, jobs },
): Promise<Mounted> {
  syscalls.raiseFileLimit();
  const plane = new LatePlane();
  const notifier = new Notifier();
  const u = await assembleUnion(host.syscalls, host.jobs, options, plane, notifier);
  let fd: number;
  try {
    fd = mountFuse(syscalls, {
      mountpoint,
      source: sourceOf(options),
      subtype: options.subtype,
      readOnly: u.workdir === null,
      allowOther: options.allowOther ?? syscalls.geteuid() === 0,
      uid: syscalls.geteuid(),
      gid: syscalls.getegid(),
      flags: options.flags,
    });
  } catch (error) {
    dissolveUnion(u);
    throw error;
  }
  const announced = announce(syscalls, mountpoint);
  const channel = addon.openChannel(fd, MAX_WRITE, options.fastWakeups);
  plane.channel = channel;
  notifier.channel = channel;
  return converse(u, options, mountpoint, channel, { fd, announced });
}

/** Has memory given back when the kernel has forgotten much and the mount is idle. */
function keeperOf(u: Union, requests: () => number): MemoryKeeper {
  const keeper = new MemoryKeeper({
    live: () => u.nodes.size,
    requests,
    trim: () => trimUnion(u),
    collect: collectGarbage,
  });
  u.nodes.onLoss = (count) => keeper.note(count);
  return keeper;
}

function converse(
  u: Union,
  options: MountOptions,
  mountpoint: string,
  channel: NativeChannel,
  kept: { readonly fd: number; readonly announced: number },
): Promise<Mounted> {
  return new Promise((resolve, reject) => {
    let end: (code: number) => void = () => {};
    const ended = new Promise<number>((settle) => {
      end = settle;
    });
    const stats = (): MountStats => {
      const counters = channel.counters();
      return {
        nodes: u.nodes.size,
        handles: u.handles.size + (counters.openRows as number),
        backingIds: Math.max(counters.backings as number, backingIds(u)),
        fds: liveFds(),
        inFlight: session.inFlight,
        assertions: assertionFailures(),
        attached: 0,
        ...counters,
      };
    };
    const memory = keeperOf(u, () => channel.counters().requests ?? 0);
    const session = new Session(channel, u, validityOf(options), {
      ready: () => {
        resolve({ unmount: () => unmountFuse(u.sys, mountpoint), ended, stats });
        // Not before who waits for the mount was told.
        setImmediate(settleEngine);
      },
      ended: (code) => {
        channel.stop();
        memory.stop();
        // Closing the descriptor aborts the connection: no user is left hanging.
        u.sys.close(kept.fd);
        dissolveUnion(u);
        releaseAnnounced(syscalls, kept.announced);
        report(stats());
        end(code);
        reject(new MountError(`mountpoint ${mountpoint}: the connection ended before the mount answered`));
      },
    });
    u.runsAgain = true;
    session.start();
  });
}

/** One JSON line of counts to the file that STRATAFS_STATS names, if it names one. */
export function report(stats: MountStats): void {
  const file = process.env.STRATAFS_STATS;
  if (file === undefined) return;
  try {
    appendFileSync(file, `${JSON.stringify(stats)}\n`);
  } catch (error) {
    log.warn(`statistics: ${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
