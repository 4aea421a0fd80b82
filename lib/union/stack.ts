// Which layer directories make up one merged directory: the same name in each layer, cut at the
// first opaque one, and led elsewhere by redirects. Reads marks; never reads names.

import { assert } from '../assert.js';
import { LayerDir } from './dir-fds.js';
import type { DirNode } from './inode.js';
import { LayerSearch } from './layer-search.js';
import { scanOf } from './layer-walk.js';
import { OPAQUE_FILE, readMarks } from './marks.js';
import type { Scans } from './name-scans.js';
import type { Union } from './union.js';

/**
 * Settles the stack of `node`: reads the marks of each candidate, top to bottom. With `scans`, names are read on the way: a
 * caller who needs them next spares the host a question for each directory.
 */
export function settleStack(u: Union, node: DirNode, scans?: Scans): void {
  if (node.candidates === null) return;
  const parent = node.parent;
  assert(parent !== null, 'the root is settled from the start');
  const stack = node.stack;
  const sameName = [...node.candidates];
  let search: LayerSearch | null = null;
  for (let at = stack.at(-1); at !== undefined; ) {
    if (search === null) scans?.ahead(u, at, sameName, 0, OPAQUE_FILE);
    const scan = scans === undefined ? null : scanOf(u, at, scans);
    const marks = readMarks(u.sys, u.dirFds, at, u.scratch, scan?.has);
    if (marks.opaque) break;
    if (marks.redirect !== null) {
      search ??= new LayerSearch(u, parent, at.name);
      search.redirect(`${at}`, marks.redirect);
    }
    const next = search === null ? sameName.shift() : search.next(at.layer);
    if (!(next instanceof LayerDir)) break;
    stack.push(next);
    at = next;
  }
  node.candidates = null;
}
