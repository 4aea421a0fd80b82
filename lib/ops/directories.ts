// READDIR, READDIRPLUS and FSYNCDIR. Directories need no handle: a cookie says all.

import { fail } from '../errno.js';
import { check } from '../sys/check.js';
import { DT_DIR, O_DIRECTORY, O_RDONLY } from '../sys/constants.js';
import { PUT, putNames } from '../sys/name-tables.js';
import { listingsCount, noteListing } from '../union/access-times.js';
import type { DirNode, Entry } from '../union/inode.js';
import { namesIn } from '../union/lookup.js';
import { COOKIE_DOT, COOKIE_DOTDOT, listedNode, listNames, numberOf, type Run } from '../union/readdir.js';
import { FSYNC_FDATASYNC, type Opcode, OpenFlag } from '../wire/abi.js';
import type { RequestOf } from '../wire/requests.js';
import type { Answer, Context } from './context.js';
import { settled } from './context.js';

type Of<K extends keyof typeof Opcode> = RequestOf<(typeof Opcode)[K]>;

/**
 * ENOSYS once, and the kernel opens directories by itself from then on, listings cached. Where listings change access
 * times each of them must come here.
 */
export function onOpendir(c: Context): void {
  const counts = listingsCount(c.u);
  if (c.negotiated.noOpendirSupport && !counts) throw fail('ENOSYS', 'opendir');
  c.reply.open(0, counts ? 0 : OpenFlag.CACHE_DIR | OpenFlag.KEEP_CACHE);
}

export function onReleasedir(): void {}

/** `.` and `..`; false when the reply is full. */
function dots(c: Context, dir: DirNode, after: number, plus: boolean): boolean {
  const add = plus ? c.dirents.addPlusBare.bind(c.dirents) : c.dirents.add.bind(c.dirents);
  const parent = dir.parent ?? dir;
  if (after < COOKIE_DOT && !add(dir.inoLow, dir.inoHigh, COOKIE_DOT, DT_DIR, '.')) return false;
  return after >= COOKIE_DOTDOT || add(parent.inoLow, parent.inoHigh, COOKIE_DOTDOT, DT_DIR, '..');
}

const cells = new Uint32Array(PUT.cells);

/** Lets `put` put rows `from`..`to` of packed names into the reply; where it stopped. `stops`: PUT.stops. */
function putRun(
  c: Context,
  ...[plus, stops, from, to, put]: [boolean, number, number, number, (into: Uint8Array) => void]
): number {
  c.dirents.fill(plus, (into, at, room, before) => {
    cells.set([at, room, from, to, stops, before]);
    put(into);
    return (cells[PUT.at] as number) - at;
  });
  return cells[PUT.from] as number;
}

/** Puts packed names into the reply, with what their rows tell. */
function runOf(c: Context, plus: boolean): Run {
  // Directories not, where they are to come with their attributes.
  const stops = plus ? 1 << DT_DIR : 0;
  return ({ table, count }, from, to) =>
    putRun(c, plus, stops, from, to, (into) => putNames(into, table, count, cells));
}

/** Puts packed names into the reply with their attributes, as nodes without an object; `bare`: directories alone. */
function runOfNodes(c: Context, dir: DirNode, bare: boolean): Run {
  const stops = bare ? ~(1 << DT_DIR) : 0;
  return (_packed, from, to) => {
    const end = putRun(c, true, stops, from, to, (into) => c.u.plane.putRows(dir.id, into, cells));
    c.grantRows(dir, from, end, bare);
    return end;
  };
}

/** Who lists on finds nothing behind `cookie`, unless that is 0. */
function noteEnd(c: Context, dir: DirNode, cookie: number): void {
  if (cookie > 0) c.u.plane.listed(dir.id, cookie);
}

export function onReaddir(c: Context, r: Of<'READDIR'>): void {
  const dir = c.directory(r.nodeid);
  const { numbers } = c.u;
  if (r.body.offset === 0) noteListing(c.u, dir);
  c.dirents.start(r.body.size);
  if (dir.dead || !dots(c, dir, r.body.offset, false)) return;
  const each = (name: string, entry: Entry, cookie: number): boolean => {
    numberOf(c.u, dir, name, entry);
    return c.dirents.add(numbers.low, numbers.high, cookie, entry.kind, name);
  };
  noteEnd(c, dir, listNames(c.u, dir, r.body.offset, each, runOf(c, false)));
}

/** Whether names of `dir` come with their attributes, directories apart: those are entered by most who list. */
function fills(c: Context, dir: DirNode, offset: number): boolean {
  if (offset !== 0) return c.u.plane.fillsListing(dir.id);
  noteListing(c.u, dir);
  return c.u.plane.beginListing(dir.id, namesIn(c.u, dir).entries.size);
}

export function onReaddirplus(c: Context, r: Of<'READDIRPLUS'>): void {
  const dir = c.directory(r.nodeid);
  c.dirents.start(r.body.size);
  if (dir.dead || !dots(c, dir, r.body.offset, true)) return;
  const filled = fills(c, dir, r.body.offset);
  const { numbers } = c.u;
  c.u.rowNodes.learn(c.u, dir, dir.index?.entries.size ?? 0, c.validity);
  const each = (name: string, entry: Entry, cookie: number): boolean => {
    if (!c.dirents.fits(name, true)) return false;
    const node = filled || entry.kind === DT_DIR ? listedNode(c.u, dir, name, entry, c.stat) : null;
    if (node === null) {
      numberOf(c.u, dir, name, entry);
      return c.dirents.addPlusBare(numbers.low, numbers.high, cookie, entry.kind, name);
    }
    c.grant(node);
    return c.dirents.addPlus(node.id, 0, c.validity, c.attrValidity(node), c.stat.words, cookie, entry.kind, name);
  };
  const bare = filled ? null : runOf(c, true);
  const run = c.u.rowNodes.serves(dir) ? runOfNodes(c, dir, !filled) : bare;
  noteEnd(c, dir, listNames(c.u, dir, r.body.offset, each, run));
}

export function onFsyncdir(c: Context, r: Of<'FSYNCDIR'>): undefined | Promise<Answer> {
  const { upper, dead } = c.directory(r.nodeid);
  // A removed directory has nothing to keep, and no place to be opened at.
  if (upper === null || dead || c.u.options.volatile) return undefined;
  const fd = check(c.u.sys.openAt(c.u.dirFds.fd(upper), '.', O_RDONLY | O_DIRECTORY, 0), 'fsyncdir');
  const work = c.u.jobs.fsync(fd, (r.body.fsyncFlags & FSYNC_FDATASYNC) !== 0).finally(() => c.u.sys.close(fd));
  return settled(work);
}
