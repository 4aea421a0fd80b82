// A container that is mounted goes on with a fresh upper: its processes are paused, what they wrote is settled, and its
// server is asked to seal the upper. Where that cannot be, the container goes on as it is, and the reason is told.

import { closeSync, openSync } from 'node:fs';
import { basename } from 'node:path';
import { errno, errnoName } from '../../errno.js';
import type { Container } from '../../image/container/containers.js';
import { isDead, mountOf } from '../../image/container/mount-table.js';
import { ImageError } from '../../image/error.js';
import { check } from '../../sys/check.js';
import { bytesOf } from '../../sys/name.js';
import { jobs, syscalls } from '../../sys/syscalls.js';
import { TRUSTED_UPPER, USER_UPPER } from '../../union/told-layers.js';
import type { Call } from '../image-command.js';
import { paused } from './runtime.js';

/** What a server answers that cannot seal just now, in words. */
const reasons: Readonly<Record<number, string>> = {
  [errno.EXDEV]: 'a hard link of the image was changed under one of its names only',
  [errno.EBUSY]: 'a file with several names is held open',
  [errno.EOPNOTSUPP]: 'its filesystem keeps too little for it',
};

async function through<T>(mountpoint: string, use: (fd: number) => Promise<T> | T): Promise<T> {
  const fd = openSync(mountpoint, 'r');
  try {
    return await use(fd);
  } finally {
    closeSync(fd);
  }
}

/** Everything that was written through the mount is in the upper when it resolves. */
export async function settle(mountpoint: string | null): Promise<void> {
  if (mountpoint === null || isDead(mountpoint)) return;
  await through(mountpoint, async (fd) => check(await jobs.syncfs(fd), `sync ${mountpoint}`));
}

/** By which xattr this user may have the upper sealed that is called `upper`; null when the server knows of none. */
function requestKey(fd: number, upper: string): string | null {
  const tells = (key: string): boolean => {
    const value = syscalls.getXattr(fd, '', key);
    return typeof value !== 'number' && Buffer.from(value).toString('latin1') === bytesOf(upper);
  };
  return [TRUSTED_UPPER, USER_UPPER].find(tells) ?? null;
}

/** 0, or -errno. */
function request(fd: number, upper: string): number {
  const key = requestKey(fd, upper);
  if (key === null) return -errno.EOPNOTSUPP;
  return syscalls.setXattr(fd, '', key, Buffer.from(bytesOf(upper), 'latin1'), 0);
}

/**
 * True when all that the container had changed lies in sealed uppers now. The first settling makes the second, for
 * which its processes wait, a short one.
 */
export async function sealUpper(call: Call, container: Container): Promise<boolean> {
  const mountpoint = mountOf(container.record.id);
  if (mountpoint === null || isDead(mountpoint)) return false;
  const upper = basename(container.upper());
  const seal = async (): Promise<number> => {
    await settle(mountpoint);
    return through(mountpoint, (fd) => request(fd, upper));
  };
  await settle(mountpoint);
  const result = await (call.flag('no-pause') ? seal() : paused(container, seal));
  if (result === 0) return true;
  if (result === -errno.EINTR) throw new ImageError('interrupted');
  const reason = reasons[-result] ?? errnoName(-result);
  call.progress.line(`container ${container.record.name} goes on with its upper as it is: ${reason}`);
  return false;
}
