// `stratafs umount MOUNTPOINT`, and umount(8)'s helper: umount2 where it is allowed, fusermount3 where it is not. Comes back
// when the server has closed its layers, so that they can be unmounted next.

import { spawnSync } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { errno } from '../errno.js';
import { awaitEnd, isShown, minorOf, mountTable } from '../session/ending.js';
import { NOT_INSTALLED } from '../session/mount.js';
import { MNT_DETACH, UMOUNT_NOFOLLOW } from '../sys/constants.js';
import { bytesOf, shown } from '../sys/name.js';
import { syscalls } from '../sys/syscalls.js';
import { explain, MountError } from '../union/layers.js';

export function umountCommand(argv: readonly string[]): number {
  const [mountpoint, ...rest] = argv;
  if (mountpoint === undefined || rest.length > 0) throw new MountError('usage: stratafs umount MOUNTPOINT');
  return unmount(mountpoint, false);
}

/** What umount(8) passes: the mountpoint and options, of which only the lazy one changes anything. */
export function umountHelper(argv: readonly string[]): number {
  const valued = ['-t', '-N'];
  const places = argv.filter((word, at) => !word.startsWith('-') && !valued.includes(argv[at - 1] ?? ''));
  const [mountpoint, ...rest] = places;
  if (mountpoint === undefined || rest.length > 0) throw new MountError('usage: umount.stratafs MOUNTPOINT [-l]');
  const lazy = argv.some((word) => /^-[a-zA-Z]*l/.test(word));
  return unmount(mountpoint, lazy);
}

/** The path as the mount table has it, in bytes. What is mounted there is not asked: its server may hang. */
function canonical(mountpoint: string): string {
  try {
    const inPlace = ['.', '..'].includes(basename(mountpoint));
    const real = inPlace
      ? realpathSync.native(mountpoint)
      : join(realpathSync.native(dirname(mountpoint)), basename(mountpoint));
    return bytesOf(real);
  } catch {
    return bytesOf(mountpoint);
  }
}

function unmount(mountpoint: string, lazy: boolean): number {
  const minor = minorOf(mountTable(), canonical(mountpoint));
  const code = takeDown(mountpoint, lazy);
  // A lazy one ends when its last user does.
  if (code === 0 && minor !== null && !lazy && !isShown(mountTable(), minor)) awaitEnd(syscalls, minor);
  return code;
}

function takeDown(mountpoint: string, lazy: boolean): number {
  const path = bytesOf(mountpoint);
  const result = syscalls.umount(path, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0));
  if (result === 0) return 0;
  if (result !== -errno.EPERM) {
    const why = result === -errno.EINVAL ? 'not mounted' : result === -errno.EBUSY ? 'in use' : explain(-result);
    throw new MountError(`mountpoint ${shown(path)}: ${why}`);
  }
  const words = ['-u', ...(lazy ? ['-z'] : []), '--', mountpoint];
  const helper = spawnSync('fusermount3', words, { stdio: ['ignore', 'ignore', 'inherit'] });
  if (helper.error !== undefined) {
    const missing = (helper.error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new MountError(`fusermount3: ${missing ? NOT_INSTALLED : helper.error.message}`);
  }
  return helper.status ?? 1;
}
