// Random operations on a small directory tree, as values that print and run again: the same ones on
// a plain directory and on a mount. Knows clients, and nothing of what serves them.

import type { Agent } from './agent.js';
import type { FileStat } from './agent-calls.js';
import { AT_SYMLINK_FOLLOW, FALLOC, O, RENAME, S, shownResult } from './linux.js';
import type { Random } from './random.js';

/** A place where operations run: a client and the descriptors it holds, by slot. */
export interface World {
  readonly agent: Agent;
  readonly slots: (number | undefined)[];
}

export interface Operation {
  /** How it reads in a failure. */
  readonly text: string;
  run(world: World): Promise<unknown>;
  /** Paths that must not be directories where directory renames are left out. */
  readonly moves?: readonly string[];
}

export const SLOTS = 6;
const NAMES = ['a', 'b', 'c', 'd', 'e'] as const;
const LINKED = ['h1', 'h2', 'd/h3'] as const;
const KEYS = ['user.k', 'user.l', 'trusted.m'] as const;

function path(r: Random): string {
  if (r.once(12)) return r.pick(LINKED);
  const depth = 1 + r.below(3);
  return Array.from({ length: depth }, () => r.pick(NAMES)).join('/');
}

/** What two files must agree in; a directory's size and nlink are its filesystem's own affair. */
function shownStat(st: FileStat | number): unknown {
  if (typeof st === 'number') return shownResult(st);
  const type = st.mode & S.IFMT;
  const common = [st.mode.toString(8), st.uid, st.gid];
  if (type === S.IFDIR) return common;
  return [...common, st.size, st.nlink, type === S.IFCHR ? st.rdev : ''];
}

const shown = (result: unknown): unknown => (typeof result === 'number' ? shownResult(result) : result);

function op(text: string, run: (agent: Agent) => Promise<unknown>, moves?: readonly string[]): Operation {
  const operation = { text, run: async (world: World) => shown(await run(world.agent)) };
  return moves === undefined ? operation : { ...operation, moves };
}

/** An operation on the descriptor in a slot; an empty slot answers `closed`. */
function onSlot(slot: number, text: string, run: (agent: Agent, fd: number) => Promise<unknown>): Operation {
  return {
    text: `fd${slot}.${text}`,
    run: async ({ agent, slots }) => {
      const fd = slots[slot];
      return fd === undefined ? 'closed' : shown(await run(agent, fd));
    },
  };
}

function opens(slot: number, text: string, open: (agent: Agent) => Promise<number>): Operation {
  return {
    text: `fd${slot} = ${text}`,
    run: async ({ agent, slots }) => {
      const old = slots[slot];
      if (old !== undefined) await agent.close(old);
      const fd = await open(agent);
      slots[slot] = fd < 0 ? undefined : fd;
      return fd < 0 ? shownResult(fd) : 'open';
    },
  };
}

const letters = (r: Random, most: number): string => r.pick(['x', 'y', 'z']).repeat(1 + r.below(most));

type Maker = (r: Random) => Operation;

function renameOf(r: Random): Operation {
  const [from, to] = [path(r), path(r)];
  const flags = r.pick([0, 0, 0, 0, RENAME.NOREPLACE, RENAME.EXCHANGE]);
  const moves = flags === RENAME.EXCHANGE ? [from, to] : [from];
  return op(`rename(${from}, ${to}, ${flags})`, (a) => a.rename(from, to, flags), moves);
}

function openOf(r: Random): Operation {
  const p = path(r);
  const flags =
    r.pick([O.RDONLY, O.RDWR, O.RDWR, O.WRONLY]) | r.pick([0, 0, O.CREAT, O.CREAT | O.EXCL, O.TRUNC, O.APPEND]);
  return opens(r.below(SLOTS), `open(${p}, 0${flags.toString(8)})`, (a) => a.open(p, flags, 0o640));
}

function changeOf(r: Random): Operation {
  const p = path(r);
  const [offset, text, size] = [r.below(9000), letters(r, 3000), r.below(20_000)];
  const write = async (a: Agent): Promise<number> => {
    const fd = await a.open(p, O.WRONLY);
    if (fd < 0) return fd;
    const wrote = await a.pwrite(fd, text, offset);
    await a.close(fd);
    return wrote;
  };
  return r.pick([
    op(`write(${p}, ${text.length} at ${offset})`, write),
    op(`append(${p}, ${text.length})`, (a) => a.put(p, text, O.WRONLY | O.APPEND)),
    op(`replace(${p}, ${text.length})`, (a) => a.put(p, text, O.WRONLY | O.TRUNC)),
    op(`truncate(${p}, ${size})`, (a) => a.truncate(p, size)),
  ]);
}

function metaOf(r: Random): Operation {
  const p = path(r);
  const [mode, id, key] = [r.below(0o10000), 1000 + r.below(5), r.pick(KEYS)];
  const [time, value] = [BigInt(1 + r.below(1 << 30)) * 1_000_000_007n, letters(r, 60)];
  return r.pick([
    op(`chmod(${p}, ${mode.toString(8)})`, (a) => a.chmod(p, mode)),
    op(`chown(${p}, ${id})`, (a) => a.chown(p, id, id + 1)),
    op(`utimens(${p}, ${time})`, async (a) => {
      const result = await a.utimens(p, time, time);
      const st = await a.lstat(p);
      return result < 0 || typeof st === 'number' ? result : String(st.mtime);
    }),
    op(`setxattr(${p}, ${key})`, (a) => a.setxattr(p, key, value)),
    op(`getxattr(${p}, ${key})`, (a) => a.getxattr(p, key)),
    op(`removexattr(${p}, ${key})`, (a) => a.removexattr(p, key)),
  ]);
}

function readOf(r: Random): Operation {
  const p = path(r);
  return r.pick([
    op(`readdir(${p})`, (a) => a.list(p)),
    op('readdir(.)', (a) => a.list('.')),
    op(`lstat(${p})`, async (a) => shownStat(await a.lstat(p))),
    op(`stat(${p})`, async (a) => shownStat(await a.stat(p))),
    op(`read(${p})`, (a) => a.cat(p)),
    op(`readlink(${p})`, (a) => a.readlink(p)),
  ]);
}

function slotOf(r: Random): Operation {
  const slot = r.below(SLOTS);
  const [offset, text, size] = [r.below(9000), letters(r, 2000), r.below(15_000)];
  return r.pick([
    onSlot(slot, `pread(5000, ${offset})`, (a, fd) => a.pread(fd, 5000, offset)),
    onSlot(slot, `pread(100, 0)`, (a, fd) => a.pread(fd, 100, 0)),
    onSlot(slot, `pwrite(${text.length}, ${offset})`, (a, fd) => a.pwrite(fd, text, offset)),
    onSlot(slot, `write(${text.length})`, (a, fd) => a.write(fd, text)),
    onSlot(slot, `ftruncate(${size})`, (a, fd) => a.ftruncate(fd, size)),
    onSlot(slot, 'fstat()', async (a, fd) => shownStat(await a.fstat(fd))),
    onSlot(slot, 'fstat()', async (a, fd) => shownStat(await a.fstat(fd))),
    onSlot(slot, 'fchmod(0604)', (a, fd) => a.fchmod(fd, 0o604)),
    onSlot(slot, 'fsetxattr()', (a, fd) => a.fsetxattr(fd, 'user.k', text.slice(0, 20))),
    onSlot(slot, 'punch()', (a, fd) => a.fallocate(fd, FALLOC.PUNCH_HOLE | FALLOC.KEEP_SIZE, 100, 3000)),
  ]);
}

function tmpfileOf(r: Random): Operation {
  const [slot, parent, to] = [r.below(SLOTS), r.pick(['.', ...NAMES]), path(r)];
  if (r.once(2)) return opens(slot, `tmpfile(${parent})`, (a) => a.open(parent, O.TMPFILE | O.RDWR, 0o600));
  const link = (a: Agent, fd: number) => a.link(`/proc/self/fd/${fd}`, to, AT_SYMLINK_FOLLOW);
  return onSlot(slot, `link(${to})`, link);
}

function createOf(r: Random): Operation {
  const [p, other, text] = [path(r), path(r), letters(r, 4000)];
  return r.pick([
    op(`create(${p}, ${text.length})`, (a) => a.put(p, text, O.WRONLY | O.CREAT | O.EXCL)),
    op(`mkdir(${p})`, (a) => a.mkdir(p, 0o750)),
    op(`mkdir(${p})`, (a) => a.mkdir(p, 0o755)),
    op(`symlink(${p})`, (a) => a.symlink(`to-${text[0]}`, p)),
    op(`mknod(${p})`, (a) => a.mknod(p, S.IFSOCK | 0o600)),
    op(`link(${p}, ${other})`, (a) => a.link(p, other)),
  ]);
}

function removeOf(r: Random): Operation {
  const p = path(r);
  return r.pick([
    op(`unlink(${p})`, (a) => a.unlink(p)),
    op(`rmdir(${p})`, (a) => a.rmdir(p)),
    op(`rm -r ${p}`, (a) => a.rmtree(p)),
  ]);
}

const makers: readonly Maker[] = [
  createOf,
  createOf,
  createOf,
  changeOf,
  changeOf,
  metaOf,
  metaOf,
  readOf,
  readOf,
  readOf,
  removeOf,
  renameOf,
  renameOf,
  openOf,
  openOf,
  slotOf,
  slotOf,
  slotOf,
  tmpfileOf,
];

/** The next operation of a sequence. */
export function nextOperation(r: Random): Operation {
  return r.pick(makers)(r);
}

/** Closes what a world holds. */
export async function closeSlots(world: World): Promise<void> {
  for (const [slot, fd] of world.slots.entries()) {
    if (fd !== undefined) await world.agent.close(fd);
    world.slots[slot] = undefined;
  }
}
