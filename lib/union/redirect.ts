// Writing where a renamed directory's deeper parts are: kernel overlayfs's `redirect` xattr, a
// sibling's name, or a path from the layer's root.

import { Buffer } from 'node:buffer';
import { errno, fail } from '../errno.js';
import { check } from '../sys/check.js';
import { writePrivate } from './copy-metadata.js';
import type { LayerDir } from './dir-fds.js';
import type { DirNode } from './inode.js';
import type { Union } from './union.js';

/** Longest redirect that kernel overlayfs follows, bytes. */
const REDIRECT_MAX = 256;

/** Path of `dir` inside its layer, from its root. */
function pathInLayer(dir: LayerDir): string {
  const names: string[] = [];
  for (let at = dir; at.parent !== null; at = at.parent) names.unshift(at.name);
  return `/${names.join('/')}`;
}

/** Marks the upper's part of `node` before it moves; throws EXDEV where that cannot be done. */
export function writeRedirect(u: Union, node: DirNode, sameParent: boolean): void {
  const [upper, deeper] = node.stack;
  if (upper === undefined || deeper === undefined) throw fail('EXDEV', 'redirect without a lower part');
  const besideIt = sameParent && node.parent?.stack.some((part) => part === deeper.parent);
  const redirect = besideIt ? deeper.name : pathInLayer(deeper);
  if (redirect.length > REDIRECT_MAX) throw fail('EXDEV', 'redirect too long');
  const place = { fd: u.dirFds.fd(upper), name: '' };
  const written = writePrivate(u, place, 'redirect', Buffer.from(redirect, 'latin1'));
  if (written === -errno.EOPNOTSUPP || written === -errno.EPERM) throw fail('EXDEV', 'redirect refused');
  check(written, 'redirect');
}
