// The bookkeeping of a rename that has happened: entries, nodes and layer directories follow. No I/O.

import type { LayerDir } from './dir-fds.js';
import { dropName } from './hard-links.js';
import { DirNode, Entry, FileNode, type Inode, takeNumber, WHITEOUT } from './inode.js';
import { noteName } from './readdir.js';
import { afterName, bury, leave } from './remove.js';
import type { Union } from './union.js';

/** One of the two names of a rename, and what it shows. */
export interface RenameEnd {
  readonly dir: DirNode;
  readonly name: string;
  readonly entry: Entry | null;
}

/** The target had beneath it what the source now covers. */
export function settleMove(u: Union, from: RenameEnd, to: RenameEnd, newUpper: LayerDir, whiteoutOld: boolean): void {
  const source = from.entry as Entry;
  const node = source.node as Inode;
  const replaced = to.entry?.node ?? null;
  if (to.entry !== null && replaced !== null) gone(u, to, replaced);
  const kind = source.kind;
  const entry = new Entry(kind, newUpper, 0, 0);
  takeNumber(entry, node);
  entry.beneath = to.entry !== null && (to.entry.beneath || !to.entry.dir.layer.writable || to.entry.kind === WHITEOUT);
  entry.closed = true;
  leave(from.dir, from.name, source, whiteoutOld);
  const index = to.dir.index;
  if (index !== null) {
    index.entries.set(to.name, entry);
    index.liveNodes += 1;
    noteName(u, index, to.name);
  }
  entry.node = node;
  relocate(node, from, to, newUpper);
}

/** What stood at the new name has lost it. */
function gone(u: Union, end: RenameEnd, node: Inode): void {
  if (end.dir.index !== null) end.dir.index.liveNodes -= 1;
  if (node instanceof DirNode) bury(u, node);
  else if (node instanceof FileNode) afterName(u, node, end.dir, end.name, (end.entry as Entry).dir.layer.writable);
}

/** A packed name, of a large directory of the upper, would go back to what its row tells when its node is forgotten. */
function unpack(u: Union, { index }: DirNode, name: string): void {
  const entry = index?.entries.get(name);
  if (index === null || entry === undefined || index.entries.plain(name) !== undefined) return;
  index.entries.set(name, entry);
  noteName(u, index, name);
}

export function settleExchange(u: Union, from: RenameEnd, to: RenameEnd, oldUpper: LayerDir, newUpper: LayerDir): void {
  const a = from.entry as Entry;
  const b = to.entry as Entry;
  const first = a.node as Inode;
  const second = b.node as Inode;
  [a.kind, b.kind] = [b.kind, a.kind];
  takeNumber(a, second);
  takeNumber(b, first);
  a.node = second;
  b.node = first;
  for (const [entry, upper] of [
    [a, oldUpper],
    [b, newUpper],
  ] as const) {
    entry.dir = upper;
    entry.deeper = null;
    entry.closed = true;
    entry.ours = false;
  }
  for (const { dir, name } of [from, to]) unpack(u, dir, name);
  relocate(first, from, to, newUpper);
  relocate(second, to, from, oldUpper);
}

function relocate(node: Inode, from: RenameEnd, to: RenameEnd, upper: LayerDir): void {
  for (const moved of [node, from.dir, to.dir]) moved.keptCtime = null;
  if (node instanceof FileNode && node.aliases !== null) {
    const wasPlace = node.base === from.name && node.dir === from.dir.upper;
    dropName(node, from.dir, from.name);
    node.aliases = [...(node.aliases ?? []), { parent: to.dir, name: to.name }];
    if (wasPlace) {
      node.dir = upper;
      node.base = to.name;
    }
    return;
  }
  const wasPlace = node instanceof FileNode && node.base === from.name && node.dir === from.dir.upper;
  node.parent = to.dir;
  node.name = to.name;
  if (node instanceof FileNode) {
    if (!wasPlace) return;
    node.dir = upper;
    node.base = to.name;
  } else if (node instanceof DirNode && node.stack[0] !== undefined) {
    // Descriptors and children refer to this object: it moves, they follow.
    node.stack[0].parent = upper;
    node.stack[0].name = to.name;
  }
}
