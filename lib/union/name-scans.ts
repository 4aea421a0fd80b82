// The names of the layer directories of one directory, as the host gives them, while its stack and its index are made:
// all in one buffer, which the next directory's use again. Refuses to know what a name means.

import { errno } from '../errno.js';
import { check } from '../sys/check.js';
import { READ } from '../sys/compound.js';
import { type LayerDir, noMarks } from './dir-fds.js';
import { isUpper } from './layers.js';
import { MARK } from './marks.js';
import type { Union } from './union.js';

/** Some thirty thousand names; directories with more are read in steps. */
const ROOM = 1 << 20;

/** Where the records of a directory are, and whether the name asked for is one of them. */
export interface Scan {
  readonly from: number;
  readonly to: number;
  readonly count: number;
  readonly has: boolean;
}

/** So many directories are read in one call: fewer than descriptors are good for. */
const TOGETHER = 16;

const buffer = new Uint8Array(ROOM);
const told = new Uint32Array(2);
const read = new Int32Array(READ.words * TOGETHER);

/** Good until the next one is begun. */
export class Scans {
  readonly #known = new Map<LayerDir, Scan | null>();
  #end = 0;

  get records(): Uint8Array {
    return buffer;
  }

  /** The names in `dir`, read once; null where these are too many, or not told by records alone. */
  of(u: Union, dir: LayerDir, mark: string): Scan | null {
    const known = this.#known.get(dir);
    if (known !== undefined) return known;
    const scan = this.#read(u, dir, mark);
    this.#known.set(dir, scan);
    return scan;
  }

  /**
   * Reads `first` and, behind it, those of `rest` from `from` on, as far as they are lowers without marks that have the same
   * name and are not open yet. Whatever is not read so is read when it is asked for.
   */
  ahead(u: Union, first: LayerDir, rest: readonly LayerDir[], from: number, mark: string): void {
    const isNew = (dir: LayerDir): boolean =>
      dir.name === first.name && !isUpper(dir.layer) && !this.#known.has(dir) && !u.dirFds.has(dir);
    if (!isNew(first)) return;
    const dirs = [first];
    for (let at = from; at < rest.length && dirs.length < TOGETHER && isNew(rest[at] as LayerDir); at += 1) {
      dirs.push(rest[at] as LayerDir);
    }
    const parents = Int32Array.from(dirs, (dir) => u.dirFds.fd(dir.parent as LayerDir));
    const plain = u.sys.readDirectories(parents, first.name, buffer, this.#end, mark, MARK, read);
    for (let at = 0; at <= plain && at < dirs.length; at += 1) {
      const dir = dirs[at] as LayerDir;
      const word = (which: number): number => read[READ.words * at + which] as number;
      const [fd, to] = [word(READ.fd), word(READ.to)];
      if (fd >= 0) u.dirFds.adopt(dir, fd);
      if (at === plain) return;
      this.#known.set(dir, { from: this.#end, to, count: word(READ.count), has: false });
      dir.marks = noMarks;
      this.#end = to;
    }
  }

  #read(u: Union, dir: LayerDir, mark: string): Scan | null {
    const bytes = u.sys.readNames(u.dirFds.fd(dir), buffer, this.#end, mark, told);
    if (bytes === -errno.E2BIG || bytes === -errno.EOPNOTSUPP) return null;
    const from = this.#end;
    this.#end = from + check(bytes, () => `list ${dir}`);
    return { from, to: this.#end, count: told[0] as number, has: told[1] !== 0 };
  }
}
