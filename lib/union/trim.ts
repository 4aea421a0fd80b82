// What a union can do without when nobody is at work in it. No I/O.

import type { Union } from './union.js';

/** Drops listings, and the names of the root where the kernel knows nothing below it. Between requests only. */
export function trimUnion(u: Union): void {
  u.listings.clear();
  if (u.root.index?.liveNodes === 0) u.root.index = null;
}
