// Tells the kernel which of its cached answers are no longer so. Best effort: what is gone from the
// kernel's caches needs no telling.

import { errno } from '../errno.js';
import { log } from '../log.js';
import type { Inode } from '../union/inode.js';
import type { Staleness } from '../union/union.js';
import { invalInode } from '../wire/notify.js';
import type { Channel } from './channel.js';

export class Notifier implements Staleness {
  channel: Pick<Channel, 'write'> | null = null;

  /** A negative offset drops attributes and leaves the pages alone. */
  attributes(node: Inode): void {
    if (node.id === 0 || this.channel === null) return;
    const result = this.channel.write(invalInode(node.id, -1, 0));
    if (result < 0 && result !== -errno.ENOENT) log.once('warn', 'notify', `a notification was refused (${result})`);
  }
}
