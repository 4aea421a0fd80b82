// Metadata-only copies, written: a copy that spares the data, and the data brought in when it is about
// to change. It comes into the marked file, whose bytes count for nothing while the mark is there, and
// is on its way to disk before the mark goes: a crash leaves a metadata-only copy or a whole one.

import { ErrnoError } from '../errno.js';
import { check } from '../sys/check.js';
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, O_RDWR, O_WRONLY, S_IFREG } from '../sys/constants.js';
import { OwnedFd } from '../sys/fd.js';
import { Stat } from '../sys/stat.js';
import { openAtPlace, type Place, placeOf } from './attributes.js';
import { copiedFile, dropCopy, orderCopy, scratchFile } from './copy-data.js';
import { keepTimes, setTimes, writePrivate } from './copy-metadata.js';
import { LayerFile } from './dir-fds.js';
import { withdraw } from './handles.js';
import type { FileData, FileNode } from './inode.js';
import { showCtime } from './kept-ctime.js';
import { dataOf, dataPlace, unmark } from './metacopy.js';
import { Pending } from './pending.js';
import type { Union } from './union.js';
import type { Workdir } from './workdir.js';

/** What is about to change of a file. `empty`: its data is cut off. */
export type Change = 'attributes' | 'data' | 'empty';

const capability = 'security.capability';

/** The copy of a lower file needs no data for `change`. */
export function sparesData(u: Union, node: FileNode, change: Change): boolean {
  return u.metacopy && change === 'attributes' && node.parent !== null && node.copying === null;
}

/** Where the data of the lower file `node` stays when only its attributes, `stat`, are copied. */
export function dataLeftBehind(u: Union, node: FileNode, stat: Stat): FileData {
  return dataOf(u, node) ?? { file: new LayerFile(node.dir, node.base), blocks: stat.blocks };
}

/** An unnamed file of `size` bytes, marked as a copy of attributes alone. */
export function markedFile(u: Union, work: Workdir, size: number): OwnedFd {
  const fd = scratchFile(u, work);
  try {
    check(writePrivate(u, { fd: fd.fd, name: '' }, 'metacopy', new Uint8Array(0)), 'metacopy');
    check(u.sys.ftruncate(fd.fd, size), 'copy-up size');
    return fd;
  } catch (error) {
    fd.close();
    throw error;
  }
}

/** The marked file while its data comes in. Closed before the mark went, it is as it was. */
class Filling extends OwnedFd {
  readonly #u: Union;
  readonly #node: FileNode;
  readonly #before: Stat;
  readonly #ended: (value: undefined) => void;

  constructor(u: Union, node: FileNode, before: Stat) {
    super(u.sys, check(openAtPlace(u, placeOf(u, node), O_RDWR), 'copy-up open'));
    this.#u = u;
    this.#node = node;
    this.#before = before;
    node.filling = before;
    let ended = (_: undefined): void => {};
    const end = new Promise<undefined>((resolve) => {
      ended = resolve;
    });
    this.#ended = ended;
    u.filling.set(before.identity(), end);
  }

  override close(): void {
    if (this.closed) return;
    try {
      if (this.#node.data !== null) this.#takeBack();
    } finally {
      this.#node.filling = null;
      this.#u.filling.delete(this.#before.identity());
      super.close();
      this.#ended(undefined);
    }
  }

  /** Gives the space back. What a crash leaves is no harm: the lower's own bytes, where it has them. */
  #takeBack(): void {
    const { sys } = this.#u;
    sys.fallocate(this.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, Math.max(this.#before.size, 1));
    setTimes(this.#u, this.fd, '', this.#before);
  }
}

/**
 * Makes the copy of `node` in the upper whole if `change` is about its data. A change of attributes
 * waits for data that is coming in, whose end puts the times back.
 */
export function completeCopy(u: Union, node: FileNode, change: Change): void {
  if (node.data === null || node.format !== S_IFREG) return;
  if (change === 'attributes' && u.filling.size === 0) return;
  if (dataOf(u, node) === null) return;
  try {
    bringDataUp(u, node, change);
  } catch (error) {
    // A job that is done waits for nobody who may not come again.
    if (!(error instanceof Pending)) dropCopy(node);
    throw error;
  }
}

function bringDataUp(u: Union, node: FileNode, change: Change): void {
  const place = placeOf(u, node);
  const before = new Stat();
  check(u.sys.statAt(place.fd, place.name, before), () => `stat ${node.name}`);
  showCtime(node, before);
  const running = u.filling.get(before.identity());
  if (running === undefined && change === 'attributes') return;
  if (running !== undefined && (change === 'empty' || node.copying === null)) {
    // Two writers into one file must not overlap, though the first has nobody who waits for it.
    dropCopy(node);
    throw new Pending(running, () => {});
  }
  if (change === 'empty') cutOff(u, node, place, before);
  else bringIn(u, node, place, before);
}

function bringIn(u: Union, node: FileNode, place: Place, stat: Stat): void {
  const target = (): OwnedFd => new Filling(u, node, stat);
  const caps = u.sys.getXattr(place.fd, place.name, capability);
  const fd = copiedFile(u, node, {
    from: dataPlace(u, node),
    length: stat.size,
    stored: stat.size,
    empty: false,
    target,
  });
  const before = node.filling ?? stat;
  try {
    // Writing took the file's capabilities away.
    if (typeof caps !== 'number') check(u.sys.setXattr(fd.fd, '', capability, caps, 0), 'copy-up capability');
    check(setTimes(u, fd.fd, '', before), 'copy-up utimens');
    orderCopy(u, fd.fd);
    check(unmark(u, place), 'copy-up metacopy');
    node.data = null;
  } finally {
    fd.close();
  }
  keepTimes(u, node, before);
  swapHandles(u, node);
}

/** Empty first, then unmarked: an empty marked file is read as one that was cut off, see metacopy.ts. */
function cutOff(u: Union, node: FileNode, place: Place, before: Stat): void {
  const fd = new OwnedFd(u.sys, check(openAtPlace(u, place, O_WRONLY), 'truncate'));
  try {
    check(u.sys.ftruncate(fd.fd, 0), 'truncate');
    const removed = unmark(u, place);
    if (removed < 0) {
      u.sys.ftruncate(fd.fd, before.size);
      setTimes(u, fd.fd, '', before);
      throw new ErrnoError(-removed, 'truncate metacopy');
    }
    node.data = null;
  } finally {
    fd.close();
  }
  swapHandles(u, node);
}

/** Reads that began on the lower's data go on in the copy, where later writes are seen. */
export function swapHandles(u: Union, node: FileNode): void {
  withdraw(u, node);
  for (const handle of node.handles ?? []) {
    if (handle.mode === 'passthrough') continue;
    handle.fd = check(openAtPlace(u, placeOf(u, node), handle.openFlags), 'copy-up reopen');
    u.plane.swap(handle.fh, handle.fd);
  }
}
