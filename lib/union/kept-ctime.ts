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

const words = [W.ctime, W.ctime + 1, W.ctimeNsec] as const;

function ctimeOf(stat: Stat): [number, number, number] {
  const [low, high, nanoseconds] = words;
  return [stat.words[low] as number, stat.words[high] as number, stat.words[nanoseconds] as number];
}

/** From now on `node`, whose host attributes are `real`, shows the ctime of `before`. */
export function keepCtime(node: Ctimed, before: Stat, real: Stat): void {
  node.keptCtime = { real: ctimeOf(real), shown: ctimeOf(before) };
}

/** Puts the kept ctime into host attributes of `node`, if the host's has not moved since. */
export function showCtime(node: Ctimed, stat: Stat): void {
  const kept = node.keptCtime;
  if (kept === null) return;
  const same = words.every((word, position) => stat.words[word] === kept.real[position]);
  if (!same) node.keptCtime = null;
  else for (const [position, word] of words.entries()) stat.words[word] = kept.shown[position] as number;
}
