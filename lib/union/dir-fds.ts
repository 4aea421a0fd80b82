// A directory of one layer, by its place in that layer, and the bounded cache of descriptors for
// them. A descriptor handed out is good until a few dozen others were asked for, never longer.

import { LRUCache } from 'lru-cache';
import { errno } from '../errno.js';
import type { Syscalls } from '../sys/calls.js';
import { check } from '../sys/check.js';
import { openQuietly } from '../sys/compound.js';
import { O_DIRECTORY, O_PATH } from '../sys/constants.js';
import { shown } from '../sys/name.js';
import type { Layer } from './layers.js';

/** What a layer's directory says about itself. */
export interface DirMarks {
  /** Deeper layers add nothing. */
  readonly opaque: boolean;
  /** Empty regular files with the whiteout attribute are whiteouts. */
  readonly xattrWhiteouts: boolean;
  /** Where deeper layers have this directory: a sibling name, or `/path` from the layer root. */
  readonly redirect: string | null;
  /** Holds entries whose inode number is another layer's. */
  readonly impure: boolean;
  /** May hold devices 0:0 that users made. */
  readonly holdsNested: boolean;
}

export const noMarks: DirMarks = {
  opaque: false,
  xattrWhiteouts: false,
  redirect: null,
  impure: false,
  holdsNested: false,
};

/** A directory inside a layer. In the upper its place changes with rename; in a lower it never does. */
export class LayerDir {
  /** Holds copies made from deeper layers; known once its names were read. */
  impure = false;
  /** Kept once they were read, where they cannot change. */
  marks: DirMarks | null = null;

  constructor(
    readonly layer: Layer,
    public parent: LayerDir | null,
    public name: string,
  ) {}

  /** For people: layer path and the path inside. */
  toString(): string {
    const names: string[] = [];
    for (let dir: LayerDir = this; dir.parent !== null; dir = dir.parent) names.unshift(dir.name);
    return shown([this.layer.path, ...names].join('/'));
  }
}

/** A regular file of one layer. */
export class LayerFile {
  constructor(
    readonly dir: LayerDir,
    readonly name: string,
  ) {}

  toString(): string {
    return `${this.dir}/${shown(this.name)}`;
  }
}

/** Descriptors (O_RDONLY, or O_PATH where reading is refused) of layer directories. */
export class DirFds {
  readonly #sys: Syscalls;
  readonly #cache: LRUCache<LayerDir, number>;
  /** Borrowed descriptors, by whom. */
  readonly #lent = new Map<number, number[]>();
  readonly #takeBack: (borrower: number) => void;

  /** `takeBack` is called before a descriptor closes that was lent. */
  constructor(sys: Syscalls, capacity: number, takeBack: (borrower: number) => void = () => {}) {
    this.#sys = sys;
    this.#takeBack = takeBack;
    this.#cache = new LRUCache<LayerDir, number>({
      max: Math.max(capacity, 32),
      dispose: (fd) => this.#close(fd),
    });
  }

  get size(): number {
    return this.#cache.size;
  }

  /** The descriptor of `dir`; throws ErrnoError when the directory cannot be opened. */
  fd(dir: LayerDir): number {
    if (dir.parent === null) return dir.layer.fd;
    const known = this.#cache.get(dir);
    if (known !== undefined) return known;
    return this.#open(dir);
  }

  /** Whether it is open. */
  has(dir: LayerDir): boolean {
    return dir.parent === null || this.#cache.has(dir);
  }

  /** Takes over `fd`, the descriptor of `dir`, which was not open. */
  adopt(dir: LayerDir, fd: number): void {
    this.#cache.set(dir, fd);
  }

  /** The same until it is taken back. */
  lend(dir: LayerDir, borrower: number): number {
    const fd = this.fd(dir);
    if (dir.parent === null) return fd;
    const borrowers = this.#lent.get(fd);
    if (borrowers === undefined) this.#lent.set(fd, [borrower]);
    else if (!borrowers.includes(borrower)) borrowers.push(borrower);
    return fd;
  }

  #close(fd: number): void {
    for (const borrower of this.#lent.get(fd) ?? []) this.#takeBack(borrower);
    this.#lent.delete(fd);
    this.#sys.close(fd);
  }

  /** Forgets `dir`, which was removed. */
  drop(dir: LayerDir): void {
    this.#cache.delete(dir);
  }

  clear(): void {
    this.#cache.clear();
  }

  /** Opens the missing part of the chain from the layer root down, one component at a time. */
  #open(dir: LayerDir): number {
    const chain: LayerDir[] = [];
    let at: LayerDir = dir;
    while (at.parent !== null && !this.#cache.has(at)) {
      chain.push(at);
      at = at.parent;
    }
    let fd = this.fd(at);
    for (const next of chain.reverse()) {
      fd = check(this.#openOne(fd, next.name), () => next.toString());
      this.#cache.set(next, fd);
    }
    return fd;
  }

  #openOne(parent: number, name: string): number {
    const readable = openQuietly(this.#sys, parent, name);
    // Only a refusal: after any other failure a descriptor that cannot be read would stay in the cache.
    if (readable !== -errno.EACCES && readable !== -errno.EPERM) return readable;
    return this.#sys.openAt(parent, name, O_PATH | O_DIRECTORY, 0);
  }
}
