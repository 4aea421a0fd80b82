// Sealing the upper of a mount that goes on: what has to come along into the fresh upper, decided before anything is
// touched, and the copies that stay behind. Refuses what could not go on unnoticed.

import { fail } from '../errno.js';
import { check, checkData } from '../sys/check.js';
import type { OwnedFd } from '../sys/fd.js';
import { Stat } from '../sys/stat.js';
import { placeOf } from './attributes.js';
import { copiedFile, dropCopy, orderCopy, scratchFile } from './copy-data.js';
import { copyMetadata, setTimes } from './copy-metadata.js';
import { writableWork } from './copy-up.js';
import type { LayerDir } from './dir-fds.js';
import { withdrawAll } from './handles.js';
import { namesOf } from './hard-links.js';
import type { Alias, DirNode, FileHandle, FileNode } from './inode.js';
import { readExtraLinks } from './link-counts.js';
import { isCode } from './open.js';
import { MAX_LOWERS } from './options.js';
import { readOrigin } from './origin.js';
import { Pending } from './pending.js';
import { protectionOf, storeProtection } from './protection.js';
import { settleStack } from './stack.js';
import type { Union } from './union.js';

/** A file that is held open: the same inode goes on in the fresh upper, under the same names. */
export interface Moving {
  readonly node: FileNode;
  readonly names: readonly Alias[];
}

/** All that a sealing will do. */
export interface SealingPlan {
  readonly moving: readonly Moving[];
  /** Directories on the way to those names, parents first, without the root. */
  readonly directories: readonly DirNode[];
  /** Names in the index: what they are for is all in the upper. */
  readonly indexed: readonly string[];
}

/** Decides; throws the errno that the whole sealing answers, or Pending while data of the upper is coming in. */
export function planSealing(u: Union): SealingPlan {
  const work = writableWork(u);
  // Without an index the names of a file that are sealed together would go apart at its next change.
  const able = u.home !== null && work.owned && u.index !== null && !u.features.overrides;
  if (!able) throw fail('EOPNOTSUPP', 'seal this upper');
  if (u.layers.length + u.dataLayers.length > MAX_LOWERS) throw fail('E2BIG', 'layers');
  // Who only may come to read keeps no file from staying behind.
  withdrawAll(u);
  if (u.filling.size > 0) throw new Pending(Promise.all(u.filling.values()), () => {});
  const moving = [...held(u)].map((node) => movingOf(u, node)).filter((found) => found !== null);
  return { moving, directories: directoriesTo(u, moving), indexed: indexedNames(u) };
}

/** Files of the upper that are open in a way which no later copy-up could follow. */
function held(u: Union): Set<FileNode> {
  const found = new Set<FileNode>();
  for (const handle of u.handles.all()) {
    const { node } = handle;
    const { layer } = node.dir;
    const inUpper = layer === u.layers[0] || layer === u.index?.layer;
    if (inUpper && !found.has(node) && isBound(u, handle)) found.add(node);
  }
  return found;
}

/** Who reads in passthrough keeps his file, which is no loss only where nobody writes in place. */
function isBound(u: Union, { writable, mode, fd }: FileHandle): boolean {
  return writable || (mode === 'passthrough' && !isCode(u, fd));
}

/** null for a file without a name. Every name must be known: one that is not would show what was, and its fellows what is. */
function movingOf(u: Union, node: FileNode): Moving | null {
  const place = placeOf(u, node);
  check(u.sys.statAt(place.fd, place.name, u.scratch), 'stat an open file');
  const links = u.scratch.nlink - (node.dir === u.index ? 1 : 0);
  const names = [...namesOf(node)];
  const isUpper = ({ parent, name }: Alias): boolean => parent.index?.entries.get(name)?.dir.layer === u.layers[0];
  if (links !== names.length || !names.every(isUpper)) throw fail('EBUSY', 'a hard link that is held open');
  return links === 0 ? null : { node, names };
}

function directoriesTo(u: Union, moving: readonly Moving[]): DirNode[] {
  const found = new Set<DirNode>();
  for (const { names } of moving) {
    for (const { parent } of names) {
      const chain: DirNode[] = [];
      for (let at = parent; at.parent !== null && !found.has(at); at = at.parent) chain.push(at);
      for (const dir of chain.reverse()) {
        settleStack(u, dir);
        found.add(dir);
      }
    }
  }
  return [...found];
}

/** A lower name of an indexed file that has no link in the upper yet would show the lower's file again. */
function indexedNames(u: Union): string[] {
  const { fd } = (u.index as LayerDir).layer;
  const { names } = checkData(u.sys.scanDir(fd), 'list index');
  for (const name of names) {
    check(u.sys.statAt(fd, name, u.scratch), 'stat index');
    const { nlink } = u.scratch;
    const known = u.hardLinks.get(u.scratch.identity());
    const extra = known?.dir === u.index ? known.extraLinks : readExtraLinks(u, fd, name, nlink, Number.NaN);
    // The index's own link is one that is no name.
    if (extra !== -1) throw fail('EXDEV', 'a hard link of a lower changed under one of its names');
  }
  return names;
}

/**
 * Unnamed files with what the moving ones hold now, to stay behind in their places. Throws Pending while that takes
 * long; those that are ready wait in `u.frozen`.
 */
export function frozenCopies(u: Union, moving: readonly Moving[]): void {
  const wanted = new Set(moving.map(({ node }) => node));
  for (const [node, fd] of u.frozen) {
    if (wanted.has(node)) continue;
    u.frozen.delete(node);
    fd.close();
  }
  const waiting = [...wanted].map((node) => freeze(u, node)).filter((pending) => pending !== null);
  if (waiting.length === 0) return;
  const abandon = (): void => {
    for (const pending of waiting) pending.abandon?.();
    dropFrozen(u);
  };
  throw new Pending(Promise.all(waiting.map(({ work }) => work)), abandon);
}

/** null once the copy is ready. What another one waits for then is nobody's any more, and goes on or ends by itself. */
function freeze(u: Union, node: FileNode): Pending | null {
  try {
    if (!u.frozen.has(node)) u.frozen.set(node, frozenCopy(u, node));
    return null;
  } catch (error) {
    if (error instanceof Pending) return error;
    dropFrozen(u);
    throw error;
  }
}

export function dropFrozen(u: Union): void {
  for (const fd of u.frozen.values()) fd.close();
  u.frozen.clear();
}

function frozenCopy(u: Union, node: FileNode): OwnedFd {
  const from = placeOf(u, node);
  const stat = new Stat();
  check(u.sys.statAt(from.fd, from.name, stat), 'stat an open file');
  const target = (): OwnedFd => scratchFile(u, writableWork(u));
  const fd = copiedFile(u, node, { from, length: stat.size, stored: stat.size, empty: false, target });
  const to = { fd: fd.fd, name: '' };
  try {
    copyMetadata(u, node.dir.layer, from, to, stat, readOrigin(u, from.fd, from.name));
    const flags = protectionOf(u, node);
    if (flags !== 0) check(storeProtection(u, to, flags), 'protattr');
    check(setTimes(u, to.fd, '', stat), 'utimens');
    orderCopy(u, fd.fd);
    return fd;
  } catch (error) {
    fd.close();
    dropCopy(node);
    throw error;
  }
}
