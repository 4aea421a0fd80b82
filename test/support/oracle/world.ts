// One of the worlds in which the same operations run: a client, and what it holds open. Knows how a
// result is shown so that two worlds can be compared; knows nothing of what serves them.

import type { Agent } from '../agent.js';
import type { FileStat } from '../agent-calls.js';
import { S, shownResult } from '../linux.js';

export const SLOTS = 6;
export const STREAMS = 3;
export const MAPS = 3;
/** Bytes in a map. */
export const MAPPED = 8192;

interface Slot {
  readonly fd: number;
  /** The inode number it was opened with, which must never change. */
  readonly ino: string;
}

interface Mapped {
  readonly map: number;
  /** A descriptor of its own, to ask how long the file is now. */
  readonly fd: number;
}

export class World {
  readonly agent: Agent;
  readonly slots = new Map<number, Slot>();
  readonly streams = new Map<number, number>();
  readonly maps = new Map<number, Mapped>();
  /** Modification times after this one are `late`: when exactly is a world's own affair. */
  since = 0n;

  constructor(agent: Agent) {
    this.agent = agent;
  }

  /** `@2/a` is `a` under the directory open in slot 2, whatever its name is by now. */
  at(path: string): string {
    if (!path.startsWith('@')) return path;
    const fd = this.slots.get(Number(path[1]))?.fd;
    return `/proc/self/fd/${fd ?? 'closed'}${path.slice(2)}`;
  }

  async open(slot: number, open: Promise<number>): Promise<unknown> {
    const fd = await open;
    if (fd < 0) return shownResult(fd);
    await this.#close(slot);
    const st = await this.agent.fstat(fd);
    this.slots.set(slot, { fd, ino: typeof st === 'number' ? '' : st.ino });
    return 'open';
  }

  async #close(slot: number): Promise<void> {
    const old = this.slots.get(slot);
    this.slots.delete(slot);
    if (old !== undefined) await this.agent.close(old.fd);
  }

  async opendir(stream: number, path: string): Promise<unknown> {
    const opened = await this.agent.opendir(this.at(path));
    if (opened < 0) return shownResult(opened);
    const old = this.streams.get(stream);
    if (old !== undefined) await this.agent.closedir(old);
    this.streams.set(stream, opened);
    return 'open';
  }

  /** Maps the first pages of what is open in a slot. */
  async map(at: number, slot: number, prot: number): Promise<unknown> {
    const open = this.slots.get(slot);
    if (open === undefined) return 'closed';
    const map = await this.agent.mmap(open.fd, MAPPED, prot, 1);
    if (map < 0) return shownResult(map);
    const old = this.maps.get(at);
    if (old !== undefined) await Promise.all([this.agent.munmap(old.map), this.agent.close(old.fd)]);
    this.maps.set(at, { map, fd: await this.agent.dup(open.fd) });
    return 'mapped';
  }

  /** Gives up everything that is open, so that the filesystem can be unmounted. */
  async closeAll(): Promise<void> {
    const { agent } = this;
    await Promise.all([
      ...[...this.maps.values()].flatMap(({ map, fd }) => [agent.munmap(map), agent.close(fd)]),
      ...[...this.slots.values()].map((slot) => agent.close(slot.fd)),
      ...[...this.streams.values()].map((stream) => agent.closedir(stream)),
      agent.umask(0),
    ]);
    for (const held of [this.maps, this.slots, this.streams]) held.clear();
  }

  /** What two worlds must agree in. A directory's size and nlink are its filesystem's own affair. */
  stat(st: FileStat | number): unknown {
    if (typeof st === 'number') return shownResult(st);
    const type = st.mode & S.IFMT;
    // Linux moves no times of a fifo on FUSE when it is written.
    // A removed directory loses its whiteouts, which moves its time.
    const untold = type === S.IFIFO || (type === S.IFDIR && st.nlink === 0);
    const mtime = st.mtime > this.since || untold ? 'late' : String(st.mtime);
    const common = [st.mode.toString(8), st.uid, st.gid, mtime];
    if (type === S.IFDIR) return common;
    return [...common, st.size, st.nlink, type === S.IFCHR ? st.rdev : ''];
  }
}

/** A result as it is compared: an errno by its name, anything else as it is. */
export const shown = (result: unknown): unknown => (typeof result === 'number' ? shownResult(result) : result);
