// Random operations on what a world holds open: descriptors, unnamed files, memory maps.

import type { Agent } from '../agent.js';
import { AT_SYMLINK_FOLLOW, FALLOC, O, S, SEEK, shownResult } from '../linux.js';
import { type Operation, onSlot } from './operation.js';
import { type Maker, modeOf } from './path-operations.js';
import { MAPPED, SLOTS, shown, type World } from './world.js';

async function fstat(agent: Agent, fd: number, slot: number, world: World): Promise<unknown> {
  const st = await agent.fstat(fd);
  if (typeof st === 'number') return st;
  return [world.stat(st), `same number: ${st.ino === world.slots.get(slot)?.ino}`];
}

const statOf: Maker = ({ paths }) => {
  const slot = paths.slot();
  return onSlot(slot, 'fstat()', (a, fd, w) => fstat(a, fd, slot, w));
};

const dataOf: Maker = ({ r, paths }) => {
  const slot = paths.slot();
  const [offset, size, length] = [r.below(9000), r.below(15_000), 1 + r.below(2000)];
  const text = r.pick(['x', 'y', 'z']).repeat(length);
  return r.pick([
    onSlot(slot, `pread(5000, ${offset})`, (a, fd) => a.pread(fd, 5000, offset)),
    onSlot(slot, 'pread(100, 0)', (a, fd) => a.pread(fd, 100, 0)),
    onSlot(slot, `pwrite(${length}, ${offset})`, (a, fd) => a.pwrite(fd, text, offset)),
    onSlot(slot, `pwrite(${length}, ${offset})`, (a, fd) => a.pwrite(fd, text, offset)),
    onSlot(slot, `write(${length})`, (a, fd) => a.write(fd, text)),
    onSlot(slot, `ftruncate(${size})`, (a, fd) => a.ftruncate(fd, size)),
  ]);
};

const FALLOCATIONS = [
  0,
  FALLOC.KEEP_SIZE,
  FALLOC.PUNCH_HOLE | FALLOC.KEEP_SIZE,
  FALLOC.ZERO_RANGE,
  FALLOC.ZERO_RANGE | FALLOC.KEEP_SIZE,
] as const;

/**
 * What lies before the data that lseek finds: where holes are is the filesystem's own affair, that
 * they read as zeros is not.
 */
async function skipped(a: Agent, fd: number, offset: number): Promise<string> {
  const st = await a.fstat(fd);
  if (typeof st === 'number' || (st.mode & S.IFMT) !== S.IFREG) return 'no file';
  const [found, size] = await Promise.all([a.lseek(fd, offset, SEEK.DATA), a.lseek(fd, 0, SEEK.END)]);
  if (found < 0 && offset >= size) return String(shownResult(found));
  if (found < 0 && shownResult(found) !== 'ENXIO') return String(shownResult(found));
  const end = found < 0 ? size : found;
  const hole = await a.pread(fd, Math.max(0, end - offset), offset);
  return typeof hole === 'number' ? String(shownResult(hole)) : `zeros: ${!/[^\0]/.test(hole)}`;
}

const rangeOf: Maker = ({ r, paths }) => {
  const [slot, other, mode] = [paths.slot(), paths.slot(), r.pick(FALLOCATIONS)];
  const [from, to, length] = [r.below(9000), r.below(9000), 1 + r.below(6000)];
  const between = (text: string, run: (a: Agent, fd: number, to: number) => Promise<number>): Operation =>
    onSlot(slot, `${text}(fd${other}, ${from}, ${to}, ${length})`, async (a, fd, w) => {
      const target = w.slots.get(other)?.fd;
      return target === undefined ? 'closed' : run(a, fd, target);
    });
  return r.pick([
    onSlot(slot, `fallocate(${mode}, ${from}, ${length})`, (a, fd) => a.fallocate(fd, mode, from, length)),
    onSlot(slot, `seek data(${from})`, (a, fd) => skipped(a, fd, from)),
    between('copy_file_range', (a, fd, target) => a.copyrange(fd, from, target, to, length)),
    between('sendfile', async (a, fd, target) => {
      const moved = await a.lseek(target, to, SEEK.SET);
      return moved < 0 ? moved : a.sendfile(fd, from, target, length);
    }),
  ]);
};

const metaOf: Maker = (s) => {
  const { r, paths } = s;
  const [slot, mode, id] = [paths.slot(), modeOf(s), 1000 + r.below(3)];
  const time = BigInt(1 + r.below(1 << 30)) * 1_000_000_007n;
  return r.pick([
    { ...onSlot(slot, `fchmod(${mode.toString(8)})`, (a, fd) => a.fchmod(fd, mode)), privileges: true },
    onSlot(slot, `fchown(${id})`, (a, fd) => a.fchown(fd, id, id)),
    onSlot(slot, `futimens(${time})`, (a, fd) => a.futimens(fd, time, time)),
    onSlot(slot, 'fsetxattr()', (a, fd) => a.fsetxattr(fd, 'user.k', `through a descriptor ${id}`)),
    onSlot(slot, 'fgetxattr()', (a, fd) => a.fgetxattr(fd, 'user.k')),
    onSlot(slot, 'flistxattr()', (a, fd) => a.flistxattr(fd)),
    onSlot(slot, 'fremovexattr()', (a, fd) => a.fremovexattr(fd, 'user.k')),
    onSlot(slot, 'fsync()', (a, fd) => a.fsync(fd, true)),
  ]);
};

const tmpfileOf: Maker = ({ r, paths }) => {
  const [slot, parent, to, named] = [r.below(SLOTS), paths.dir(), paths.place(), paths.slot()];
  const flags = O.TMPFILE | O.RDWR | (r.once(4) ? O.EXCL : 0);
  if (!r.once(3)) {
    return {
      text: `fd${slot} = tmpfile(${parent}, 0${flags.toString(8)})`,
      run: (w) => w.open(slot, w.agent.open(w.at(parent), flags, 0o620)),
    };
  }
  return onSlot(named, `link(${to})`, (a, fd, w) => a.link(`/proc/self/fd/${fd}`, w.at(to), AT_SYMLINK_FOLLOW));
};

/** Gives an unnamed file of its own a name at once: files with one name only. */
const namedTmpfileOf: Maker = ({ paths }) => {
  const [parent, to] = [paths.dir(), paths.place()];
  return {
    text: `tmpfile(${parent}) linked at ${to}`,
    run: async (w) => {
      const fd = await w.agent.open(w.at(parent), O.TMPFILE | O.RDWR, 0o620);
      if (fd < 0) return shownResult(fd);
      const [, linked] = await Promise.all([
        w.agent.write(fd, 'unnamed'),
        w.agent.link(`/proc/self/fd/${fd}`, w.at(to), AT_SYMLINK_FOLLOW),
        w.agent.close(fd),
      ]);
      return shownResult(linked);
    },
  };
};

/** Accesses stay inside the file: what a page holds beyond its end is nobody's. */
const mappedOf: Maker = ({ r, paths }) => {
  const [map, slot, most] = [paths.map(), paths.slot(), 1 + r.below(40)];
  const offset = r.below(r.pick([100, MAPPED - 40]));
  const [letter, writes] = [r.pick(['m', 'n']), r.once(2)];
  const run = async (w: World): Promise<unknown> => {
    const held = w.maps.get(map);
    if (held === undefined) return 'closed';
    const st = await w.agent.fstat(held.fd);
    const length = typeof st === 'number' ? 0 : Math.min(most, st.size - offset);
    if (length <= 0) return 'beyond the end';
    const before = await w.agent.mapread(held.map, offset, length);
    if (!writes || typeof before === 'number') return shown(before);
    // A map's writes keep a capability on ext4; on FUSE they are written back by nobody in particular, and take it.
    await w.agent.fremovexattr(held.fd, 'security.capability');
    // Another descriptor sees the bytes before and after they are written back.
    const fd = w.slots.get(slot)?.fd ?? -1;
    const [wrote, seen, , after] = await Promise.all([
      w.agent.mapwrite(held.map, offset, letter.repeat(length)),
      w.agent.pread(fd, 5000, 0),
      w.agent.msync(held.map),
      w.agent.pread(fd, 5000, 0),
    ]);
    return [before, shown(wrote), shown(seen), shown(after)];
  };
  return { text: `map${map}.${writes ? 'write' : 'read'}(${offset}), seen by fd${slot}`, run };
};

const writing =
  (maker: Maker): Maker =>
  (s) => ({ ...maker(s), writes: true });

/** How often each is drawn. */
export const fdMakers: readonly (readonly [number, Maker])[] = [
  [3, statOf],
  [7, writing(dataOf)],
  [3, writing(rangeOf)],
  [4, metaOf],
  [2, writing(mappedOf)],
];

/** Unnamed files: with more names later, or with one at most. */
export const tmpfileMakers = { linked: [[2, tmpfileOf]], single: [[1, namedTmpfileOf]] } as const satisfies Record<
  string,
  readonly (readonly [number, Maker])[]
>;
