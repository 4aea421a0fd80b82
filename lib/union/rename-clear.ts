// Replacing an empty directory by rename: what the kernel refers to stays reachable, and whiteouts
// inside the upper's part make way for an empty opaque directory in one exchange.

import { check } from '../sys/check.js';
import { RENAME_EXCHANGE } from '../sys/constants.js';
import { Stat } from '../sys/stat.js';
import { placeOf } from './attributes.js';
import { asServer } from './caller.js';
import { copyMetadata } from './copy-metadata.js';
import { writableWork } from './copy-up.js';
import type { LayerDir } from './dir-fds.js';
import type { DirNode } from './inode.js';
import { namesIn } from './lookup.js';
import { keepReachable } from './remove.js';
import type { Union } from './union.js';
import { setOpaque } from './whiteout.js';

/** After this the host's rename finds an empty directory, or nothing, at `name`. */
export function clearReplaced(u: Union, node: DirNode, upper: LayerDir, name: string): void {
  keepReachable(u, node);
  if (node.upper === null || namesIn(u, node).entries.size === 0) return;
  const work = writableWork(u);
  const temporary = work.temporary();
  const from = placeOf(u, node);
  const stat = new Stat();
  check(u.sys.statAt(from.fd, from.name, stat), 'stat replaced directory');
  asServer(u, () => check(u.sys.mkdirAt(work.fd, temporary, 0o700), 'clear directory'));
  try {
    copyMetadata(u, from, { fd: work.fd, name: temporary }, stat, null);
    setOpaque(u, work.fd, temporary);
    check(u.sys.renameAt(work.fd, temporary, u.dirFds.fd(upper), name, RENAME_EXCHANGE), 'clear directory');
  } finally {
    work.discard(temporary);
  }
}
