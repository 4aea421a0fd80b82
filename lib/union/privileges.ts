// Taking setuid, setgid and file capabilities away, as Linux does when somebody without the privilege
// changes a file's contents.

import { check } from '../sys/check.js';
import { S_ISGID, S_ISUID } from '../sys/constants.js';
import type { Stat } from '../sys/stat.js';
import type { Place } from './attributes.js';
import type { Union } from './union.js';

/** `scratch` is overwritten. */
export function killPrivileges(u: Union, place: Place, scratch: Stat): void {
  check(u.sys.statAt(place.fd, place.name, scratch), 'stat');
  const { mode } = scratch;
  if (scratch.isDirectory) return;
  const executableByGroup = (mode & 0o010) !== 0;
  const kept = mode & ~S_ISUID & (executableByGroup ? ~S_ISGID : ~0);
  if (kept !== mode) check(u.sys.chmodAt(place.fd, place.name, kept & 0o7777), 'chmod');
  u.sys.removeXattr(place.fd, place.name, 'security.capability');
}
