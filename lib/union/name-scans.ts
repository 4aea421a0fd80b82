// The names of the layer directories of one directory, as the host gives them, while its stack and its index are made:
// all in one buffer, which the next directory's use again. Refuses to know what a name means.

import { errno } from '../errno.js';
import { check } from '../sys/check.js';
import type { LayerDir } from './dir-fds.js';
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

const buffer = new Uint8Array(ROOM);
const told = new Uint32Array(2);

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

  #read(u: Union, dir: LayerDir, mark: string): Scan | null {
    const bytes = u.sys.readNames(u.dirFds.fd(dir), buffer, this.#end, mark, told);
    if (bytes === -errno.E2BIG || bytes === -errno.EOPNOTSUPP) return null;
    const from = this.#end;
    this.#end = from + check(bytes, () => `list ${dir}`);
    return { from, to: this.#end, count: told[0] as number, has: told[1] !== 0 };
  }
}
