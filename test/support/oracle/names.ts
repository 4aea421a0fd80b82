// The names and paths that random operations use: mostly of what exists just then, so that operations
// meet, sometimes any, and some of them odd.

import type { Random } from '../random.js';
import { MAPS, SLOTS, STREAMS } from './world.js';

export const NAMES = ['a', 'b', 'c', 'd', 'e'] as const;
/** Names of one file in the lowest layer; nothing above hides them, so that its link count is what is seen. */
const LINKED = ['h1', 'h2', 'hd/h3'] as const;
const LONGEST = `L${'o'.repeat(253)}ng`.slice(0, 255);
const ODD = ['\xff\xfe', 'a b', 'a:b,c\\', '\xc3', 'trusted.overlay.opaque', '...'] as const;

export interface NamesUsed {
  /** Names of 255 bytes, whose directories' redirects would be too long in a deeper layer. */
  readonly long: boolean;
}

/** What there is to meet: paths, and numbers of what is open. */
export interface Known {
  readonly files: readonly string[];
  readonly dirs: readonly string[];
  readonly slots: readonly number[];
  readonly streams: readonly number[];
  readonly maps: readonly number[];
}

const NOTHING: Known = { files: [], dirs: [], slots: [], streams: [], maps: [] };

/** Chooses paths and open things. */
export class Paths {
  readonly #r: Random;
  readonly #used: NamesUsed;
  known = NOTHING;

  constructor(r: Random, used: NamesUsed) {
    this.#r = r;
    this.#used = used;
  }

  name(): string {
    const r = this.#r;
    if (!r.once(30)) return r.pick(NAMES);
    if (this.#used.long && r.once(4)) return r.once(4) ? `${LONGEST}!` : LONGEST;
    return r.pick(ODD);
  }

  /** Whatever it may be. */
  #wild(): string {
    const r = this.#r;
    if (r.once(8)) return r.pick(LINKED);
    const parts = Array.from({ length: 1 + r.below(3) }, () => this.name());
    if (r.once(8)) parts.splice(0, 0, r.pick(NAMES), '..');
    if (r.once(3)) parts.splice(0, 0, `@${this.slot()}`);
    return parts.join('/');
  }

  /** One of `some`, or now and then anything. */
  #mostly(some: readonly string[]): string {
    return some.length > 0 && !this.#r.once(7) ? this.#r.pick(some) : this.#wild();
  }

  file(): string {
    return this.#mostly(this.known.files);
  }

  dir(): string {
    return this.#mostly(this.known.dirs);
  }

  any(): string {
    return this.#r.once(3) ? this.dir() : this.file();
  }

  /** A name in a directory that exists; something may have it. */
  place(): string {
    const dirs = this.known.dirs;
    // The root is as likely as all its directories: trees do not grow deep only.
    return this.#r.once(3) || dirs.length === 0 ? this.name() : `${this.dir()}/${this.name()}`;
  }

  /** Something that exists, or a name that may be free. */
  anyPlace(): string {
    return this.#r.once(2) ? this.any() : this.place();
  }

  /** A path, the mount's root, or what is open in a slot, by whatever name it has now, or none. */
  target(): string {
    if (this.#r.once(20)) return '.';
    return this.#r.once(12) ? `@${this.slot()}` : this.any();
  }

  #open(held: readonly number[], of: number): number {
    return held.length > 0 && !this.#r.once(12) ? this.#r.pick(held) : this.#r.below(of);
  }

  /** A slot that holds a descriptor, most of the time. */
  slot(): number {
    return this.#open(this.known.slots, SLOTS);
  }

  stream(): number {
    return this.#open(this.known.streams, STREAMS);
  }

  map(): number {
    return this.#open(this.known.maps, MAPS);
  }
}
