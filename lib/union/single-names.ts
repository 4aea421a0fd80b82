// Names of a large directory that are asked of the layers one at a time, as long as few are asked for: to read all of its
// names first would keep the one who asks waiting. Only where the directory is lowers without marks alone, and has no index yet.

import { errno } from '../errno.js';
import { check } from '../sys/check.js';
import { DT_CHR, DT_DIR } from '../sys/constants.js';
import type { Stat } from '../sys/stat.js';
import { type LayerDir, noMarks } from './dir-fds.js';
import { type DirIndex, type DirNode, Entry, type SingleNames, WHITEOUT } from './inode.js';
import { keepsOrigins } from './layers.js';
import { readXattrMarks, WH } from './marks.js';
import { settleStack } from './stack.js';
import type { Union } from './union.js';

/** A directory of so many bytes may have ten thousand names. */
const LARGE_BYTES = 256 << 10;
/** To ask one layer costs a few microseconds more than it would if all names were known, which costs two for some 32 bytes. */
const BYTES_A_QUESTION = 160;

/** Those of a directory of `bytes`, none yet; null: it is not large. */
export function singleNames(bytes: number): SingleNames | null {
  return bytes < LARGE_BYTES ? null : { entries: new Map(), questions: Math.floor(bytes / BYTES_A_QUESTION) };
}

/**
 * The entry that shows under `name` of a directory without an index, null when none does; undefined: all names are to be read.
 * The host's attributes of an entry that shows no node are in `out`.
 */
export function singleEntry(u: Union, dir: DirNode, name: string, out: Stat): Entry | null | undefined {
  const { singles } = dir;
  if (singles === null || dir.dead) return undefined;
  const known = singles.entries.get(name);
  if (known !== undefined) return known;
  settleStack(u, dir);
  if (singles.questions <= 0 || !dir.stack.every((part) => isPlain(u, part))) return undefined;
  singles.questions -= dir.stack.length;
  return name.startsWith(WH) ? null : findEntry(u, dir.stack, name, out);
}

function isPlain(u: Union, part: LayerDir): boolean {
  return !keepsOrigins(part.layer) && readXattrMarks(u.sys, u.dirFds, part) === noMarks;
}

/** Such a file may be known by another name. */
function isShared(u: Union, stat: Stat): boolean {
  return stat.nlink > 1 || (u.hardLinks.size > 0 && u.hardLinks.has(stat.identity()));
}

function findEntry(u: Union, stack: readonly LayerDir[], name: string, out: Stat): Entry | null | undefined {
  let entry: Entry | null = null;
  for (const part of stack) {
    const fd = u.dirFds.fd(part);
    const stat: Stat = entry === null ? out : u.scratch;
    const code = u.sys.statAt(fd, name, stat);
    if (code !== -errno.ENOENT) {
      check(code, () => `${part}/${name}`);
      const kind = stat.mode >>> 12;
      if (kind === DT_CHR && stat.rdev === 0) break;
      // Where the names of a file meet is a matter of indexes.
      if (kind !== DT_DIR && isShared(u, stat)) return entry ?? undefined;
      if (entry === null) entry = new Entry(kind, part, stat.inoLow, stat.inoHigh);
      else if (kind === DT_DIR) entry.deeper = [...(entry.deeper ?? []), part];
      if (kind !== DT_DIR) break;
    }
    if (part !== stack.at(-1) && u.sys.statAt(fd, WH + name, u.scratch) === 0) break;
  }
  return entry;
}

/** All names of `dir` are known now: what was found without them is what their entries show. */
export function settleSingles(dir: DirNode, index: DirIndex): void {
  const { singles } = dir;
  dir.singles = null;
  for (const [name, { node }] of singles?.entries ?? []) {
    const entry = index.entries.get(name);
    if (entry === undefined || entry.kind === WHITEOUT) continue;
    entry.node = node;
    index.entries.keep(name, entry);
    index.liveNodes += 1;
  }
}
