// The inode flags of chattr and the project attributes, read and set: the host's, with the protecting
// ones in the place where the union keeps them.

import { ErrnoError, fail } from '../errno.js';
import { check } from '../sys/check.js';
import { O_NONBLOCK, O_RDONLY, S_IFREG } from '../sys/constants.js';
import { openAtPlace, placeOf } from './attributes.js';
import { copyUp } from './copy-up.js';
import { DirNode, FileNode, type Inode } from './inode.js';
import { APPEND, IMMUTABLE, PROTECTING, protect, protectionOf } from './protection.js';
import type { Union } from './union.js';

/** The same flags in fsx_xflags, the first word of struct fsxattr. */
const XFLAG_IMMUTABLE = 0x8;
const XFLAG_APPEND = 0x10;

/** Runs `use` with a readable descriptor of `node`. */
function withFd<T>(u: Union, node: Inode, use: (fd: number) => T): T {
  const openable = node instanceof DirNode || (node instanceof FileNode && node.format === S_IFREG);
  if (!openable) throw fail('ENOTTY', 'ioctl on a special file');
  const fd = check(openAtPlace(u, placeOf(u, node), O_RDONLY | O_NONBLOCK), 'ioctl');
  try {
    return use(fd);
  } finally {
    u.sys.close(fd);
  }
}

/** FS_IOC_GETFLAGS. */
export function getFlags(u: Union, node: Inode): number {
  const flags = withFd(u, node, (fd) => u.sys.getFlags(fd));
  return check(flags, 'FS_IOC_GETFLAGS') | protectionOf(u, node);
}

/** FS_IOC_SETFLAGS. The kernel has checked who may. */
export function setFlags(u: Union, node: Inode, flags: number): void {
  copyUp(u, node, 'attributes');
  changeFlags(u, node, flags & PROTECTING, (fd) => {
    // A host that was told to protect the file refuses its marks too.
    const real = check(u.sys.getFlags(fd), 'FS_IOC_SETFLAGS');
    if (real !== (flags & ~PROTECTING)) check(u.sys.setFlags(fd, flags & ~PROTECTING), 'FS_IOC_SETFLAGS');
  });
}

function changeFlags(u: Union, node: Inode, protection: number, setOthers: (fd: number) => void): void {
  withFd(u, node, setOthers);
  protect(u, node, protection);
  node.keptCtime = null;
  // The kernel's client takes nothing that it remembers for changed by an ioctl.
  u.staleness.attributes(node);
}

function firstWord(raw: Uint8Array): DataView {
  return new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
}

/** FS_IOC_FSGETXATTR: struct fsxattr. */
export function getFsx(u: Union, node: Inode): Uint8Array {
  const raw = withFd(u, node, (fd) => u.sys.getFsx(fd));
  if (typeof raw === 'number') throw new ErrnoError(-raw, 'FS_IOC_FSGETXATTR');
  const flags = protectionOf(u, node);
  const immutable = (flags & IMMUTABLE) === 0 ? 0 : XFLAG_IMMUTABLE;
  const append = (flags & APPEND) === 0 ? 0 : XFLAG_APPEND;
  firstWord(raw).setUint32(0, firstWord(raw).getUint32(0, true) | immutable | append, true);
  return raw;
}

/** FS_IOC_FSSETXATTR. */
export function setFsx(u: Union, node: Inode, given: Uint8Array): void {
  if (given.byteLength < 4) throw fail('EINVAL', 'FS_IOC_FSSETXATTR without flags');
  copyUp(u, node, 'attributes');
  const raw = given.slice();
  const flags = firstWord(raw).getUint32(0, true);
  firstWord(raw).setUint32(0, flags & ~(XFLAG_IMMUTABLE | XFLAG_APPEND), true);
  const immutable = (flags & XFLAG_IMMUTABLE) === 0 ? 0 : IMMUTABLE;
  const append = (flags & XFLAG_APPEND) === 0 ? 0 : APPEND;
  changeFlags(u, node, immutable | append, (fd) => check(u.sys.setFsx(fd, raw), 'FS_IOC_FSSETXATTR'));
}
