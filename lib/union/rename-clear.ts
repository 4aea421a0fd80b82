// Replacing an empty directory by rename: what the kernel refers to stays reachable, and whiteouts
// inside the upper's part make way for an empty opaque directory in one exchange. Where the host has no
// exchange, or marks opaque directories by a file inside, there is no such directory to exchange with.

import { check, checkData } from '../sys/check.js';
import { RENAME_EXCHANGE } from '../sys/constants.js';
import { Stat } from '../sys/stat.js';
import { placeOf } from './attributes.js';
import { asServer } from './caller.js';
import { copyMetadata } from './copy-metadata.js';
import { writableWork } from './copy-up.js';
import type { LayerDir } from './dir-fds.js';
import type { DirNode } from './inode.js';
import { keepReachable } from './remove.js';
import type { Union } from './union.js';
import { setOpaque } from './whiteout.js';

/** The host has nothing in the upper's part: no whiteouts, no opaque file. */
function isBare(u: Union, node: DirNode): boolean {
  if (node.upper === null) return true;
  return checkData(u.sys.scanDir(u.dirFds.fd(node.upper)), 'list replaced directory').names.length === 0;
}

/** True when `node` cannot be cleared in place: it has to be removed before its name is taken. */
export function mustGoFirst(u: Union, node: DirNode): boolean {
  return !(u.features.renameExchange && u.features.dialect !== null) && !isBare(u, node);
}

/** After this the host's rename finds an empty directory, or nothing, at `name`. */
export function clearReplaced(u: Union, node: DirNode, upper: LayerDir, name: string): void {
  keepReachable(u, node);
  if (isBare(u, node)) return;
  const work = writableWork(u);
  const temporary = work.temporary();
  const from = placeOf(u, node);
  const stat = new Stat();
  check(u.sys.statAt(from.fd, from.name, stat), 'stat replaced directory');
  asServer(u, () => check(u.sys.mkdirAt(work.fd, temporary, 0o700), 'clear directory'));
  try {
    copyMetadata(u, upper.layer, from, { fd: work.fd, name: temporary }, stat, null);
    setOpaque(u, work.fd, temporary);
    check(u.sys.renameAt(work.fd, temporary, u.dirFds.fd(upper), name, RENAME_EXCHANGE), 'clear directory');
    // The name leads to the empty one now, should the rename itself fail.
    if (node.upper !== null) u.dirFds.drop(node.upper);
  } finally {
    work.discard(temporary);
  }
}
