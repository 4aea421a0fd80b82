// Directories of a tree that is being unpacked, by descriptor, one component at a time. A path that leads through
// anything but directories made here is refused.

import { errno } from '../errno.js';
import { check } from '../sys/check.js';
import { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } from '../sys/constants.js';
import { NAME_MAX, shown } from '../sys/name.js';
import type { Syscalls } from '../sys/syscalls.js';
import { TarError } from './tar/entry.js';

/** Longest path that is unpacked, bytes: longer ones cannot be named by users either. */
const PATH_MAX = 4096;

export function refuse(path: string, why: string): never {
  throw new TarError(`${shown(path)}: ${why}`);
}

/** The components of a path of an archive; a slash at the start, empty and `.` ones do not count. */
export function componentsOf(path: string): string[] {
  if (path.length > PATH_MAX) refuse(path.slice(0, 64), `a path of ${path.length} bytes`);
  const names = path.split('/').filter((name) => name !== '' && name !== '.');
  for (const name of names) {
    if (name === '..') refuse(path, "'..' in a path");
    if (name.length > NAME_MAX) refuse(path, `a name of ${name.length} bytes`);
    if (name.includes('\0')) refuse(path, 'a NUL in a name');
  }
  return names;
}

interface Level {
  readonly name: string;
  readonly fd: number;
}

export class Places {
  readonly #sys: Syscalls;
  readonly #root: number;
  /** Told of directories that no member has described. */
  readonly #implied: (names: readonly string[]) => void;
  /** The directories from the root to the one that was asked for last. */
  readonly #levels: Level[] = [];

  constructor(sys: Syscalls, root: number, implied: (names: readonly string[]) => void) {
    this.#sys = sys;
    this.#root = root;
    this.#implied = implied;
  }

  /** The descriptor of the directory `names`, good until the next one is asked for. `make`: with what is missing of it. */
  enter(names: readonly string[], path: string, make: boolean): number {
    let common = 0;
    while (common < this.#levels.length && this.#levels[common]?.name === names[common]) common += 1;
    this.#leave(common);
    for (let depth = common; depth < names.length; depth += 1) {
      const name = names[depth] as string;
      this.#levels.push({ name, fd: this.#open(names.slice(0, depth + 1), path, make) });
    }
    return this.#levels.at(-1)?.fd ?? this.#root;
  }

  #open(names: readonly string[], path: string, make: boolean): number {
    const above = this.#levels.at(-1)?.fd ?? this.#root;
    const name = names.at(-1) as string;
    const flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
    const fd = this.#sys.openAt(above, name, flags, 0);
    if (fd >= 0) return fd;
    if (fd === -errno.ENOTDIR || fd === -errno.ELOOP) refuse(path, `${shown(names.join('/'))} is no directory`);
    if (fd === -errno.ENOENT && !make) refuse(path, `${shown(names.join('/'))} is not there`);
    if (fd !== -errno.ENOENT) return check(fd, `open ${shown(path)}`);
    check(this.#sys.mkdirAt(above, name, 0o700), `mkdir ${shown(path)}`);
    this.#implied(names);
    return check(this.#sys.openAt(above, name, flags, 0), `open ${shown(path)}`);
  }

  #leave(depth: number): void {
    for (const { fd } of this.#levels.splice(depth)) this.#sys.close(fd);
  }

  close(): void {
    this.#leave(0);
  }
}
