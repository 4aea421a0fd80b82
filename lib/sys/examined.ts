// What one question tells of an object that is about to be copied. Filled by `examine`; no I/O here.

import { errno } from '../errno.js';
import { STAT_WORDS, Stat } from './stat.js';

/** Bytes of a file handle, at the most. */
const HANDLE_MAX = 128;

/** Word offsets behind those of the attributes. */
export const E = {
  opened: STAT_WORDS,
  flags: STAT_WORDS + 1,
  listed: STAT_WORDS + 2,
  handleType: STAT_WORDS + 3,
  handleLength: STAT_WORDS + 4,
  handle: STAT_WORDS + 5,
} as const;

const EXAMINED_WORDS = E.handle + HANDLE_MAX / 4;

export class Examined {
  readonly words = new Uint32Array(EXAMINED_WORDS);
  readonly stat = new Stat(this.words.subarray(0, STAT_WORDS));

  #signed(word: number): number {
    return (this.words[word] as number) | 0;
  }

  /** A descriptor to read a regular file by, which is the caller's to close, or -errno; -EBADF: not opened. */
  get fd(): number {
    return this.#signed(E.opened);
  }

  /** Nothing was examined yet. */
  forget(): void {
    this.words[E.opened] = -errno.EBADF;
  }

  /** FS_IOC_GETFLAGS, or -errno; -EBADF: could not be asked without opening it. */
  get flags(): number {
    return this.#signed(E.flags);
  }

  /** It has extended attributes, or it could not be told. */
  get hasXattrs(): boolean {
    const listed = this.#signed(E.listed);
    return listed !== 0 && listed !== -errno.EOPNOTSUPP;
  }

  /** null where the host gives none. */
  get handle(): { readonly type: number; readonly bytes: Uint8Array } | null {
    const length = this.#signed(E.handleLength);
    if (length < 0) return null;
    const { buffer, byteOffset } = this.words;
    const bytes = new Uint8Array(buffer, byteOffset + 4 * E.handle, length);
    return { type: this.#signed(E.handleType), bytes };
  }
}
