// A copy-up moves the ctime of the copy and of its directory on the host, though nothing that users
// can see has changed and nobody told the kernel. The time from before is shown until the host's
// moves again, or a change is made through the mount.

import type { Stat } from '../sys/stat.js';
import { W } from '../sys/stat.js';

/** ctime as words: seconds low, high, nanoseconds. */
export interface KeptCtime {
  readonly real: readonly [number, number, number];
  readonly shown: readonly [number, number, number];
}

/** Whatever has a ctime of its own to show. */
export interface Ctimed {
  keptCtime: KeptCtime | null;
}

const LOW = W.ctime;
const HIGH = W.ctime + 1;
const NANOSECONDS = W.ctimeNsec;

function ctimeOf({ words }: Stat): [number, number, number] {
  return [words[LOW] as number, words[HIGH] as number, words[NANOSECONDS] as number];
}

/** From now on `node`, whose host attributes are `real`, shows the ctime of `before`. */
export function keepCtime(node: Ctimed, before: Stat, real: Stat): void {
  node.keptCtime = { real: ctimeOf(real), shown: ctimeOf(before) };
}

/** Puts the kept ctime into host attributes of `node`, if the host's has not moved since. */
export function showCtime(node: Ctimed, stat: Stat): void {
  const kept = node.keptCtime;
  if (kept === null) return;
  const { words } = stat;
  const [low, high, nanoseconds] = kept.real;
  if (words[LOW] !== low || words[HIGH] !== high || words[NANOSECONDS] !== nanoseconds) {
    node.keptCtime = null;
    return;
  }
  words[LOW] = kept.shown[0];
  words[HIGH] = kept.shown[1];
  words[NANOSECONDS] = kept.shown[2];
}
