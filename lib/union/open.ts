// Opening and releasing files: copy-up for writers, the io mode, the backing that all passthrough
// opens of a node share. The data plane owns each descriptor from the moment it is attached.

import { Buffer } from 'node:buffer';
import { ErrnoError, errno, fail } from '../errno.js';
import { log } from '../log.js';
import { backingIdOf } from '../nodes/ids.js';
import { type IoMode, ioMode } from '../nodes/io-mode.js';
import { check } from '../sys/check.js';
import {
  O_ACCMODE,
  O_APPEND,
  O_DSYNC,
  O_LARGEFILE,
  O_NOATIME,
  O_RDONLY,
  O_SYNC,
  O_TRUNC,
  S_ISGID,
  S_ISUID,
} from '../sys/constants.js';
import type { Stat } from '../sys/stat.js';
import { readingCounts } from './access-times.js';
import { openAtPlace, type Place, placeOf } from './attributes.js';
import { copyUp } from './copy-up.js';
import { closeIdle, enlist, withdraw } from './handles.js';
import { namesOf, unidentify } from './hard-links.js';
import type { Backing, FileHandle, FileNode } from './inode.js';
import { detach } from './lookup.js';
import { dataPlace } from './metacopy.js';
import { type Changer, killPrivileges, known, trustedChanger, unknownChanger } from './privileges.js';
import { refuseProtectedOpen } from './protection.js';
import { keepReachable } from './remove.js';
import type { Union } from './union.js';

/** What the caller is told of its new open file. */
export interface Opened {
  readonly handle: FileHandle;
  readonly backing: Backing | null;
  /** The kernel may keep the pages it has of this file. */
  readonly keepCache: boolean;
}

/** Flags that mean something on the descriptor behind an open; the others the kernel has applied, or are its own. */
const PASSED_ON = O_ACCMODE | O_TRUNC | O_DSYNC | O_SYNC | O_LARGEFILE | O_NOATIME;
const elf = Buffer.from('\x7fELF', 'latin1');
/** Where isCode reads: memory outside of the heap is dear to get and to collect. */
const head = Buffer.alloc(elf.length);

function wantsWrite(flags: number): boolean {
  return (flags & O_ACCMODE) !== O_RDONLY || (flags & O_TRUNC) !== 0;
}

/** open(2) of a node by a caller whom the kernel has checked. */
export function openFile(u: Union, node: FileNode, flags: number, who: Changer = trustedChanger): Opened {
  const writes = wantsWrite(flags);
  withdraw(u, node);
  if (writes) {
    refuseProtectedOpen(u, node, flags);
    refuseStale(u, node);
    // A removed lower file stays readable; only a copy can be written.
    copyUp(u, node, (flags & O_TRUNC) !== 0 ? 'empty' : 'data');
  }
  // The host sees no setuid bit to take away when this one writes.
  const strips = writes && u.features.overrides && known(u, who).uid !== 0 && isPrivileged(u, placeOf(u, node));
  if (strips) killPrivileges(u, node, who, u.scratch);
  const opened = admit(u, node, openPlace(u, node, flags), flags, who);
  // From now on a mapping can change the file's times unseen: the kernel must ask.
  if (writes && opened.backing !== null) u.staleness.attributes(node);
  return opened;
}

/** A descriptor of where the node's data is now. */
function openPlace(u: Union, node: FileNode, flags: number): number {
  const fd = openQuietly(u, node, flags);
  if (fd !== -errno.EMFILE && fd !== -errno.ENFILE) return check(fd, 'open');
  closeIdle(u);
  return check(openQuietly(u, node, flags), 'open');
}

/** Without a trace in the access times, where those are to stay: a descriptor, or -errno. */
function openQuietly(u: Union, node: FileNode, flags: number): number {
  // A writer has made sure that the data is with the attributes; no write is led to a lower.
  const place = wantsWrite(flags) ? placeOf(u, node) : dataPlace(u, node);
  const quiet = !node.dataInUpper || !readingCounts(u);
  const bare = (flags & PASSED_ON) | (quiet ? O_NOATIME : 0);
  let fd = openAtPlace(u, place, bare);
  if (fd === -errno.EPERM) fd = openAtPlace(u, place, bare & ~O_NOATIME);
  // A file that is append-only on the host: writes go to its end, where the kernel's offset is too.
  if (fd === -errno.EPERM && (flags & O_APPEND) !== 0) fd = openAtPlace(u, place, (bare & ~O_NOATIME) | O_APPEND);
  return fd;
}

/** Makes the handle of `fd`, which it takes over. `made`: the attributes of a file that is new. */
export function admit(
  u: Union,
  node: FileNode,
  fd: number,
  flags: number,
  who: Changer = trustedChanger,
  made: Stat | null = null,
): Opened {
  const writes = wantsWrite(flags);
  // Of the others nobody asks who they are.
  const opener = writes && (u.passthrough || u.features.overrides) ? known(u, who).uid : who.uid;
  const mode = chooseMode(u, node, fd, flags, opener, made);
  const backing = mode === 'passthrough' ? takeBacking(u, node, fd) : null;
  const handle: FileHandle = {
    fh: u.handles.mint(),
    node,
    fd,
    openFlags: flags & PASSED_ON & ~O_TRUNC,
    mode: backing === null ? 'cached' : 'passthrough',
    writable: writes,
    opener,
  };
  // What is open for writing is the upper's and stays so, also under a fresh upper.
  const attached = u.plane.attach(handle.fh, fd, writes && !u.options.volatile);
  if (attached < 0) {
    u.sys.close(fd);
    throw new ErrnoError(-attached, 'open');
  }
  enlist(u, handle);
  const keepCache = backing === null && !node.cacheStale;
  if (backing === null) node.cacheStale = false;
  return { handle, backing, keepCache };
}

function chooseMode(u: Union, node: FileNode, fd: number, flags: number, opener: number, made: Stat | null): IoMode {
  if (!u.passthrough) return 'cached';
  const mode = ioMode({
    live: node.backing !== null ? 'passthrough' : node.cachedOpens > 0 ? 'cached' : 'none',
    liveOnLower: node.backing?.onLower ?? false,
    onUpper: node.dataInUpper,
    wantsWrite: wantsWrite(flags),
    readOnlyMount: u.workdir === null,
    isCode: () => isCode(u, fd),
    policy: u.options.passthrough,
  });
  if (mode === 'stale') throw fail('ESTALE', 'a lower file in passthrough is opened for writing');
  if (mode !== 'passthrough' || !wantsWrite(flags)) return mode;
  // A new file has no capabilities yet.
  const risky = made === null ? isPrivileged(u, { fd, name: '' }) : hasSetid(made);
  return risky ? withoutPrivileges(u, node, opener) : mode;
}

function hasSetid(stat: Stat): boolean {
  return (stat.mode & (S_ISUID | S_ISGID)) !== 0;
}

/** Setuid, setgid, or with capabilities. */
function isPrivileged(u: Union, { fd, name }: Place): boolean {
  const stat = u.scratch;
  check(u.sys.statAt(fd, name, stat), 'stat');
  if (hasSetid(stat)) return true;
  return (stat.mode & 0o111) !== 0 && typeof u.sys.getXattr(fd, name, 'security.capability') !== 'number';
}

/**
 * Writes in passthrough are made with the server's rights, which keep setuid and capabilities: such a
 * file is written through the data plane, which strips them as the kernel asks, also when root opened
 * it and another user writes. Where passthrough opens live already it is stripped now; root keeps it.
 */
function withoutPrivileges(u: Union, node: FileNode, opener: number): IoMode {
  if (node.backing === null) return 'cached';
  if (opener === 0) return 'passthrough';
  killPrivileges(u, node, unknownChanger, u.scratch);
  return 'passthrough';
}

/**
 * Throws when giving privileges to `node` would leave them with somebody who holds it open for writing
 * in a way (passthrough, or overrides) in which later writes would not take them away again.
 */
export function refusePrivileges(u: Union, node: FileNode, owner: number): void {
  for (const handle of node.handles ?? []) {
    const foreign = handle.opener !== 0 && handle.opener !== owner;
    const keeps = handle.mode === 'passthrough' || u.features.overrides;
    if (keeps && handle.writable && foreign) {
      throw fail('ETXTBSY', 'setuid on a file that another user holds open for writing');
    }
  }
}

/** Whether what is open as `fd` is code, which nobody rewrites in place. */
export function isCode(u: Union, fd: number): boolean {
  return u.sys.pread(fd, head, 0) === elf.length && head.equals(elf);
}

function takeBacking(u: Union, node: FileNode, fd: number): Backing | null {
  if (node.backing !== null) {
    node.backing.users += 1;
    return node.backing;
  }
  const id = u.plane.backingOpen(fd);
  if (id <= 0) {
    // ELOOP and the like are about this file; no permission is about the whole mount.
    if (id === -errno.EPERM || id === -errno.EOPNOTSUPP || id === -errno.ENOTTY) u.passthrough = false;
    log.once('warn', 'passthrough', `passthrough is refused (${id}): data goes through the server`);
    return null;
  }
  node.backing = { id: backingIdOf(id), onLower: !node.dataInUpper, users: 1 };
  return node.backing;
}

/**
 * A node whose lower file is open in passthrough must not become writable: the name gets a new node
 * and the caller ESTALE, at which the kernel looks the name up once more and opens the new node.
 */
export function refuseStale(u: Union, node: FileNode): void {
  withdraw(u, node);
  if (node.backing === null || !node.backing.onLower) return;
  copyUp(u, node, 'data');
  keepReachable(u, node);
  for (const { parent, name } of namesOf(node)) detach(parent, name, node);
  unidentify(u, node);
  node.aliases = null;
  node.parent = null;
  throw fail('ESTALE', 'the name has a new node');
}
