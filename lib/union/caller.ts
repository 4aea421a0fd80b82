// Making objects as the caller: ids and umask of this thread while one call runs. The host then
// applies setgid directories and default ACLs as it does for any process.

import { errno, fail } from '../errno.js';
import type { Syscalls } from '../sys/calls.js';
import type { Caller, Union } from './union.js';

let current: { sys: Syscalls; mask: number } | null = null;

function setMask(u: Union, mask: number): void {
  if (current?.sys === u.sys && current.mask === mask) return;
  u.sys.umask(mask);
  current = { sys: u.sys, mask };
}

/** Runs `make` with the caller's ids and umask, then takes the server's own ids again. */
export function asCaller<T>(u: Union, caller: Caller, make: () => T): T {
  setMask(u, caller.umask);
  const own = caller.uid === u.features.uid && caller.gid === u.features.gid;
  if (own) return make();
  // As the kernel answers where a filesystem has no id for its user. Other refusals leave the server's own ids.
  if (u.sys.setFsIds(caller.uid, caller.gid) === -errno.EOVERFLOW) throw fail('EOVERFLOW', 'the caller has no id here');
  try {
    return make();
  } finally {
    u.sys.setFsIds(u.features.uid, u.features.gid);
  }
}

/** Runs `make` with no umask, as the server: what it makes gets exactly the mode it asks for. */
export function asServer<T>(u: Union, make: () => T): T {
  setMask(u, 0);
  return make();
}
