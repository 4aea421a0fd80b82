// name -> node. The answer comes from the directory's index, so that a miss costs no syscall and a
// hit one stat. Creates nodes; never counts references (that is the reply's).

import { fail } from '../errno.js';
import { check } from '../sys/check.js';
import { S_IFCHR, S_IFMT } from '../sys/constants.js';
import { shown } from '../sys/name.js';
import { Stat } from '../sys/stat.js';
import { getAttributes, placeOf, present } from './attributes.js';
import type { LayerDir } from './dir-fds.js';
import { addName, identify, indexName, indexNameOfUpper, readopt, sharedNode, unidentify } from './hard-links.js';
import { type DirIndex, type DirNode, type Entry, FileNode, type Inode, WHITEOUT } from './inode.js';
import { indexOf } from './layer-walk.js';
import { isUpper, keepsOrigins } from './layers.js';
import { readExtraLinks } from './link-counts.js';
import { findDataAtLookup } from './metacopy.js';
import { Scans } from './name-scans.js';
import { looksNested } from './nested-whiteout.js';

import { readOrigin, statFirstOrigin, statOrigin } from './origin.js';
import { noteProtection } from './protection.js';
import { unsettledDirectory } from './row-nodes.js';
import { settleSingles, singleEntry, singleNames } from './single-names.js';
import { settleStack } from './stack.js';
import type { Union } from './union.js';

const originStat = new Stat();

/** The index of a directory that still exists, its stack settled. */
export function namesIn(u: Union, dir: DirNode): DirIndex {
  if (dir.dead) throw fail('ENOENT', 'a removed directory');
  // Names that are read on the way are those of the index.
  const scans = dir.index === null ? new Scans() : undefined;
  settleStack(u, dir, scans);
  const index = indexOf(u, dir, scans);
  if (scans !== undefined && dir.singles !== null) settleSingles(dir, index);
  return index;
}

/** The entry that shows under `name`; null when absent or whited out. */
export function visibleEntry(u: Union, dir: DirNode, name: string): Entry | null {
  const entry = namesIn(u, dir).entries.get(name);
  return entry === undefined || entry.kind === WHITEOUT ? null : entry;
}

/** The node under `name`, its attributes in `out`; null when absent. */
export function lookup(u: Union, dir: DirNode, name: string, out: Stat): Inode | null {
  const single = dir.index === null ? singleEntry(u, dir, name, out) : undefined;
  if (single?.node === null) return newNode(u, dir, name, single, out);
  const entry = single === undefined ? visibleEntry(u, dir, name) : single;
  return entry === null ? null : nodeOf(u, dir, name, entry, out);
}

/** The node of `entry`, made if the kernel does not know it yet; its attributes in `out`. */
export function nodeOf(u: Union, dir: DirNode, name: string, entry: Entry, out: Stat): Inode {
  if (entry.node !== null) {
    getAttributes(u, entry.node, out);
    return entry.node;
  }
  check(u.sys.statAt(u.dirFds.fd(entry.dir), name, out), () => `stat ${entry.dir}/${shown(name)}`);
  return newNode(u, dir, name, entry, out);
}

/** The node of `entry`, whose attributes on the host are in `out`; those that users see, then. */
function newNode(u: Union, dir: DirNode, name: string, entry: Entry, out: Stat): Inode {
  const node = out.isDirectory ? newDirectory(u, dir, name, entry, out) : newFile(u, dir, name, entry, out);
  attach(dir, name, entry, node);
  noteProtection(node, entry, out);
  present(u, node, out);
  return node;
}

/** Ties `node` to the entry that shows it. */
export function attach(dir: DirNode, name: string, entry: Entry, node: Inode): void {
  if (entry.node === null && dir.index !== null) dir.index.liveNodes += 1;
  entry.node = node;
  if (dir.index !== null) dir.index.entries.keep(name, entry);
  else dir.singles?.entries.set(name, entry);
}

/** Unties `node` from the entry that shows it. */
export function detach(dir: DirNode, name: string, node: Inode): void {
  const { index } = dir;
  const entry = (index ?? dir.singles)?.entries.get(name);
  if (entry === undefined || entry.node !== node) return;
  entry.node = null;
  if (index === null) {
    dir.singles?.entries.delete(name);
    return;
  }
  index.liveNodes -= 1;
  index.entries.release(name, entry);
}

function newDirectory(u: Union, dir: DirNode, name: string, entry: Entry, stat: Stat): DirNode {
  const node = unsettledDirectory(u.layers, dir, name, entry);
  const [top] = node.stack as [LayerDir];
  node.singles = singleNames(stat.size);
  if (keepsOrigins(top.layer)) settleStack(u, node);
  const shownBy = node.stack.find((part) => !keepsOrigins(part.layer)) ?? node.stack.at(-1);
  if (shownBy !== undefined && shownBy !== top) {
    check(u.sys.statAt(u.dirFds.fd(shownBy), '', originStat), () => `stat ${shownBy}`);
    setNumber(u, node, originStat);
  } else setNumber(u, node, stat);
  return node;
}

function setNumber(u: Union, node: Inode, stat: Stat): void {
  u.numbers.mix(stat.dev, stat.inoLow, stat.inoHigh);
  node.inoLow = u.numbers.low;
  node.inoHigh = u.numbers.high;
}

function newFile(u: Union, dir: DirNode, name: string, entry: Entry, stat: Stat): FileNode {
  if (stat.nlink > 1 || u.hardLinks.size > 0) {
    const identity = stat.identity();
    if (stat.nlink > 1) u.rowNodes.wakeLinks(u, identity);
    const shared = sharedNode(u, identity, dir, name);
    if (shared !== null) {
      // Its directory was forgotten, or it had no name: it is found by this one again.
      const isBeside = entry.dir.layer.writable === shared.inUpper;
      if (shared.orphan !== null && isBeside) readopt(u, shared, entry.dir, name);
      // In the upper or the index `shared` is a copy of the lower file that has the name: the copy's attributes count.
      if (!isBeside || shared.dir === u.index) {
        const place = placeOf(u, shared);
        check(u.sys.statAt(place.fd, place.name, stat), () => `stat ${shown(name)}`);
      }
      return shared;
    }
  }
  const nested = looksNested(entry.kind, stat);
  const node = new FileNode(dir, name, nested ? S_IFCHR : stat.mode & S_IFMT, entry.dir, name);
  node.isNestedWhiteout = nested;
  setNumber(u, node, stat);
  let found = node;
  if (isUpper(entry.dir.layer)) found = upperFile(u, node, entry, stat);
  else if (entry.dir.layer.sealed) found = sealedFile(u, node, entry, stat);
  else if (stat.nlink > 1) found = lowerHardLink(u, node, stat);
  if (found === node && !entry.ours) withData(u, node, stat);
  return found;
}

/** A file whose data cannot be found is as if it had not been looked up. */
function withData(u: Union, node: FileNode, stat: Stat): void {
  try {
    findDataAtLookup(u, node, stat);
  } catch (error) {
    unidentify(u, node);
    throw error;
  }
}

/** The origin of the copy that `entry` is, if it is here; what it names is in originStat then. */
function originHere(u: Union, node: FileNode, entry: Entry): Uint8Array | null {
  const dir = node.parent as DirNode;
  const mayHave = dir.stack.length > 1 || dir.index?.impure === true || entry.dir.impure;
  const origin = mayHave ? readOrigin(u, u.dirFds.fd(entry.dir), node.base) : null;
  return origin !== null && statOrigin(u, origin, originStat) ? origin : null;
}

/** A copy that left its origin's other names behind is a file of its own. One that the index held was all of them. */
function takeOriginsNumber(u: Union, node: FileNode, entry: Entry, origin: Uint8Array): void {
  const isAll =
    originStat.nlink === 1 ||
    node.dir !== entry.dir ||
    readExtraLinks(u, u.dirFds.fd(entry.dir), node.base, 0, Number.NaN) === -1;
  if (!isAll) return;
  statFirstOrigin(u, origin, originStat);
  setNumber(u, node, originStat);
}

/** A file of what was an upper: its number is its origin's, else it is as any lower's. */
function sealedFile(u: Union, node: FileNode, entry: Entry, stat: Stat): FileNode {
  const origin = originHere(u, node, entry);
  if (origin !== null) takeOriginsNumber(u, node, entry, origin);
  return stat.nlink > 1 ? lowerHardLink(u, node, stat) : node;
}

/** A file of the upper: its number is its origin's, and the index may hold its other names. */
function upperFile(u: Union, node: FileNode, entry: Entry, stat: Stat): FileNode {
  // Made by the operation at hand, it has no origin.
  if (entry.ours && !entry.numbered) return node;
  if (stat.nlink > 1) identify(u, node, stat.identity());
  const origin = originHere(u, node, entry);
  if (origin === null) return node;
  if (stat.nlink > 1) adoptIndex(u, node, stat);
  takeOriginsNumber(u, node, entry, origin);
  return node;
}

/** Moves an upper file with several names to its index entry, where all of them meet. */
function adoptIndex(u: Union, node: FileNode, stat: Stat): void {
  const lowerLinks = originStat.nlink;
  const lowerKey = originStat.identity();
  const probe = u.scratch;
  const hex = indexNameOfUpper(u, node.dir, node.base, probe);
  const index = u.index;
  if (hex === null || index == null || probe.identity() !== stat.identity()) return;
  node.dir = index;
  node.base = hex;
  node.lowerLinks = lowerLinks;
  node.extraLinks = readExtraLinks(u, index.layer.fd, hex, stat.nlink, lowerLinks);
  identify(u, node, lowerKey);
}

/** A lower file with several names: the index may hold its copy, made through another name. */
function lowerHardLink(u: Union, node: FileNode, stat: Stat): FileNode {
  const key = stat.identity();
  const lowerLinks = stat.nlink;
  identify(u, node, key);
  if (!u.indexed) return node;
  const hex = indexName(u, node.dir, node.base);
  const index = u.index;
  if (hex === null || index == null || u.sys.statAt(index.layer.fd, hex, u.scratch) < 0) return node;
  check(u.sys.statAt(index.layer.fd, hex, stat), 'stat of an indexed copy');
  const parent = node.parent as DirNode;
  const known = u.hardLinks.get(stat.identity());
  if (known !== undefined && known !== node) {
    unidentify(u, node);
    identify(u, known, key);
    addName(known, parent, node.name);
    return known;
  }
  node.dir = index;
  node.base = hex;
  node.lowerLinks = lowerLinks;
  node.extraLinks = readExtraLinks(u, index.layer.fd, hex, stat.nlink, lowerLinks);
  identify(u, node, stat.identity());
  return node;
}
