// The second channel's assembly: the same union behind the package fuse-native, for hosts where the
// native channel cannot be used. Loads the package, and its libfuse, only when it is asked for.

import { fstatSync, readdirSync, readlinkSync } from 'node:fs';
import type Fuse from 'fuse-native';
import { assertionFailures } from './assert.js';
import { errno } from './errno.js';
import { log } from './log.js';
import type { Mounted, MountStats } from './mounted.js';
import { report, sourceOf } from './mounted.js';
import { FuseNativeChannel } from './session/fuse-native-channel.js';
import { mountArgument } from './session/fuse-native-convert.js';
import { ScriptPlane } from './session/fuse-native-plane.js';
import { unmountFuse } from './session/mount.js';
import { Notifier } from './session/notifier.js';
import { liveFds } from './sys/fd.js';
import { bytesOf, shown } from './sys/name.js';
import { jobs, syscalls } from './sys/syscalls.js';
import { assembleUnion, dissolveUnion } from './union/assemble.js';
import { MountError } from './union/layers.js';
import type { MountOptions } from './union/options.js';
import type { Union } from './union/union.js';

/** How often it is asked whether libfuse has closed its descriptor, ms: the package does not tell. */
const WATCH_MS = 100;
/** The package's buffer for the mountpoint, NUL included, bytes. */
const MOUNTPOINT_MAX = 1024;

async function loadPackage(): Promise<typeof Fuse> {
  try {
    return (await import('fuse-native')).default;
  } catch (error) {
    const why = (error instanceof Error ? error.message : String(error)).split('\n')[0];
    throw new MountError(
      `--channel=fuse-native: the package fuse-native does not load (${why}); it needs libfuse 2.9: apt-get install libfuse2`,
    );
  }
}

/** The mountpoint as the package can take it. */
function textOf(mountpoint: string): string {
  const text = shown(mountpoint);
  if (bytesOf(text) !== mountpoint) throw new MountError(`mountpoint ${text}: --channel=fuse-native needs UTF-8`);
  if (mountpoint.length >= MOUNTPOINT_MAX) throw new MountError(`mountpoint ${text}: too long`);
  return text;
}

/** This process's descriptors of /dev/fuse. */
function deviceFds(): Set<number> {
  const found = new Set<number>();
  for (const name of readdirSync('/proc/self/fd')) {
    try {
      if (readlinkSync(`/proc/self/fd/${name}`) === '/dev/fuse') found.add(Number(name));
    } catch (error) {
      // The listing's own descriptor is gone by now.
      log.debug(`descriptor ${name}: ${String(error)}`);
    }
  }
  return found;
}

/** Identifies what `fd` is open on; null when it is closed. */
function deviceOf(fd: number): string | null {
  try {
    const { dev, ino, rdev } = fstatSync(fd);
    return `${dev}:${ino}:${rdev}`;
  } catch {
    return null;
  }
}

/** Tells when libfuse has closed the connection's descriptor, the one that is not among `before`. */
class Watch {
  #fd: number | undefined;
  #device: string | null = null;
  readonly #before = deviceFds();
  readonly #timer: NodeJS.Timeout;

  constructor(gone: () => void) {
    this.#timer = setInterval(() => {
      if (this.look()) return;
      this.stop();
      gone();
    }, WATCH_MS);
  }

  /** False when the descriptor was there and is not any more. */
  look(): boolean {
    if (this.#fd !== undefined) return deviceOf(this.#fd) === this.#device;
    this.#fd = [...deviceFds()].find((each) => !this.#before.has(each));
    if (this.#fd !== undefined) this.#device = deviceOf(this.#fd);
    return true;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

/** Mounts through the package fuse-native. Resolves when the mount answers; throws MountError before anything is mounted. */
export async function mountFuseNative(options: MountOptions, mountpoint: string): Promise<Mounted> {
  const Package = await loadPackage();
  const path = textOf(mountpoint);
  syscalls.raiseFileLimit();
  const plane = new ScriptPlane(syscalls);
  const u = await assembleUnion(syscalls, jobs, options, plane, new Notifier());
  u.passthrough = false;
  const channel = new FuseNativeChannel(u, plane);
  const fuse = new Package(path, FuseNativeChannel.implemented, { timeout: false });
  channel.attach(
    fuse,
    mountArgument({
      source: shown(sourceOf(options)),
      readOnly: u.workdir === null,
      allowOther: options.allowOther ?? syscalls.geteuid() === 0,
      timeout: options.timeout,
      flags: options.flags,
    }),
  );
  return converse(u, channel, plane, fuse, mountpoint);
}

function converse(
  u: Union,
  channel: FuseNativeChannel,
  plane: ScriptPlane,
  fuse: Fuse,
  mountpoint: string,
): Promise<Mounted> {
  const stats = (): MountStats => ({
    nodes: u.nodes.size,
    handles: u.handles.size,
    backingIds: 0,
    fds: liveFds(),
    attached: plane.attached,
    inFlight: channel.inFlight,
    assertions: assertionFailures(),
    requests: channel.requests,
  });
  const unmount = (): void => unmountFuse(u.sys, mountpoint);
  return new Promise((resolve, reject) => {
    const ended = new Promise<number>((settle) => {
      const close = (why: string): void => {
        channel.end();
        dissolveUnion(u);
        report(stats());
        settle(errno.ENODEV);
        reject(new MountError(`mountpoint ${shown(mountpoint)}: ${why}`));
      };
      const watching = new Watch(() => close('the connection ended before the mount answered'));
      fuse.mount((error) => {
        if (error === null) {
          // libfuse waits for this answer: the mount cannot have come and gone unseen.
          watching.look();
          resolve({ unmount, ended, stats });
          return;
        }
        watching.stop();
        close(error.message);
      });
    });
  });
}
