// The layer stack of one mount: opening the roots by path (the only paths ever opened by string),
// and refusing stacks that overlap. Roots stay open until the mount ends.

import { errno, errnoName, fail } from '../errno.js';
import type { Syscalls } from '../sys/calls.js';
import { MOUNT_ATTR_ATIME, MOUNT_ATTR_NOATIME, MOUNT_ATTR_RDONLY, O_DIRECTORY, O_RDONLY } from '../sys/constants.js';
import { shown } from '../sys/name.js';
import { Stat } from '../sys/stat.js';

/** One directory of the stack. */
export interface Layer {
  /** 0 is the upper; lowers count from 1, top first. All count on when the upper is sealed. */
  index: number;
  readonly path: string;
  readonly fd: number;
  writable: boolean;
  /** A lower that was the upper of this mount, or of an earlier one like it: its copies show their origins' numbers. */
  sealed: boolean;
  readonly dev: number;
  /**
   * Blocks tell data from holes here, save for a file's first so many bytes, whose blocks may be its
   * xattrs'; null on filesystems whose blocks tell nothing.
   */
  readonly blocksTell: number | null;
  /** A lower whose mount gives no privileges to who executes its files. */
  nosuid: boolean;
}

const ST_NOSUID = 2;

/** Filesystems that count the blocks of a file that it really has, by what xattrs may add to them, bytes. */
const xattrBlocks = new Map([
  [0xef53, 65_536],
  [0x58465342, 65_536],
  [0xf2f52010, 65_536],
  [0x9123683e, 0],
  [0x01021994, 0],
]);

/** What the filesystem and its mount say of a layer. */
function traits(sys: Syscalls, fd: number, writable: boolean): Pick<Layer, 'blocksTell' | 'nosuid'> {
  const numbers = sys.statFs(fd);
  if (typeof numbers === 'number') return { blocksTell: null, nosuid: !writable };
  return {
    blocksTell: xattrBlocks.get(numbers.type) ?? null,
    nosuid: !writable && (numbers.flags & ST_NOSUID) !== 0,
  };
}

/** A directory of the workdir as a layer's: files in it are copies made from lowers. */
export function scratchLayer(path: string, fd: number): Layer {
  return { index: 0, path, fd, writable: true, sealed: false, dev: 0, blocksTell: null, nosuid: false };
}

/** A mistake in the mount's options: `message` names the option and the path. */
export class MountError extends Error {
  override readonly name = 'MountError';
}

export function explain(code: number): string {
  const known: Record<string, string> = {
    ENOENT: 'no such file or directory',
    ENOTDIR: 'not a directory',
    EACCES: 'permission denied',
    ELOOP: 'too many symbolic links',
    EPERM: 'operation not permitted',
    ENOTCONN: 'the server of what is mounted there is gone (umount it first)',
  };
  return known[errnoName(code)] ?? errnoName(code);
}

/** Opens the root of a writable part (upper or workdir) by its own path, so that renames between them work. */
export function openWritable(sys: Syscalls, option: string, path: string): number {
  const fd = sys.openPath(path, O_RDONLY | O_DIRECTORY);
  if (fd < 0) throw new MountError(`${option}: ${shown(path)}: ${explain(-fd)}`);
  return fd;
}

/**
 * Read-only and without access times: through this mount the kernel itself refuses every write. A user namespace may
 * have the access times locked; read-only can always be set.
 */
function cloneReadOnly(sys: Syscalls, path: string): number {
  const clone = sys.cloneMount(path, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOATIME, MOUNT_ATTR_ATIME);
  return clone === -errno.EPERM ? sys.cloneMount(path, MOUNT_ATTR_RDONLY, 0) : clone;
}

/**
 * Opens a lower's root, or that of an upper that is only read. A private clone of its mount is preferred: no other mount can then appear
 * beneath it, and what mounts hide from users stays as the layer has it.
 */
function openReadOnly(sys: Syscalls, option: string, path: string): number {
  const plain = sys.openPath(path, O_RDONLY | O_DIRECTORY);
  if (plain < 0) throw new MountError(`${option}: ${shown(path)}: ${explain(-plain)}`);
  const clone = cloneReadOnly(sys, path);
  if (clone < 0) return plain;
  const readable = sys.reopen(clone, O_RDONLY | O_DIRECTORY);
  sys.close(clone);
  if (readable < 0) return plain;
  sys.close(plain);
  return readable;
}

/** Whether `layer` is the upper, also on a mount that only reads it. */
export function isUpper(layer: Layer): boolean {
  return layer.index === 0;
}

/** Whether copies in `layer` show the numbers of what they were copied from. */
export function keepsOrigins(layer: Layer): boolean {
  return isUpper(layer) || layer.sealed;
}

/** What was an upper is only read from now on, and shows what it showed. */
export function seal(layer: Layer): void {
  layer.writable = false;
  layer.sealed = true;
  layer.nosuid = false;
}

/**
 * Opens every layer of a stack, upper (if any) first; lowers count from `first`. Closes what it opened
 * when one fails.
 */
export function openLayers(
  sys: Syscalls,
  lowers: readonly string[],
  upper: string | null,
  first = 1,
  writable = true,
): Layer[] {
  const layers: Layer[] = [];
  const stat = new Stat();
  const add = (path: string, fd: number, writable: boolean): void => {
    sys.statAt(fd, '', stat);
    const index = layers.length + (upper === null ? first : 0);
    layers.push({ index, path, fd, writable, sealed: false, dev: stat.dev, ...traits(sys, fd, writable) });
  };
  try {
    if (upper !== null && writable) add(upper, openWritable(sys, 'upperdir', upper), true);
    else if (upper !== null) add(upper, openReadOnly(sys, 'upperdir', upper), false);
    for (const path of lowers) add(path, openReadOnly(sys, 'lowerdir', path), false);
  } catch (error) {
    closeLayers(sys, layers);
    throw error;
  }
  return layers;
}

export function closeLayers(sys: Syscalls, layers: readonly Layer[]): void {
  for (const layer of layers) sys.close(layer.fd);
}

function inside(path: string, ancestor: string): boolean {
  return path === ancestor || path.startsWith(ancestor === '/' ? '/' : `${ancestor}/`);
}

/** A resolved path and the option it came from. */
export interface Place {
  readonly option: string;
  readonly path: string;
}

/** Refuses layers, upper and workdir that lie inside each other. Paths are resolved (no symlinks). */
export function refuseOverlap(lowers: readonly Place[], writable: readonly Place[]): void {
  const clash = (a: Place, b: Place): MountError =>
    new MountError(`${a.option} ${shown(a.path)} overlaps ${b.option} ${shown(b.path)}`);
  writable.forEach((a, position) => {
    for (const b of writable.slice(position + 1)) {
      if (inside(a.path, b.path) || inside(b.path, a.path)) throw clash(b, a);
    }
    for (const b of lowers) {
      if (inside(a.path, b.path) || inside(b.path, a.path)) throw clash(b, a);
    }
  });
  refuseNestedLowers(lowers);
}

/** Sorted by path an ancestor stands right before its first descendant, so neighbours are enough. */
function refuseNestedLowers(lowers: readonly Place[]): void {
  const key = (place: Place): string => `${place.path}/`.replaceAll('/', '\0');
  const sorted = lowers.toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
  sorted.forEach((place, position) => {
    const before = sorted[position - 1];
    if (before === undefined || !inside(place.path, before.path)) return;
    throw new MountError(`lowerdir ${shown(place.path)} overlaps lowerdir ${shown(before.path)}`);
  });
}

/** The upper of a stack that must have one. */
export function upperOf(layers: readonly Layer[]): Layer {
  const top = layers[0];
  if (top === undefined || !top.writable) throw fail('EROFS', 'no upper');
  return top;
}
