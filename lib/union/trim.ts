// What a union can do without when nobody is at work in it. No I/O but closing.

import { closeIdle } from './handles.js';
import { isInUse } from './row-nodes.js';
import type { Union } from './union.js';

/** Drops listings, handles that nobody has open, and the names of the root where the kernel knows nothing below it. Between requests only. */
export function trimUnion(u: Union): void {
  u.listings.clear();
  closeIdle(u);
  if (u.root.index === null || isInUse(u.root.index)) return;
  u.negatives.unlearn(u.root);
  u.rowNodes.drop(u, u.root);
  u.root.index = null;
}
