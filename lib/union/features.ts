// What the filesystem under the upper can do, found once at mount by trying in the workdir.
// A missing one degrades with a named warning here, never by surprise at use.

import { readFileSync } from 'node:fs';
import { errno } from '../errno.js';
import { log } from '../log.js';
import type { Syscalls } from '../sys/calls.js';
import { O_RDWR, O_TMPFILE, RENAME_EXCHANGE, RENAME_WHITEOUT, S_IFCHR } from '../sys/constants.js';
import { type Dialect, privateName } from './private-xattrs.js';

/**
 * How a copy's data stays together with its name through a power failure. `order`: the filesystem
 * journals a name after the blocks that were written before it, so writing the data out is enough.
 * `none`: nothing outlives a power failure here. `fsync`: unknown filesystems get the full flush.
 */
export type Durability = 'none' | 'order' | 'fsync';

const ORDERED = new Set([0xef53, 0x58465342, 0x9123683e, 0xf2f52010]);
const VOLATILE = new Set([0x01021994, 0x858458f6]);

function durabilityOf(sys: Syscalls, fd: number): Durability {
  const numbers = sys.statFs(fd);
  if (typeof numbers === 'number') return 'fsync';
  if (VOLATILE.has(numbers.type)) return 'none';
  return ORDERED.has(numbers.type) ? 'order' : 'fsync';
}

export interface Features {
  /** Namespace of the private xattrs that are written; null where the host takes none. */
  readonly dialect: Dialect | null;
  /** Whiteouts are char 0:0; else `.wh.` files. */
  readonly deviceWhiteout: boolean;
  readonly tmpfile: boolean;
  readonly renameWhiteout: boolean;
  readonly renameExchange: boolean;
  /** name_to_handle_at: files have names that renames do not change. */
  readonly handles: boolean;
  /** open_by_handle_at, which needs a privilege outside of user namespaces. */
  readonly openHandles: boolean;
  /** FICLONE; cleared after the first refusal. */
  reflink: boolean;
  /** What a copy's data needs before the copy may take its name. */
  readonly durability: Durability;
  /** The server's own ids: objects made by others are made as them. */
  readonly uid: number;
  readonly gid: number;
  /** May read what the users of the mount may not. */
  readonly privileged: boolean;
  /** This user namespace maps not all ids: an owner shown as 65534 may be nobody's. */
  readonly overflowIds: boolean;
  /** POSIX ACLs. */
  readonly acl: boolean;
  /** Owners, modes and types are kept in xattrs: the host neither applies nor strips them, and what is made gets them second. */
  readonly overrides: boolean;
}

/** Ids and rights of this process. */
function selfOf(sys: Syscalls): Pick<Features, 'uid' | 'gid' | 'privileged' | 'overflowIds'> {
  const uid = sys.geteuid();
  const overflowIds = mapsFewIds();
  return { uid, gid: sys.getegid(), privileged: uid === 0 && !overflowIds, overflowIds };
}

/** This user namespace maps not all ids. */
export function mapsFewIds(): boolean {
  return !/^\s*0\s+0\s+4294967295\s*$/.test(readFileSync('/proc/self/uid_map', 'latin1'));
}

/** A mount without an upper writes nothing. */
export function readOnlyFeatures(sys: Syscalls, top: number): Features {
  return {
    dialect: null,
    deviceWhiteout: false,
    tmpfile: false,
    renameWhiteout: false,
    renameExchange: false,
    handles: true,
    openHandles: mayOpenHandles(sys, top),
    reflink: false,
    durability: 'none',
    ...selfOf(sys),
    acl: takesAcls(sys, top),
    overrides: false,
  };
}

/** Answers of a host that is full or broken, not of one that cannot: later calls will tell. */
const undecided = new Set([-errno.ENOSPC, -errno.EDQUOT, -errno.EIO, -errno.ENOMEM]);

const can = (result: number): boolean => result >= 0 || undecided.has(result);

function probeDialect(sys: Syscalls, work: number): Dialect | null {
  const value = new Uint8Array([0x79]);
  for (const dialect of ['trusted', 'user'] as const) {
    const key = privateName(dialect, 'opaque');
    if (!can(sys.setXattr(work, '', key, value, 0))) continue;
    sys.removeXattr(work, '', key);
    return dialect;
  }
  return null;
}

function takesAcls(sys: Syscalls, dir: number): boolean {
  return sys.getXattr(dir, '', 'system.posix_acl_access') !== -errno.EOPNOTSUPP;
}

function probeTmpfile(sys: Syscalls, work: number): boolean {
  const fd = sys.openAt(work, '', O_TMPFILE | O_RDWR, 0o600);
  if (fd < 0) return can(fd);
  const linked = sys.linkAt(fd, '', work, '#tmpfile');
  sys.close(fd);
  if (linked === 0) sys.unlinkAt(work, '#tmpfile', 0);
  return can(linked);
}

/** Two scratch names in `work`, renamed with `flags`; true when the host can. */
function probeRename(sys: Syscalls, work: number, flags: number): boolean {
  const scratch = flags === RENAME_EXCHANGE ? ['#from', '#to'] : ['#from'];
  const made = Math.min(...scratch.map((name) => sys.mknodAt(work, name, 0o100600, 0)));
  const done = made < 0 ? made : sys.renameAt(work, '#from', work, '#to', flags);
  sys.unlinkAt(work, '#from', 0);
  sys.unlinkAt(work, '#to', 0);
  return can(done);
}

function mayOpenHandles(sys: Syscalls, dir: number): boolean {
  const handle = sys.nameToHandle(dir, '');
  if (typeof handle === 'number') return false;
  const fd = sys.openHandle(dir, handle, 0);
  if (fd >= 0) sys.close(fd);
  return fd >= 0;
}

/** Users of fuse-overlayfs know this name: set to anything, whiteouts are `.wh.` files on every host. */
const NO_DEVICES = 'FUSE_OVERLAYFS_DISABLE_OVL_WHITEOUT';

function probeDevice(sys: Syscalls, work: number): boolean {
  if (process.env[NO_DEVICES] !== undefined) return false;
  const made = sys.mknodAt(work, '#device', S_IFCHR, 0);
  if (made === 0) sys.unlinkAt(work, '#device', 0);
  return can(made);
}

/** Tries everything in the empty directory behind `work`, and handles where they are taken: of files of the `lowers`. */
export function probeFeatures(sys: Syscalls, work: number, lowers: readonly number[]): Features {
  const deviceWhiteout = probeDevice(sys, work);
  const features: Features = {
    dialect: probeDialect(sys, work),
    deviceWhiteout,
    tmpfile: probeTmpfile(sys, work),
    renameWhiteout: deviceWhiteout && probeRename(sys, work, RENAME_WHITEOUT),
    renameExchange: probeRename(sys, work, RENAME_EXCHANGE),
    handles: lowers.some((fd) => typeof sys.nameToHandle(fd, '') !== 'number'),
    openHandles: lowers.some((fd) => mayOpenHandles(sys, fd)),
    reflink: true,
    durability: durabilityOf(sys, work),
    ...selfOf(sys),
    acl: takesAcls(sys, work),
    overrides: false,
  };
  const without = (missing: boolean, consequence: string): void => {
    if (missing) log.warn(consequence);
  };
  without(features.dialect === null, 'upperdir takes no trusted or user xattrs: opaque marks are .wh..wh..opq files');
  without(!deviceWhiteout, 'no char 0:0 in upperdir: whiteouts are .wh. files, names end at 251 bytes');
  without(!features.acl, 'upperdir takes no POSIX ACLs: the mount has none');
  without(!features.tmpfile, 'upperdir has no O_TMPFILE: copies are prepared under temporary names');
  without(!features.renameExchange, 'upperdir cannot exchange names: some replacements take two steps');
  return features;
}
