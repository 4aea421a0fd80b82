// The prepared half of every change: WORK/work, where objects are made before one rename or link
// publishes them. What an earlier crash left there is removed at mount. Decides nothing.

import { ErrnoError, errno } from '../errno.js';
import { log } from '../log.js';
import type { Syscalls } from '../sys/calls.js';
import { check } from '../sys/check.js';
import { AT_REMOVEDIR, DT_DIR, O_DIRECTORY, O_RDONLY } from '../sys/constants.js';

/** How deep leftovers may nest; deeper ones stay, with a warning. */
const MAX_DEPTH = 1024;

/** Removes `name` in `dirfd` and all that is below it. Never follows links or crosses mounts. */
export function removeTree(sys: Syscalls, dirfd: number, name: string, depth = 0): number {
  const plain = sys.unlinkAt(dirfd, name, 0);
  if (plain !== -errno.EISDIR && plain !== -errno.EPERM) return plain;
  const emptied = emptyDirectory(sys, dirfd, name, depth);
  return emptied < 0 ? emptied : sys.unlinkAt(dirfd, name, AT_REMOVEDIR);
}

function emptyDirectory(sys: Syscalls, dirfd: number, name: string, depth: number): number {
  if (depth > MAX_DEPTH) return -errno.ELOOP;
  const fd = sys.openAt(dirfd, name, O_RDONLY | O_DIRECTORY, 0);
  if (fd < 0) return fd;
  const result = removeChildren(sys, fd, depth);
  sys.close(fd);
  return result;
}

function removeChildren(sys: Syscalls, fd: number, depth: number): number {
  const scan = sys.scanDir(fd);
  if (typeof scan === 'number') return scan;
  for (const [position, child] of scan.names.entries()) {
    const isDirectory = scan.types[position] === DT_DIR;
    const removed = isDirectory ? removeTree(sys, fd, child, depth + 1) : sys.unlinkAt(fd, child, 0);
    if (removed < 0) return removed;
  }
  return 0;
}

/** WORK and WORK/work, open for the life of the mount. */
export class Workdir {
  readonly #sys: Syscalls;
  /** Descriptor of WORK/work. */
  readonly fd: number;
  /** Descriptor of WORK itself. */
  readonly outer: number;
  /** No other mount uses it: what is found here is left over. */
  readonly owned: boolean;
  #counter = 0;
  /** Name of the shared whiteout, which each whiteout is a hard link of. */
  #whiteout: string | null = null;

  /** Takes over `outer` (WORK), and makes WORK/work empty when nobody else uses it. */
  constructor(sys: Syscalls, outer: number, owned = true) {
    this.#sys = sys;
    this.outer = outer;
    this.owned = owned;
    const made = sys.mkdirAt(outer, 'work', 0o700);
    if (made < 0 && made !== -errno.EEXIST) throw new ErrnoError(-made, 'workdir: mkdir work');
    this.fd = check(sys.openAt(outer, 'work', O_RDONLY | O_DIRECTORY, 0), 'workdir: work');
    this.clear();
  }

  /** A name that nothing in WORK/work has. */
  temporary(): string {
    this.#counter += 1;
    const number = this.#counter.toString(16);
    return this.owned ? `#${number}` : `#${process.pid.toString(16)}.${number}`;
  }

  /** Removes everything left in WORK/work, unless it may be another mount's. */
  clear(): void {
    if (!this.owned) return;
    const removed = removeChildren(this.#sys, this.fd, 0);
    if (removed < 0) log.warn(`workdir: leftovers could not all be removed (${removed})`);
    this.#whiteout = null;
  }

  /** Best effort: what is left is removed at the next mount. */
  discard(name: string): void {
    const removed = removeTree(this.#sys, this.fd, name);
    if (removed < 0 && removed !== -errno.ENOENT) {
      log.once('warn', 'workdir.discard', `workdir: ${name} could not be removed (${removed})`);
    }
  }

  /** The shared whiteout's name, made by `make` when there is none. */
  sharedWhiteout(make: (name: string) => void): string {
    if (this.#whiteout === null) {
      const name = this.temporary();
      make(name);
      this.#whiteout = name;
    }
    return this.#whiteout;
  }

  /** The shared whiteout took no further link (EMLINK): the next one starts anew. */
  retireWhiteout(): void {
    if (this.#whiteout !== null) this.#sys.unlinkAt(this.fd, this.#whiteout, 0);
    this.#whiteout = null;
  }

  close(): void {
    this.retireWhiteout();
    this.clear();
    this.#sys.close(this.fd);
    this.#sys.close(this.outer);
  }
}
