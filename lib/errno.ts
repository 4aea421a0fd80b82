// The error numbers this driver speaks, and the one exception that carries one.
// Numbers are Linux's (asm-generic); a syscall that fails is `-errno`.

/** Linux errno values by name, positive. */
export const errno = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  E2BIG: 7,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ENOTTY: 25,
  ETXTBSY: 26,
  EFBIG: 27,
  ENOSPC: 28,
  ESPIPE: 29,
  EROFS: 30,
  EMLINK: 31,
  ERANGE: 34,
  EDEADLK: 35,
  ENAMETOOLONG: 36,
  ENOSYS: 38,
  ENOTEMPTY: 39,
  ELOOP: 40,
  ENODATA: 61,
  EPROTO: 71,
  EOVERFLOW: 75,
  EOPNOTSUPP: 95,
  ENOTCONN: 107,
  ESTALE: 116,
  EDQUOT: 122,
} as const;

export type ErrnoName = keyof typeof errno;

const names = new Map<number, string>(Object.entries(errno).map(([name, code]) => [code, name]));

/** The symbolic name of a positive errno value, for example `ENOENT`. */
export function errnoName(code: number): string {
  return names.get(code) ?? `E${code}`;
}

/** An unexpected or answerable failure; `code` is a positive errno value. */
export class ErrnoError extends Error {
  override readonly name = 'ErrnoError';

  constructor(
    readonly code: number,
    readonly what: string,
  ) {
    super(`${what}: ${errnoName(code)}`);
  }
}

/** Builds the error that answers a request with `name`. */
export function fail(name: ErrnoName, what: string): ErrnoError {
  return new ErrnoError(errno[name], what);
}
