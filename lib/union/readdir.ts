// Listings with cookies that outlive any handle: a name's cookie is a hash of it, and names come in
// cookie order, so seekdir works after deletes, after the index was rebuilt, and after a remount.

import { ErrnoError } from '../errno.js';
import { DT_DIR } from '../sys/constants.js';
import { Stat } from '../sys/stat.js';
import { unmarkImpure } from './copy-metadata.js';
import { forgetNode } from './forget.js';
import { type DirIndex, type DirNode, type Entry, type Inode, takeNumber, WHITEOUT } from './inode.js';
import { keepsOrigins } from './layers.js';
import { namesIn, nodeOf } from './lookup.js';
import { firstAbove, type Listing, type PackedNames } from './packed-names.js';
import { rowsTellAll } from './row-nodes.js';
import type { Union } from './union.js';

/** Cookies of `.` and `..`; those of names are above. */
export const COOKIE_DOT = 1;
export const COOKIE_DOTDOT = 2;
const NONE = new Float64Array(0);
const numberStat = new Stat();

/** A name came into being; a listing that exists has to learn of it, and who answers for names that are absent. */
export function noteName(u: Union, index: DirIndex, name: string): void {
  u.negatives.note(index, name);
  u.listings.peek(index)?.fresh.add(name);
}

function build(u: Union, index: DirIndex): Listing {
  const names = index.entries.plainNames();
  const { packed } = index.entries;
  const hashed = new Float64Array(names.length);
  for (let at = 0; at < names.length; at += 1) hashed[at] = u.numbers.cookie(names[at] as string);
  const cookies = hashed.slice().sort();
  const sorted = new Array<string>(names.length);
  for (let at = 0; at < names.length; at += 1) {
    const cookie = hashed[at] as number;
    const place = firstAbove(cookies, cookie) - 1;
    if (cookies[place - 1] === cookie || packed?.hasCookie(cookie)) return buildWithTies(names, hashed, packed);
    sorted[place] = names[at] as string;
  }
  return { cookies, names: sorted, fresh: new Set() };
}

/** Two names of one hash: the second takes the next free number, in an order that is always the same. */
function buildWithTies(names: readonly string[], hashed: Float64Array, packed: PackedNames | null): Listing {
  const order = Uint32Array.from(names, (_, position) => position);
  order.sort(
    (a, b) => (hashed[a] as number) - (hashed[b] as number) || ((names[a] as string) < (names[b] as string) ? -1 : 1),
  );
  const cookies = new Float64Array(names.length);
  const sorted = Array.from(order, (from, to) => {
    let cookie = Math.max(hashed[from] as number, (cookies[to - 1] ?? 0) + 1);
    while (packed?.hasCookie(cookie)) cookie += 1;
    cookies[to] = cookie;
    return names[from] as string;
  });
  return { cookies, names: sorted, fresh: new Set() };
}

function listingOf(u: Union, index: DirIndex): Listing {
  const known = u.listings.get(index);
  if (known !== undefined && known.fresh.size === 0) return known;
  const built = build(u, index);
  u.listings.set(index, built);
  return built;
}

/** Lists rows `from`..`to` of `packed` and answers where it stopped: at `to`, or at a row that is left to the caller. */
export type Run = (packed: PackedNames, from: number, to: number) => number;

/**
 * Calls `each` for the names behind cookie `after`, until it returns false. Packed names of which their rows tell all that a
 * bare listing needs are first offered to `run`; where that stops `each` goes on. The cookie behind which there are no
 * names, or 0 when it was stopped.
 */
export function listNames(
  u: Union,
  dir: DirNode,
  after: number,
  each: (name: string, entry: Entry, cookie: number) => boolean,
  run: Run | null = null,
): number {
  if (dir.dead) return 0;
  const index = namesIn(u, dir);
  const { entries } = index;
  if (entries.size === 0) unmarkImpure(u, dir);
  const plain = listingOf(u, index);
  const packed = entries.packed?.cookies ?? NONE;
  const bare = run !== null && rowsTellAll(u, index) ? run : null;
  let at = firstAbove(plain.cookies, after);
  let packedAt = firstAbove(packed, after);
  // Packed names up to here come before the next other one.
  let to = rowsBefore(packed, plain.cookies[at]);
  while (at < plain.names.length || packedAt < packed.length) {
    if (bare !== null && packedAt < to) packedAt = bare(entries.packed as PackedNames, packedAt, to);
    if (packedAt < to) {
      const found = entries.packedAt(packedAt++);
      if (found !== null && found.entry.kind !== WHITEOUT && !each(found.name, found.entry, found.cookie)) return 0;
      continue;
    }
    if (at === plain.names.length) break;
    const [name, cookie] = [plain.names[at] as string, plain.cookies[at] as number];
    to = rowsBefore(packed, plain.cookies[++at]);
    const entry = entries.get(name);
    if (entry !== undefined && entry.kind !== WHITEOUT && !each(name, entry, cookie)) return 0;
  }
  return Math.max(COOKIE_DOTDOT, plain.cookies.at(-1) ?? 0, packed.at(-1) ?? 0);
}

function rowsBefore(packed: Float64Array, cookie: number | undefined): number {
  return cookie === undefined ? packed.length : firstAbove(packed, cookie);
}

/** The node of a listed name; null when a lookup of it fails, which spoils no listing. */
export function listedNode(u: Union, dir: DirNode, name: string, entry: Entry, out: Stat): Inode | null {
  try {
    return nodeOf(u, dir, name, entry, out);
  } catch (error) {
    if (error instanceof ErrnoError) return null;
    throw error;
  }
}

/** d_ino of `entry`, the same as st_ino; left in u.numbers.low and u.numbers.high. */
export function numberOf(u: Union, dir: DirNode, name: string, entry: Entry): void {
  if (entry.node !== null) {
    u.numbers.low = entry.node.inoLow;
    u.numbers.high = entry.node.inoHigh;
    return;
  }
  if (entry.numbered) {
    u.numbers.low = entry.inoLow;
    u.numbers.high = entry.inoHigh;
    return;
  }
  const unknown = entry.inoLow === 0 && entry.inoHigh === 0;
  const impure = dir.index?.impure === true || entry.dir.impure;
  const elsewhere = keepsOrigins(entry.dir.layer) && (unknown || impure || entry.kind === DT_DIR);
  // The number is the origin's: a node is made just to find it.
  const node = elsewhere ? listedNode(u, dir, name, entry, numberStat) : null;
  if (node === null) {
    u.numbers.mix(entry.dir.layer.dev, entry.inoLow, entry.inoHigh);
    return;
  }
  u.numbers.low = node.inoLow;
  u.numbers.high = node.inoHigh;
  takeNumber(entry, node);
  if (node.nlookup === 0) forgetNode(u, node);
}
