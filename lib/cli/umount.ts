// `stratafs umount MOUNTPOINT`: umount2 where it is allowed, fusermount3 where it is not.

import { spawnSync } from 'node:child_process';
import { errno } from '../errno.js';
import { NOT_INSTALLED } from '../session/mount.js';
import { UMOUNT_NOFOLLOW } from '../sys/constants.js';
import { bytesOf, shown } from '../sys/name.js';
import { syscalls } from '../sys/syscalls.js';
import { explain, MountError } from '../union/layers.js';

export function umountCommand(argv: readonly string[]): number {
  const [mountpoint, ...rest] = argv.map(bytesOf);
  if (mountpoint === undefined || rest.length > 0) throw new MountError('usage: stratafs umount MOUNTPOINT');
  const result = syscalls.umount(mountpoint, UMOUNT_NOFOLLOW);
  if (result === 0) return 0;
  if (result !== -errno.EPERM) {
    const why = result === -errno.EINVAL ? 'not mounted' : result === -errno.EBUSY ? 'in use' : explain(-result);
    throw new MountError(`mountpoint ${shown(mountpoint)}: ${why}`);
  }
  const helper = spawnSync('fusermount3', ['-u', '--', argv[0] as string], { stdio: ['ignore', 'ignore', 'inherit'] });
  if (helper.error !== undefined) {
    const missing = (helper.error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new MountError(`fusermount3: ${missing ? NOT_INSTALLED : helper.error.message}`);
  }
  return helper.status ?? 1;
}
