// Writing where the deeper parts of a renamed directory, or the data of a renamed metadata-only copy,
// are: kernel overlayfs's `redirect` xattr, a sibling's name, or a path from the layers' roots.

import { Buffer } from 'node:buffer';
import { ErrnoError, errno, fail } from '../errno.js';
import { check } from '../sys/check.js';
import { type Place, placeOf } from './attributes.js';
import { writePrivate } from './copy-metadata.js';
import { copyUp } from './copy-up.js';
import { DirNode, FileNode, type Inode } from './inode.js';
import { readRedirect } from './marks.js';
import { dataOf } from './metacopy.js';
import type { Union } from './union.js';

/** Longest redirect that kernel overlayfs writes, bytes. */
const REDIRECT_MAX = 256;

/** The redirect of a directory's upper part, if it has both. */
function redirectOf(u: Union, dir: DirNode): string | null {
  return dir.upper === null ? null : readRedirect(u.sys, { fd: u.dirFds.fd(dir.upper), name: '' });
}

/**
 * The path of `name` in `dir` as the lowers, merged without the upper, have it. It is not a path inside
 * one layer: redirects of the lowers on the way are followed by whoever reads it.
 */
function pathBeneath(u: Union, dir: DirNode | null, name: string): string {
  if (dir === null) return name;
  const own = dir.parent === null ? '' : (redirectOf(u, dir) ?? dir.name);
  const path = `${own}/${name}`;
  return own.startsWith('/') ? path : pathBeneath(u, dir.parent, path);
}

/** Marks `node`, which is in the upper, before it moves or gets a further name; throws EXDEV where that cannot be done. */
export function writeRedirect(u: Union, node: Inode, staysBeside: boolean): void {
  if (node instanceof DirNode && node.stack.length < 2) throw fail('EXDEV', 'redirect without a lower part');
  const place = placeOf(u, node);
  const written = readRedirect(u.sys, place);
  if (written !== null && (staysBeside || written.startsWith('/'))) return;
  const name = written ?? node.name;
  const redirect = staysBeside ? name : pathBeneath(u, node.parent, name);
  if (redirect.length > REDIRECT_MAX) throw fail('EXDEV', 'redirect too long');
  store(u, place, redirect);
}

function store(u: Union, place: Place, redirect: string): void {
  const written = writePrivate(u, place, 'redirect', Buffer.from(redirect, 'latin1'));
  if (written === -errno.EOPNOTSUPP || written === -errno.EPERM) throw fail('EXDEV', 'redirect refused');
  check(written, 'redirect');
}

/**
 * A file that moves, or gets a further name, goes on finding its data: by a redirect, or, where none
 * may be written, by having it.
 */
export function keepDataFound(u: Union, node: Inode, staysBeside: boolean): void {
  if (!(node instanceof FileNode) || dataOf(u, node) === null) return;
  const nameless = node.parent === null;
  if (nameless || !u.options.redirectDir || u.features.dialect === null) {
    copyUp(u, node, 'data');
    return;
  }
  try {
    // One of several names may be looked up anywhere.
    writeRedirect(u, node, staysBeside && node.identities === null);
  } catch (error) {
    if (!(error instanceof ErrnoError) || error.code !== errno.EXDEV) throw error;
    copyUp(u, node, 'data');
  }
}
