// The one loop over layers: a directory's names, read once, top to bottom, into its index.

import { log } from '../log.js';
import type { NativeChannel } from '../sys/binding.js';
import type { DirScan } from '../sys/calls.js';
import { check, checkData } from '../sys/check.js';
import { DT_CHR, DT_DIR, DT_REG, DT_UNKNOWN, O_DIRECTORY, O_RDONLY } from '../sys/constants.js';
import { NAME_MAX } from '../sys/name.js';
import { mergeNames } from '../sys/name-tables.js';
import type { DirMarks, LayerDir } from './dir-fds.js';
import { DirIndex, type DirNode, Entry, type Walking, WHITEOUT } from './inode.js';
import { isUpper, keepsOrigins } from './layers.js';
import { MARK, OPAQUE_FILE, readXattrMarks, WH } from './marks.js';
import { type Scan, Scans } from './name-scans.js';
import { isNested } from './nested-whiteout.js';
import { NamePacker, PackedNames } from './packed-names.js';
import { Pending } from './pending.js';
import { dialects } from './private-xattrs.js';
import { allSteps, Stepping, type Steps } from './steps.js';
import type { Union } from './union.js';

const AUFS = '.wh..wh.';
/** Directories of so many names are read in steps, and only names that the bottom layer alone has are packed. */
const LARGE = 10_000;
/** Bits of d_types that do not tell what a name is; with xattr whiteouts, files too; of copies, all. */
const UNTOLD = (1 << DT_CHR) | (1 << DT_UNKNOWN);
const UNTOLD_FILES = UNTOLD | (1 << DT_REG);
const ANY = 0xffff_ffff;
/** So many names of a large directory are read in one step. */
const AT_ONCE = 2_000;
export const whiteoutXattrs = dialects('whiteout');

/** What one layer adds to an index. */
interface Part {
  readonly dir: LayerDir;
  readonly marks: DirMarks;
  readonly isBottom: boolean;
  /** What its whiteouts hide. */
  readonly hidden: string[];
}

/** From now on the data plane enters directories that are rows, see row-nodes.ts, where their records tell all. */
export function enterRows(channel: Pick<NativeChannel, 'enterRows'>): void {
  channel.enterRows(WH, OPAQUE_FILE, MARK, UNTOLD, LARGE);
}

/** The names in `dir` where all are read at once. */
export function scanOf(u: Union, dir: LayerDir, scans: Scans): Scan | null {
  const scan = scans.of(u, dir, OPAQUE_FILE);
  return scan === null || scan.count >= LARGE ? null : scan;
}

/**
 * The index of `node`, whose stack is settled; built now if there is none, from the names in `scans` as far as they are
 * there. Throws Pending while that takes long, where requests are run again.
 */
export function indexOf(u: Union, node: DirNode, scans = new Scans()): DirIndex {
  if (node.index !== null) return node.index;
  const running = u.walks.get(node);
  if (running !== undefined) return awaited(u, node, running);
  const steps = walk(u, node, scans);
  const first = steps.next();
  if (first.done === true) node.index = first.value;
  else if (!u.runsAgain) node.index = allSteps(steps);
  else {
    const { stack } = node;
    const walking = { stepping: new Stepping(steps), stack, stale: false };
    u.walks.set(node, walking);
    return awaited(u, node, walking);
  }
  return node.index;
}

/** Meanwhile nobody adds a name to the directory or takes one: each such operation asks for the index first. */
function awaited(u: Union, node: DirNode, { stepping, stack, stale }: Walking): DirIndex {
  const { result } = stepping;
  if (result === null) throw new Pending(stepping.done, null);
  u.walks.delete(node);
  if ('error' in result) throw result.error;
  // It was copied up meanwhile, or its upper was sealed: that is another directory.
  if (stale || node.stack !== stack) return indexOf(u, node);
  node.index = result.value;
  return node.index;
}

function* walk(u: Union, node: DirNode, scans: Scans): Steps<DirIndex> {
  const index = new DirIndex();
  const found: Scan[] = [];
  for (const [at, dir] of node.stack.entries()) {
    scans.ahead(u, dir, node.stack, at + 1, OPAQUE_FILE);
    const scan = scanOf(u, dir, scans);
    if (scan === null) break;
    found.push(scan);
  }
  if (found.length === node.stack.length) merge(u, index, node, scans, found);
  else yield* walkOneByOne(u, index, node);
  return index;
}

function partOf(u: Union, index: DirIndex, node: DirNode, dir: LayerDir): Part {
  // Opaque marks were read when the stack was made; here they only tell of xattr whiteouts.
  const marks = readXattrMarks(u.sys, u.dirFds, dir);
  dir.impure = marks.impure;
  if (isUpper(dir.layer)) index.impure = marks.impure;
  if (dir.layer.writable) index.holdsNested = marks.holdsNested;
  return { dir, marks, isBottom: dir === node.stack.at(-1), hidden: [] };
}

/** All names at once: those that lowers alone show, and are what their d_type says, are packed. */
function merge(u: Union, index: DirIndex, node: DirNode, scans: Scans, found: readonly Scan[]): void {
  const parts = node.stack.map((dir) => partOf(u, index, node, dir));
  const ranges = new Uint32Array(3 * parts.length);
  for (const [at, { from, to }] of found.entries()) ranges.set([from, to, untold(parts[at] as Part)], 3 * at);
  const { table, count, more, apart } = mergeNames(scans.records, ranges, WH);
  if (apart !== null) {
    let at = 0;
    for (const [source, part] of parts.entries()) {
      const from = at;
      while (apart.sources[at] === source) at += 1;
      addNames(u, index, part, apart, null, from, at);
      for (const name of part.hidden) hide(index, part.dir, name);
    }
  }
  if (table === null) return;
  const dirs = node.stack.map((dir) => (keepsOrigins(dir.layer) ? null : dir));
  index.entries.pack(PackedNames.of(table, count, u.numbers.hash, more), dirs);
  for (const [source, part] of parts.entries()) {
    for (const name of part.hidden) hidePacked(index, name, source);
  }
}

/** d_types, as bits, of names that are looked at one by one. */
function untold({ dir, marks }: Part): number {
  if (keepsOrigins(dir.layer)) return ANY;
  return marks.xattrWhiteouts || marks.holdsNested ? UNTOLD_FILES : UNTOLD;
}

function* walkOneByOne(u: Union, index: DirIndex, node: DirNode): Steps<void> {
  for (const dir of node.stack) {
    const part = partOf(u, index, node, dir);
    const scan = checkData(u.sys.scanDir(u.dirFds.fd(dir), LARGE), () => `list ${dir}`);
    if (scan.names.length < LARGE) addNames(u, index, part, scan, null, 0, scan.names.length);
    else yield* addMany(u, index, part);
    for (const name of part.hidden) hide(index, dir, name);
  }
}

/** A large directory of one layer, read through a descriptor that nobody else moves or closes. */
function* addMany(u: Union, index: DirIndex, part: Part): Steps<void> {
  const path = (): string => `list ${part.dir}`;
  const fd = check(u.sys.openAt(u.dirFds.fd(part.dir), '.', O_RDONLY | O_DIRECTORY, 0), path);
  // Nothing deeper adds to the names of the bottom layer.
  const packer = part.isBottom ? new NamePacker(u.numbers.hash) : null;
  try {
    for (;;) {
      yield;
      const scan = checkData(u.sys.scanOn(fd, AT_ONCE), path);
      if (scan.names.length === 0) break;
      addNames(u, index, part, scan, packer, 0, scan.names.length);
    }
  } finally {
    u.sys.close(fd);
  }
  if (packer === null) return;
  index.entries.pack(yield* packer.finish(), [part.dir]);
  // The scan's own strings are many, and nobody's any more.
  u.nodes.onLoss(packer.count);
}

/** Rows `from`..`to` of `scan`, which are all of `part`. */
function addNames(
  u: Union,
  index: DirIndex,
  part: Part,
  scan: DirScan,
  packer: NamePacker | null,
  from: number,
  to: number,
): void {
  for (let at = from; at < to; at += 1) {
    const name = scan.names[at] as string;
    if (name.length > NAME_MAX) {
      log.once('warn', `long ${part.dir}`, `${part.dir}: a name of ${name.length} bytes is left out`);
      continue;
    }
    if (name.startsWith(WH)) {
      if (name !== OPAQUE_FILE && !name.startsWith(AUFS)) part.hidden.push(name.slice(WH.length));
      continue;
    }
    const kind = kindOf(u, part, name, scan.types[at] as number);
    const [inoLow, inoHigh] = [scan.inos[2 * at] as number, scan.inos[2 * at + 1] as number];
    if (kind === WHITEOUT) part.hidden.push(name);
    else if (packer !== null && index.entries.plain(name) === undefined) packer.add(name, kind, inoLow, inoHigh);
    else addName(index, part.dir, name, kind, inoLow, inoHigh);
  }
}

/** d_type, or WHITEOUT; asks the host only where the type alone does not tell. */
function kindOf(u: Union, part: Part, name: string, type: number): number {
  const { xattrWhiteouts, holdsNested } = part.marks;
  const asks = type === DT_CHR || type === DT_UNKNOWN || (type === DT_REG && (xattrWhiteouts || holdsNested));
  if (!asks) return type;
  const fd = u.dirFds.fd(part.dir);
  const stat = u.scratch;
  check(u.sys.statAt(fd, name, stat), () => `${part.dir}/${name}`);
  const kind = stat.mode >>> 12;
  if (kind === DT_CHR) return stat.rdev === 0 ? WHITEOUT : kind;
  if (kind !== DT_REG || stat.size !== 0) return kind;
  if (holdsNested && isNested(u.sys, fd, name)) return DT_CHR;
  if (xattrWhiteouts && whiteoutXattrs.some((key) => typeof u.sys.getXattr(fd, name, key) !== 'number'))
    return WHITEOUT;
  return kind;
}

function addName(index: DirIndex, dir: LayerDir, name: string, kind: number, low: number, high: number): void {
  const known = index.entries.plain(name);
  if (known === undefined) {
    index.entries.addPlain(name, new Entry(kind, dir, low, high));
    return;
  }
  if (known.closed) return;
  if (known.dir.layer.writable) known.beneath = true;
  if (known.kind !== DT_DIR || kind !== DT_DIR) {
    known.closed = true;
    return;
  }
  known.deeper ??= [];
  known.deeper.push(dir);
}

/** `name` is whited out in `dir`: nothing deeper shows it. */
function hide(index: DirIndex, dir: LayerDir, name: string): void {
  const known = index.entries.plain(name);
  if (known !== undefined) {
    // A name beside its own whiteout in one layer is the layer's; the whiteout hides what is deeper.
    known.closed = true;
    return;
  }
  const entry = new Entry(WHITEOUT, dir, 0, 0);
  entry.closed = true;
  index.entries.addPlain(name, entry);
}

/** `name` is whited out in the directory `source`: of a packed name and its whiteout, the one that is not deeper stays. */
function hidePacked(index: DirIndex, name: string, source: number): void {
  const { entries } = index;
  const packed = entries.packed as PackedNames;
  const at = packed.find(name);
  const record = at < 0 ? null : packed.recordAt(at);
  if (record === null) return;
  if (record.source > source) packed.remove(at);
  else {
    entries.removePlain(name);
    packed.cut(at, source);
  }
}
