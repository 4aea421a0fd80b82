// The inode flags of chattr that a copy keeps beside the protecting ones: how the host treats the file,
// not who may change it. Kernel overlayfs keeps A and S.

import { errno } from '../errno.js';
import { log } from '../log.js';
import { O_NONBLOCK, O_RDONLY } from '../sys/constants.js';
import type { Examined } from '../sys/examined.js';
import { openAtPlace, type Place } from './attributes.js';
import type { Union } from './union.js';

/** As FS_IOC_GETFLAGS has them. */
const kept: readonly (readonly [string, number])[] = [
  ['S', 0x8],
  ['d', 0x40],
  ['A', 0x80],
  ['D', 0x1_0000],
];
const KEPT = kept.reduce((flags, [, flag]) => flags | flag, 0);

/** What at `place` says `flags` of itself; -errno where it cannot be asked. */
function withFlags(u: Union, place: Place, use: (fd: number, flags: number) => number): number {
  const fd = openAtPlace(u, place, O_RDONLY | O_NONBLOCK);
  if (fd < 0) return fd;
  try {
    const flags = u.sys.getFlags(fd);
    return flags < 0 ? flags : use(fd, flags);
  } finally {
    u.sys.close(fd);
  }
}

/** Gives the copy at `to` the flags of `from`, which was `examined`. Best effort: not each host has each flag. */
export function keepFlags(u: Union, from: Place, examined: Examined, to: Place): void {
  const { flags: told, stat } = examined;
  if (!(stat.isRegular || stat.isDirectory)) return;
  const flags = told === -errno.EBADF ? withFlags(u, from, (_, all) => all & KEPT) : told;
  if (flags < 0 || (flags & KEPT) === 0) return;
  for (const [letter, flag] of kept) {
    if ((flags & flag) === 0) continue;
    const set = withFlags(u, to, (fd, all) => ((all & flag) !== 0 ? 0 : u.sys.setFlags(fd, (all | flag) >>> 0)));
    if (set < 0) log.once('warn', `chattr ${letter}`, `upperdir does not take chattr +${letter}: copies lose it`);
  }
}
