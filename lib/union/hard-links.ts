// One node for all names of a file with several hard links, in memory by the host's inode, and across
// mounts by the index: WORK/index holds, under the lower file's handle in hex, a link to its copy.

import { Buffer } from 'node:buffer';
import { log } from '../log.js';
import type { Stat } from '../sys/stat.js';
import type { LayerDir } from './dir-fds.js';
import type { DirNode, FileNode } from './inode.js';
import { originOf, readOrigin } from './origin.js';
import { dialects, privateName } from './private-xattrs.js';
import type { Union } from './union.js';

const nlinkNames = dialects('nlink');

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

export function identify(u: Union, node: FileNode, key: string): void {
  if (u.hardLinks.get(key) === node) return;
  node.identities ??= [];
  node.identities.push(key);
  u.hardLinks.set(key, node);
}

export function unidentify(u: Union, node: FileNode): void {
  for (const key of node.identities ?? []) {
    if (u.hardLinks.get(key) === node) u.hardLinks.delete(key);
  }
  node.identities = null;
}

/** The name in WORK/index of the lower file at `dir`/`name`. */
export function indexName(u: Union, dir: LayerDir, name: string): string | null {
  if (u.workdir?.index == null) return null;
  const origin = originOf(u.sys, dir.layer, u.dirFds.fd(dir), name);
  return origin === null ? null : Buffer.from(origin).toString('hex');
}

/** The name in WORK/index of an upper file, by its origin; null when it is not indexed. */
export function indexNameOfUpper(u: Union, dir: LayerDir, name: string, out: Stat): string | null {
  const index = u.workdir?.index;
  if (index == null) return null;
  const origin = readOrigin(u, u.dirFds.fd(dir), name);
  if (origin === null) return null;
  const hex = Buffer.from(origin).toString('hex');
  return u.sys.statAt(index.layer.fd, hex, out) === 0 ? hex : null;
}

/** Reads the persistent link count of an indexed file: what to add to the host's count. */
export function readExtraLinks(u: Union, fd: number, name: string, upperLinks: number, lowerLinks: number): number {
  for (const key of nlinkNames) {
    const raw = u.sys.getXattr(fd, name, key);
    if (typeof raw === 'number') continue;
    const match = /^([UL])([+-]\d+)/.exec(Buffer.from(raw).toString('latin1'));
    if (match === null) continue;
    const base = match[1] === 'U' ? upperLinks : lowerLinks;
    return base + Number(match[2]) - upperLinks;
  }
  return 0;
}

/** Stores the link count before a name comes or goes, so that a crash leaves it at most too high. */
export function writeExtraLinks(u: Union, node: FileNode): void {
  const index = u.workdir?.index;
  const dialect = u.features.dialect;
  if (index == null || dialect === null || node.dir !== index) return;
  const sign = node.extraLinks < 0 ? '-' : '+';
  const value = Buffer.from(`U${sign}${Math.abs(node.extraLinks)}`, 'latin1');
  const result = u.sys.setXattr(index.layer.fd, node.base, privateName(dialect, 'nlink'), value, 0);
  if (result < 0) log.once('warn', 'index.nlink', `index: link count of ${node.base} not stored (${result})`);
}

/** Removes the index entry of a file whose last name went. */
export function dropIndex(u: Union, node: FileNode): void {
  const index = u.workdir?.index;
  if (index != null && node.dir === index) u.sys.unlinkAt(index.layer.fd, node.base, 0);
}
