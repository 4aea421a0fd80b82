// The one loop over layers: a directory's names, read once, top to bottom, into its index.

import { log } from '../log.js';
import type { DirScan } from '../sys/calls.js';
import { check, checkData } from '../sys/check.js';
import { DT_CHR, DT_DIR, DT_REG, DT_UNKNOWN } from '../sys/constants.js';
import { NAME_MAX } from '../sys/name.js';
import type { DirMarks, LayerDir } from './dir-fds.js';
import { DirIndex, type DirNode, Entry, WHITEOUT } from './inode.js';
import { isUpper } from './layers.js';
import { OPAQUE_FILE, readXattrMarks } from './marks.js';
import { isNested } from './nested-whiteout.js';
import { PackedNames } from './packed-names.js';
import { dialects } from './private-xattrs.js';
import type { Union } from './union.js';

/** Prefix of AUFS whiteouts and of its own bookkeeping names. */
export const WH = '.wh.';
const AUFS = '.wh..wh.';
/** From so many names on, those that only the bottom layer has are packed. */
const PACKED_FROM = 10_000;
export const whiteoutXattrs = dialects('whiteout');

/** What one layer adds to an index. */
interface Part {
  readonly dir: LayerDir;
  readonly marks: DirMarks;
  readonly isBottom: boolean;
}

/** The names in layer directories, for whoever needs them at once. */
export type Scans = Map<LayerDir, DirScan>;

/** The names in `dir`, read once if `scans` keeps them. */
export function scanOf(u: Union, dir: LayerDir, scans: Scans): DirScan {
  const known = scans.get(dir);
  if (known !== undefined) return known;
  const scan = checkData(u.sys.scanDir(u.dirFds.fd(dir)), () => `list ${dir}`);
  scans.set(dir, scan);
  return scan;
}

/** The index of `node`, whose stack is settled, from the names in its layers. */
export function buildIndex(u: Union, node: DirNode, scans: Scans): DirIndex {
  const index = new DirIndex();
  for (const dir of node.stack) {
    const scan = scanOf(u, dir, scans);
    // A large one is not kept while the others are read.
    scans.delete(dir);
    // Opaque marks were read when the stack was made; here they only tell of xattr whiteouts.
    const marks = readXattrMarks(u.sys, u.dirFds, dir);
    dir.impure = marks.impure;
    if (isUpper(dir.layer)) index.impure = marks.impure;
    if (dir.layer.writable) index.holdsNested = marks.holdsNested;
    addLayer(u, index, { dir, marks, isBottom: dir === node.stack.at(-1) }, scan);
  }
  return index;
}

function addLayer(u: Union, index: DirIndex, part: Part, scan: DirScan): void {
  const hidden: string[] = [];
  // Nothing deeper adds to the names of the bottom layer.
  const packs = part.isBottom && scan.names.length >= PACKED_FROM;
  const columns = { names: [] as string[], kinds: [] as number[], inos: [] as number[] };
  for (let at = 0; at < scan.names.length; at += 1) {
    const name = scan.names[at] as string;
    if (name.length > NAME_MAX) {
      log.once('warn', `long ${part.dir}`, `${part.dir}: a name of ${name.length} bytes is left out`);
      continue;
    }
    if (name.startsWith(WH)) {
      if (name !== OPAQUE_FILE && !name.startsWith(AUFS)) hidden.push(name.slice(WH.length));
      continue;
    }
    const kind = kindOf(u, part, name, scan.types[at] as number);
    const [inoLow, inoHigh] = [scan.inos[2 * at] as number, scan.inos[2 * at + 1] as number];
    if (kind === WHITEOUT) hidden.push(name);
    else if (packs && index.entries.get(name) === undefined) {
      columns.names.push(name);
      columns.kinds.push(kind);
      columns.inos.push(inoLow, inoHigh);
    } else addName(index, part.dir, name, kind, inoLow, inoHigh);
  }
  if (packs) {
    index.entries.pack(new PackedNames(columns, (name) => u.numbers.cookie(name)), part.dir);
    // The scan's own strings are many, and nobody's any more.
    u.nodes.onLoss(columns.names.length);
  }
  for (const name of hidden) hide(index, part.dir, name);
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
