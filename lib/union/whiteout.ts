// Writing whiteouts and opaque marks, in kernel overlayfs's dialect where the host allows it: one
// shared char 0:0 inode that every whiteout is a hard link of, published by one link, or by one rename over a file.

import { ErrnoError, errno, fail } from '../errno.js';
import { check } from '../sys/check.js';
import { O_CREAT, O_DIRECTORY, O_EXCL, O_WRONLY, RENAME_EXCHANGE, RENAME_WHITEOUT, S_IFCHR } from '../sys/constants.js';
import { asServer } from './caller.js';
import { writePrivate } from './copy-metadata.js';
import type { LayerDir } from './dir-fds.js';
import { OPAQUE_FILE, WH } from './marks.js';
import type { Union } from './union.js';
import type { Workdir } from './workdir.js';

/** Longest name that a `.wh.` whiteout can hide. */
export const WH_NAME_MAX = 255 - WH.length;

/** Puts a char 0:0 whiteout at `fd`/`name` in one step; EEXIST where there is something. */
function placeWhiteout(u: Union, work: Workdir, fd: number, name: string): void {
  const make = (dirfd: number, at: string): void => {
    asServer(u, () => check(u.sys.mknodAt(dirfd, at, S_IFCHR, 0), 'whiteout'));
  };
  for (let attempt = 0; attempt < 2; attempt += 1) {
    const shared = work.sharedWhiteout((at) => {
      make(work.fd, at);
      u.plane.hide(work.fd, at);
    });
    const linked = u.sys.linkAt(work.fd, shared, fd, name);
    if (linked === 0) return;
    if (linked !== -errno.EMLINK) break;
    work.retireWhiteout();
  }
  make(fd, name);
}

/** A whiteout under a temporary name in the workdir. */
function stageWhiteout(u: Union, work: Workdir): string {
  const staged = work.temporary();
  placeWhiteout(u, work, work.fd, staged);
  return staged;
}

/** Puts a whiteout at `name`, where the upper has nothing. */
export function addWhiteout(u: Union, work: Workdir, dir: LayerDir, name: string): void {
  const fd = u.dirFds.fd(dir);
  if (u.features.deviceWhiteout) placeWhiteout(u, work, fd, name);
  else writeFileWhiteout(u, fd, name);
}

/** `.wh.NAME`: what hosts get that refuse char 0:0. */
function writeFileWhiteout(u: Union, fd: number, name: string): void {
  if (name.length > WH_NAME_MAX) throw fail('ENAMETOOLONG', 'a whiteout of a long name');
  const made = u.sys.openAt(fd, WH + name, O_CREAT | O_EXCL | O_WRONLY, 0o600);
  if (made >= 0) u.sys.close(made);
  else if (made !== -errno.EEXIST) throw new ErrnoError(-made, 'whiteout file');
}

/** Replaces the upper's file `name` by a whiteout in one step; the file is gone. */
export function replaceFileByWhiteout(u: Union, work: Workdir, dir: LayerDir, name: string): void {
  const fd = u.dirFds.fd(dir);
  if (!u.features.deviceWhiteout) {
    writeFileWhiteout(u, fd, name);
    check(u.sys.unlinkAt(fd, name, 0), 'unlink');
    return;
  }
  const staged = stageWhiteout(u, work);
  const moved = u.sys.renameAt(work.fd, staged, fd, name, 0);
  if (moved < 0) u.sys.unlinkAt(work.fd, staged, 0);
  check(moved, 'whiteout');
}

/** Replaces the upper's directory `name` by a whiteout; the directory is left to the workdir to remove. */
export function replaceDirByWhiteout(u: Union, work: Workdir, dir: LayerDir, name: string): void {
  const fd = u.dirFds.fd(dir);
  if (!u.features.deviceWhiteout) {
    writeFileWhiteout(u, fd, name);
    const trash = work.temporary();
    check(u.sys.renameAt(fd, name, work.fd, trash, 0), 'rmdir');
    work.discard(trash);
    return;
  }
  if (!u.features.renameExchange) {
    const trash = work.temporary();
    check(u.sys.renameAt(fd, name, work.fd, trash, u.features.renameWhiteout ? RENAME_WHITEOUT : 0), 'rmdir');
    if (!u.features.renameWhiteout) addWhiteout(u, work, dir, name);
    work.discard(trash);
    return;
  }
  const staged = stageWhiteout(u, work);
  const swapped = u.sys.renameAt(work.fd, staged, fd, name, RENAME_EXCHANGE);
  work.discard(staged);
  check(swapped, 'rmdir');
}

/** Marks the directory behind `fd`/`name`: deeper layers add nothing to it. */
export function setOpaque(u: Union, fd: number, name: string): void {
  const marked = writePrivate(u, { fd, name }, 'opaque', new Uint8Array([0x79]));
  if (marked !== -errno.EOPNOTSUPP && marked !== -errno.EPERM) {
    check(marked, 'opaque');
    return;
  }
  const inside = name === '' ? fd : check(u.sys.openAt(fd, name, O_DIRECTORY, 0), 'opaque');
  const made = u.sys.openAt(inside, OPAQUE_FILE, O_CREAT | O_WRONLY, 0o600);
  if (made >= 0) u.sys.close(made);
  if (inside !== fd) u.sys.close(inside);
  check(made, 'opaque file');
}
