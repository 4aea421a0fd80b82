// The one loop over layers: a directory's names, read once, top to bottom, into its index.

import { log } from '../log.js';
import type { DirScan } from '../sys/calls.js';
import { check, checkData } from '../sys/check.js';
import { DT_CHR, DT_DIR, DT_REG, DT_UNKNOWN, O_DIRECTORY, O_RDONLY } from '../sys/constants.js';
import { NAME_MAX } from '../sys/name.js';
import type { DirMarks, LayerDir } from './dir-fds.js';
import { DirIndex, type DirNode, Entry, type Walking, WHITEOUT } from './inode.js';
import { isUpper } from './layers.js';
import { OPAQUE_FILE, readXattrMarks } from './marks.js';
import { isNested } from './nested-whiteout.js';
import { NamePacker } from './packed-names.js';
import { Pending } from './pending.js';
import { dialects } from './private-xattrs.js';
import { allSteps, Stepping, type Steps } from './steps.js';
import type { Union } from './union.js';

/** Prefix of AUFS whiteouts and of its own bookkeeping names. */
export const WH = '.wh.';
const AUFS = '.wh..wh.';
/** From so many names on, those that only the bottom layer has are packed. */
const PACKED_FROM = 10_000;
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

/** The names in layer directories, of large ones the first, for whoever needs them at once. */
export type Scans = Map<LayerDir, DirScan>;

/** The names in `dir`, read once if `scans` keeps them. */
export function scanOf(u: Union, dir: LayerDir, scans: Scans): DirScan {
  const known = scans.get(dir);
  if (known !== undefined) return known;
  const scan = checkData(u.sys.scanDir(u.dirFds.fd(dir), PACKED_FROM), () => `list ${dir}`);
  scans.set(dir, scan);
  return scan;
}

/** There are no names in `dir` beyond those of `scan`. */
export function isWhole(scan: DirScan): boolean {
  return scan.names.length < PACKED_FROM;
}

/**
 * The index of `node`, whose stack is settled; built now if there is none, from the names in `scans` as far as they are
 * there. Throws Pending while that takes long, where requests are run again.
 */
export function indexOf(u: Union, node: DirNode, scans: Scans = new Map()): DirIndex {
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
  for (const dir of node.stack) {
    const scan = scanOf(u, dir, scans);
    scans.delete(dir);
    // Opaque marks were read when the stack was made; here they only tell of xattr whiteouts.
    const marks = readXattrMarks(u.sys, u.dirFds, dir);
    dir.impure = marks.impure;
    if (isUpper(dir.layer)) index.impure = marks.impure;
    if (dir.layer.writable) index.holdsNested = marks.holdsNested;
    const part = { dir, marks, isBottom: dir === node.stack.at(-1), hidden: [] };
    if (isWhole(scan)) addNames(u, index, part, scan, null);
    else yield* addMany(u, index, part);
    for (const name of part.hidden) hide(index, dir, name);
  }
  return index;
}

/** A large directory of one layer, read through a descriptor that nobody else moves or closes. */
function* addMany(u: Union, index: DirIndex, part: Part): Steps<void> {
  const path = (): string => `list ${part.dir}`;
  const fd = check(u.sys.openAt(u.dirFds.fd(part.dir), '.', O_RDONLY | O_DIRECTORY, 0), path);
  // Nothing deeper adds to the names of the bottom layer.
  const packer = part.isBottom ? new NamePacker((name) => u.numbers.cookie(name)) : null;
  try {
    for (;;) {
      yield;
      const scan = checkData(u.sys.scanOn(fd, AT_ONCE), path);
      if (scan.names.length === 0) break;
      addNames(u, index, part, scan, packer);
    }
  } finally {
    u.sys.close(fd);
  }
  if (packer === null) return;
  index.entries.pack(yield* packer.finish(), part.dir);
  // The scan's own strings are many, and nobody's any more.
  u.nodes.onLoss(packer.count);
}

function addNames(u: Union, index: DirIndex, part: Part, scan: DirScan, packer: NamePacker | null): void {
  for (let at = 0; at < scan.names.length; at += 1) {
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
    else if (packer !== null && index.entries.get(name) === undefined) packer.add(name, kind, inoLow, inoHigh);
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
  const known = index.entries.get(name);
  if (known === undefined) {
    index.entries.set(name, new Entry(kind, dir, low, high));
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
  const known = index.entries.get(name);
  if (known !== undefined) {
    // A name beside its own whiteout in one layer is the layer's; the whiteout hides what is deeper.
    known.closed = true;
    return;
  }
  const entry = new Entry(WHITEOUT, dir, 0, 0);
  entry.closed = true;
  index.entries.set(name, entry);
}
