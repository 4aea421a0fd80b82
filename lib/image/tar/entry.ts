// One member of a tar archive as a value. No bytes of archives here, no files.

/** What a member is; a hard link names an earlier member. */
export type TarType = 'file' | 'hardlink' | 'symlink' | 'char' | 'block' | 'directory' | 'fifo';

/** Seconds since 1970, which may be negative, and nanoseconds. */
export interface TarTime {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** A piece of a sparse file that holds data, bytes. */
export interface Extent {
  readonly offset: number;
  readonly length: number;
}

export interface TarEntry {
  /** As written in the archive, one character a byte; a directory's slash at the end is taken off. */
  readonly path: string;
  readonly type: TarType;
  /** Permission bits with setuid, setgid and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of the file's contents; holes count. 0 for everything but files. */
  readonly size: number;
  readonly mtime: TarTime;
  /** Target of a symlink or hard link, one character a byte. */
  readonly target: string;
  readonly major: number;
  readonly minor: number;
  /** Extended attributes, values as they are on disk. */
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
  /** Where the data of a sparse file belongs; null for a file without holes. */
  readonly extents: readonly Extent[] | null;
}

/** The archive is damaged or means something that is not known. */
export class TarError extends Error {
  override readonly name = 'TarError';
}

/** Bytes of a block: headers and contents are padded to it. */
export const BLOCK = 512;

/** Bytes of data that follow the headers of `entry`. */
export function storedSize(entry: TarEntry): number {
  if (entry.type !== 'file') return 0;
  if (entry.extents === null) return entry.size;
  return entry.extents.reduce((sum, { length }) => sum + length, 0);
}
