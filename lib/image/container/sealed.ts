// Uppers that a commit sealed, and that the store has as unpacked layers since: a container that is not mounted can do without
// them. While it is mounted they keep every inode what it was.

import { constants, existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { check } from '../../sys/check.js';
import { O_DIRECTORY, O_RDONLY } from '../../sys/constants.js';
import { bytesOf } from '../../sys/name.js';
import { syscalls } from '../../sys/syscalls.js';
import { dialects } from '../../union/private-xattrs.js';
import type { Digest } from '../digest.js';
import { diskUsage, mayAccess, removeTree, walkTree } from '../disk.js';
import { FileLock } from '../file-lock.js';
import type { Store } from '../store.js';
import { type Container, findContainer, HOME, listContainers } from './containers.js';
import { mountOf } from './mount-table.js';

export interface Freed {
  readonly count: number;
  readonly bytes: number;
}

const nothing: Freed = { count: 0, bytes: 0 };

/** The uppers that are layers of the image already. */
export const sealedOf = (container: Container): string[] => container.uppers().slice(0, container.record.sealed ?? 0);

/** Null while anybody serves a mount of it, wherever that is to be seen, or prepares one. */
function claimed(container: Container): FileLock[] | null {
  const locks: FileLock[] = [];
  for (const path of [container.directory, container.upper()]) {
    const lock = FileLock.try(path, 'exclusive');
    if (lock === null) {
      for (const one of locks) one.release();
      return null;
    }
    locks.push(lock);
  }
  return locks;
}

/** The index goes by handles of the files it is about: those of the sealed uppers, not of the layers. */
function hasIndex(container: Container): boolean {
  const index = join(container.path('work'), 'index');
  return existsSync(index) && readdirSync(index).length > 0;
}

/** Flags of chattr are kept in uppers, and are nothing that a layer has. */
function hasFlags(upper: string): boolean {
  const root = check(syscalls.openPath(bytesOf(upper), O_RDONLY | O_DIRECTORY), upper);
  try {
    for (const { path, stat } of walkTree(upper)) {
      const isKept = stat.isFile() || stat.isDirectory();
      if (isKept && dialects('protattr').some((key) => typeof syscalls.getXattr(root, path, key) !== 'number'))
        return true;
    }
    return false;
  } finally {
    syscalls.close(root);
  }
}

/** Layers that can stand for the sealed uppers; null where none can. */
function layersFor(store: Store, container: Container): readonly Digest[] | null {
  const layers = container.image(store).config.rootfs.diff_ids;
  if (hasIndex(container) || sealedOf(container).some(hasFlags)) return null;
  const isKnown = layers.length === container.record.layers.length + sealedOf(container).length;
  return isKnown && layers.every((layer) => store.layers.has(layer)) ? layers : null;
}

function free(store: Store, { record }: Container): Freed {
  // It may have been mounted, committed or removed until it was claimed.
  const container = findContainer(store.root, record.name);
  if (container === null || mountOf(container.record.id) !== null) return nothing;
  const going = [...container.leftOvers(), ...sealedOf(container)];
  if (going.length === 0) return nothing;
  if (sealedOf(container).length > 0) {
    const layers = layersFor(store, container);
    if (layers === null) return nothing;
    container.goOnOver(layers);
  }
  const bytes = going.reduce((sum, path) => sum + diskUsage(path), 0);
  for (const path of going) removeTree(path);
  return { count: going.length, bytes };
}

/** Removes the sealed uppers of containers that are not mounted. */
export function freeSealed(store: Store): Freed {
  let sum = nothing;
  for (const container of listContainers(store.root)) {
    const locks = claimed(container);
    if (locks === null) continue;
    try {
      const { count, bytes } = free(store, container);
      sum = { count: sum.count + count, bytes: sum.bytes + bytes };
    } finally {
      for (const lock of locks) lock.release();
    }
  }
  return sum;
}

export interface ContainerUsage {
  readonly container: Container;
  /** Bytes that it takes on disk beside its image. */
  readonly size: number;
  /** Bytes of those that the image has as layers. */
  readonly sealed: number;
}

/** Nothing for whoever may not look at them: they are their owner's, in a store for all. */
export function containerUsage(root: string): ContainerUsage[] {
  const home = join(root, HOME);
  if (!existsSync(home) || !mayAccess(home, constants.R_OK)) return [];
  const sum = (paths: readonly string[]): number => paths.reduce((all, path) => all + diskUsage(path), 0);
  return listContainers(root).map((container) => {
    const sealed = sum([...sealedOf(container), ...container.leftOvers()]);
    return { container, sealed, size: sealed + sum(container.unsaved()) };
  });
}
