// The only place where -errno becomes an exception.

import { ErrnoError } from '../errno.js';

/** Returns `result` unless it is a negative errno, which is thrown as ErrnoError naming `what`. */
export function check(result: number, what: string): number {
  if (result < 0) throw new ErrnoError(-result, what);
  return result;
}

/** The same for calls that answer with data or -errno. */
export function checkData<T>(result: T | number, what: string): T {
  if (typeof result === 'number') throw new ErrnoError(-result, what);
  return result;
}
