// The uppers of a container, in its directory: `upper`, and, once a commit has sealed that while it was mounted, `upper-1`,
// `upper-2` … The last is written to; the others lie beneath it, sealed. Which there are is all that says so.

import { readdirSync } from 'node:fs';

const FIRST = 'upper';
const form = /^upper(?:-(\d{1,9}))?$/;

/** 0 for `upper`, 1 for `upper-1` …; null for what is none. */
export function upperNumber(name: string): number | null {
  const match = form.exec(name);
  return match === null ? null : Number(match[1] ?? 0);
}

/** Their names, oldest first. */
export function uppersIn(directory: string): string[] {
  const numbers = readdirSync(directory).flatMap((name) => upperNumber(name) ?? []);
  return numbers.sort((a, b) => a - b).map((number) => (number === 0 ? FIRST : `${FIRST}-${number}`));
}
