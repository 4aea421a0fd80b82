// The bytes of a copy-up: an unnamed file in the workdir with the lower's data, by reflink, on the
// spot when small, as a job when large. Lowers never change, so a finished copy never goes stale.

import { ErrnoError, errno } from '../errno.js';
import { check } from '../sys/check.js';
import { O_CREAT, O_EXCL, O_RDONLY, O_RDWR, O_TMPFILE } from '../sys/constants.js';
import { OwnedFd } from '../sys/fd.js';
import { openAtPlace, type Place } from './attributes.js';
import type { Durability } from './features.js';
import type { Copying, FileNode } from './inode.js';
import { Pending } from './pending.js';
import type { Union } from './union.js';
import type { Workdir } from './workdir.js';

/** Up to so much data the copy is made at once, bytes: well under a millisecond of other callers' time. */
export const INLINE_BYTES = 1 << 20;

/** Data to be copied, and the file that takes it. */
export interface DataCopy {
  readonly from: Place;
  /** Bytes. */
  readonly length: number;
  /** Of these so many are data and not holes, at the most. */
  readonly stored: number;
  /** No data is wanted: the copy stays empty. */
  readonly empty: boolean;
  /** The file to fill, which is closed when that fails or nobody waits for it any more. */
  readonly target: () => OwnedFd;
}

/** A file under a temporary name, for hosts without unnamed ones; the name goes when it is closed. */
class NamedScratch extends OwnedFd {
  constructor(
    u: Union,
    readonly work: Workdir,
    readonly name: string,
  ) {
    super(u.sys, check(u.sys.openAt(work.fd, name, O_CREAT | O_EXCL | O_RDWR, 0o600), 'copy-up create'));
  }

  override close(): void {
    if (!this.closed) this.work.discard(this.name);
    super.close();
  }
}

/** An unnamed file in the workdir that can be linked to a name. */
export function scratchFile(u: Union, work: Workdir): OwnedFd {
  if (!u.features.tmpfile) return new NamedScratch(u, work, work.temporary());
  return new OwnedFd(u.sys, check(u.sys.openAt(work.fd, '', O_TMPFILE | O_RDWR, 0o600), 'copy-up create'));
}

/** `source`, whose data is its own, and what its blocks tell. */
export interface SmallSource {
  readonly fd: number;
  readonly size: number;
  /** Of these so many are data and not holes, at the most. */
  readonly stored: number;
  /** No holes. */
  readonly solid: boolean;
}

/** A copy of `source` that is made at once, data on its way to the disk; null where it takes longer, or is none of bytes. */
export function copiedAtOnce(u: Union, work: Workdir, node: FileNode, source: SmallSource): OwnedFd | null {
  const { fd, size, stored, solid } = source;
  const durability = durabilityHere(u);
  const plain = u.features.tmpfile && !u.features.reflink && durability !== 'fsync';
  if (!plain || node.copying !== null || fd < 0 || size === 0 || stored > INLINE_BYTES) return null;
  const made = u.sys.copyUnnamed(work.fd, fd, size, solid, durability === 'order');
  return new OwnedFd(u.sys, check(made, 'copy-up data'));
}

/**
 * The target's descriptor, data complete and on its way to the disk: `orderCopy` before the copy counts. Throws Pending while
 * that takes long; the caller owns the descriptor.
 */
export function copiedFile(u: Union, node: FileNode, copy: DataCopy): OwnedFd {
  const running = node.copying;
  if (running !== null && !copy.empty) return finished(node, running);
  const fd = copy.target();
  if (copy.empty || copy.length === 0) return fd;
  try {
    return fill(u, node, copy, fd);
  } catch (error) {
    if (!(error instanceof Pending)) fd.close();
    throw error;
  }
}

function durabilityHere(u: Union): Durability {
  return u.options.volatile ? 'none' : u.features.durability;
}

/** Waits until the copy's data is on the disk, unless the mount is volatile. What a job has ordered is there already. */
export function orderCopy(u: Union, fd: number): void {
  if (durabilityHere(u) === 'order') check(u.sys.orderData(fd), 'copy-up data');
}

function fill(u: Union, node: FileNode, copy: DataCopy, to: OwnedFd): OwnedFd {
  const size = copy.length;
  const from = new OwnedFd(u.sys, check(openAtPlace(u, copy.from, O_RDONLY), 'copy-up open'));
  const durability = durabilityHere(u);
  let work: Promise<number> | null = null;
  const cancel = new Int32Array(1);
  try {
    if (!reflink(u, from.fd, to.fd)) {
      if (copy.stored <= INLINE_BYTES) check(u.sys.copyData(from.fd, to.fd, size), 'copy-up data');
      else work = u.jobs.copyData(from.fd, to.fd, size, cancel, durability !== 'none');
    }
  } finally {
    if (work === null) from.close();
  }
  if (work === null && durability !== 'fsync') {
    if (durability === 'order') u.sys.startWriteBack(to.fd);
    return to;
  }
  const done = finishLater(u, work, from, to, durability);
  return finished(node, startCopying(node, to, done, cancel));
}

/** Data first, then onto disk: a copy that is published is never shorter than its lower after a power failure. */
async function finishLater(
  u: Union,
  work: Promise<number> | null,
  from: OwnedFd,
  to: OwnedFd,
  durability: Durability,
): Promise<number> {
  const copied = work === null ? 0 : await work;
  from.close();
  if (copied < 0 || durability === 'none') return copied;
  return durability === 'order' ? u.jobs.orderData(to.fd) : u.jobs.fsync(to.fd, false);
}

function reflink(u: Union, from: number, to: number): boolean {
  if (!u.features.reflink) return false;
  const result = u.sys.clone(from, to);
  if (result === -errno.EOPNOTSUPP || result === -errno.ENOTTY) u.features.reflink = false;
  return result === 0;
}

function startCopying(node: FileNode, fd: OwnedFd, work: Promise<number>, cancel: Int32Array): Copying {
  const copying: Copying = { fd, work, cancel, result: undefined, waiters: 0 };
  node.copying = copying;
  void work.then((result) => {
    copying.result = result;
    if (node.copying !== copying) copying.fd.close();
  });
  return copying;
}

/** Hands the finished copy over, or waits for it. */
function finished(node: FileNode, copying: Copying): OwnedFd {
  if (copying.result === undefined) {
    copying.waiters += 1;
    throw new Pending(copying.work, () => {
      copying.waiters -= 1;
      if (copying.waiters === 0) dropCopy(node);
    });
  }
  node.copying = null;
  if (copying.result < 0) {
    copying.fd.close();
    throw new ErrnoError(-copying.result, 'copy-up data');
  }
  return copying.fd;
}

/** Nobody needs the copy that is being made any more. */
export function dropCopy(node: FileNode): void {
  const copying = node.copying;
  if (copying === null) return;
  node.copying = null;
  copying.cancel[0] = 1;
  if (copying.result !== undefined) copying.fd.close();
}
