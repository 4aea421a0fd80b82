// The only place where -errno becomes an exception.

import { ErrnoError } from '../errno.js';

/** Text for whoever reads an error; a function where making it costs something, for it is seldom read. */
type What = string | (() => string);

function thrown(code: number, what: What): ErrnoError {
  return new ErrnoError(-code, typeof what === 'string' ? what : what());
}

/** Returns `result` unless it is a negative errno, which is thrown as ErrnoError naming `what`. */
export function check(result: number, what: What): number {
  if (result < 0) throw thrown(result, what);
  return result;
}

/** The same for calls that answer with data or -errno. */
export function checkData<T>(result: T | number, what: What): T {
  if (typeof result === 'number') throw thrown(result, what);
  return result;
}
