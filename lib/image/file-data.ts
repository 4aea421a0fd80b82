// The bytes of one file, in pieces, without holes where leaving them out pays. Owns the descriptor it is given.

import { Buffer } from 'node:buffer';
import { read } from 'node:fs';
import { errno, fail } from '../errno.js';
import { check } from '../sys/check.js';
import { SEEK_DATA, SEEK_HOLE } from '../sys/constants.js';
import type { OwnedFd } from '../sys/fd.js';
import type { Syscalls } from '../sys/syscalls.js';
import type { Extent } from './tar/entry.js';

/** Read at a time, bytes. */
const PIECE = 1 << 20;
/** Holes are kept when they save more than this, bytes. */
const WORTH = 1 << 20;
/** More pieces than this are written as one file without holes. */
const MAX_EXTENTS = 1 << 16;

/** Where the data of a file with holes is; null when it has none worth keeping. `blocks` are its 512-byte blocks. */
export function extentsOf(sys: Syscalls, fd: number, size: number, blocks: number): Extent[] | null {
  if (size - blocks * 512 <= WORTH) return null;
  const extents: Extent[] = [];
  let [at, held] = [0, 0];
  while (at < size) {
    const offset = sys.lseek(fd, at, SEEK_DATA);
    if (offset === -errno.EINVAL) return null;
    if (offset === -errno.ENXIO || offset >= size) break;
    check(offset, 'find data');
    const end = Math.min(size, check(sys.lseek(fd, offset, SEEK_HOLE), 'find a hole'));
    extents.push({ offset, length: end - offset });
    held += end - offset;
    at = end;
    if (extents.length > MAX_EXTENTS) return null;
  }
  return size - held > WORTH ? extents : null;
}

function readPiece(fd: number, into: Buffer, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    read(fd, into, 0, into.length, position, (error, count) => (error === null ? resolve(count) : reject(error)));
  });
}

async function* piecesOfOne(
  fd: number,
  { offset, length }: Extent,
  buffer: Buffer,
  path: string,
): AsyncGenerator<Buffer> {
  for (let at = 0; at < length; ) {
    const count = await readPiece(fd, buffer.subarray(0, length - at), offset + at);
    if (count === 0) throw fail('EIO', `${path} became shorter while it was read`);
    yield buffer.subarray(0, count);
    at += count;
  }
}

/** The bytes of `extents`; a piece is valid until the next one is asked for. Reading is not done on this thread. */
export async function* piecesOf(file: OwnedFd, extents: readonly Extent[], path: string): AsyncGenerator<Buffer> {
  const longest = extents.reduce((most, { length }) => Math.max(most, length), 0);
  const buffer = Buffer.allocUnsafeSlow(Math.min(PIECE, longest));
  try {
    for (const extent of extents) yield* piecesOfOne(file.fd, extent, buffer, path);
  } finally {
    file.close();
  }
}

/** All of a small file at once, into a buffer of its size, which is returned. */
export function wholeFile(sys: Syscalls, file: OwnedFd, buffer: Buffer, path: string): Buffer {
  try {
    for (let at = 0; at < buffer.length; ) {
      const count = check(sys.pread(file.fd, buffer.subarray(at), at), `read ${path}`);
      if (count === 0) throw fail('EIO', `${path} became shorter while it was read`);
      at += count;
    }
    return buffer;
  } finally {
    file.close();
  }
}
