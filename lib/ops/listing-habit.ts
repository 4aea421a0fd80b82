// Whether those who list directories go on to ask for the attributes of what they found. To fill the kernel's caches along
// with a listing costs a stat for each name; not to, a round trip for each name that is asked for. Questions that the caches
// answer are not seen, so now and then a listing is left bare to find out. Pure.

/** So many questions about bare listings say that filling is worth it. */
const ENOUGH = 4;
/** Smaller directories tell nothing. */
const TELLING = 2 * ENOUGH;
/** While listings are filled, the second is left bare, and then each of so many. */
const TRY_EVERY = 64;
const FIRST_TRY = 2;

export class ListingHabit {
  #fills = true;
  #listings = 0;
  #trying = false;
  #asked = 0;
  readonly #bare = new WeakSet<object>();

  /** A listing of `dir`, which has `names` names, begins: true when it should be filled. */
  begins(dir: object, names: number): boolean {
    if (this.#trying && this.#asked < ENOUGH) this.#fills = false;
    this.#trying = false;
    // Of many small directories each is asked for little.
    this.#asked >>>= 1;
    if (names >= TELLING) {
      this.#listings += 1;
      this.#trying = this.#fills && this.#listings % TRY_EVERY === FIRST_TRY;
    }
    if (this.#trying) this.#asked = 0;
    if (this.#fills && !this.#trying) this.#bare.delete(dir);
    else this.#bare.add(dir);
    return this.fills(dir);
  }

  /** How the listing of `dir` goes on. */
  fills(dir: object): boolean {
    return !this.#bare.has(dir);
  }

  /** Whether it matters who asks for names in `dir`. */
  counts(dir: object): boolean {
    return this.#bare.has(dir) && (!this.#fills || (this.#trying && this.#asked < ENOUGH));
  }

  /** Somebody asked for a name in `dir` that is no directory; walkers enter those whatever they do with files. */
  asked(dir: object): void {
    if (!this.#bare.has(dir)) return;
    this.#asked += 1;
    if (this.#asked >= ENOUGH) this.#fills = true;
  }
}
