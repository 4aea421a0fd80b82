// One node for all names of a file with several hard links, in memory by the host's inode, and across
// mounts by the index: WORK/index holds, under the lower file's handle in hex, a link to its copy.

import { Buffer } from 'node:buffer';
import type { Stat } from '../sys/stat.js';
import type { LayerDir } from './dir-fds.js';
import type { DirNode, FileNode } from './inode.js';
import { originOf, readOrigin } from './origin.js';
import type { Union } from './union.js';

/** The link count users see, from the host's count. */
export function hardLinkCount(node: FileNode, host: number): number {
  return Math.max(host + node.extraLinks, node.parent === null ? 0 : 1);
}

/** The file known under host identity `key`, now under one more name. */
export function sharedNode(u: Union, key: string, parent: DirNode, name: string): FileNode | null {
  const node = u.hardLinks.get(key);
  if (node === undefined) return null;
  addName(node, parent, name);
  return node;
}

export function addName(node: FileNode, parent: DirNode, name: string): void {
  if (node.parent === null) {
    node.parent = parent;
    node.name = name;
    return;
  }
  node.aliases ??= [];
  node.aliases.push({ parent, name });
}

/** Takes one name away; the last one leaves the node without a parent. */
export function dropName(node: FileNode, parent: DirNode, name: string): void {
  const rest = (node.aliases ?? []).filter((alias) => alias.parent !== parent || alias.name !== name);
  if (node.parent === parent && node.name === name) {
    const next = rest.shift();
    node.parent = next?.parent ?? null;
    node.name = next?.name ?? name;
  }
  node.aliases = rest.length === 0 ? null : rest;
}

/** Every name under which the kernel knows `node`. */
export function* namesOf(node: FileNode): Generator<{ parent: DirNode; name: string }> {
  if (node.parent !== null) yield { parent: node.parent, name: node.name };
  for (const alias of [...(node.aliases ?? [])]) yield alias;
}

/** A file without a known name got one: it is found by that again, or in the index as long as it has other names. */
export function readopt(u: Union, node: FileNode, dir: LayerDir, name: string): void {
  node.orphan?.close();
  node.orphan = null;
  u.rowNodes.setStray(u, node, false);
  const index = u.index;
  if (index != null && node.dir === index && u.sys.statAt(index.layer.fd, node.base, u.scratch) === 0) return;
  node.dir = dir;
  node.base = name;
}

export function identify(u: Union, node: FileNode, key: string): void {
  if (u.hardLinks.get(key) === node) return;
  node.identities ??= [];
  node.identities.push(key);
  u.hardLinks.set(key, node);
  u.plane.ownLinks(key, true);
}

export function unidentify(u: Union, node: FileNode): void {
  for (const key of node.identities ?? []) {
    if (u.hardLinks.get(key) !== node) continue;
    u.hardLinks.delete(key);
    u.plane.ownLinks(key, false);
  }
  node.identities = null;
}

/** The name in WORK/index of the lower file at `dir`/`name`. */
export function indexName(u: Union, dir: LayerDir, name: string): string | null {
  if (u.index == null) return null;
  const origin = originOf(u.sys, dir.layer, u.dirFds.fd(dir), name);
  return origin === null ? null : Buffer.from(origin).toString('hex');
}

/** The name in WORK/index of an upper file, by its origin; null when it is not indexed. */
export function indexNameOfUpper(u: Union, dir: LayerDir, name: string, out: Stat): string | null {
  const index = u.index;
  if (index == null || !u.indexed) return null;
  const origin = readOrigin(u, u.dirFds.fd(dir), name);
  if (origin === null) return null;
  const hex = Buffer.from(origin).toString('hex');
  return u.sys.statAt(index.layer.fd, hex, out) === 0 ? hex : null;
}

/** Removes the index entry of a file whose last name went. */
export function dropIndex(u: Union, node: FileNode): void {
  const index = u.index;
  if (index != null && node.dir === index) u.sys.unlinkAt(index.layer.fd, node.base, 0);
}
