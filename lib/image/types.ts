// What people call the types of files. Pure.

import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK } from '../sys/constants.js';

const names: ReadonlyMap<number, string> = new Map([
  [S_IFREG, 'file'],
  [S_IFDIR, 'directory'],
  [S_IFLNK, 'symlink'],
  [S_IFCHR, 'char'],
  [S_IFBLK, 'block'],
  [S_IFIFO, 'fifo'],
  [S_IFSOCK, 'socket'],
]);

/** The type in a mode; those that archives hold are called what they are called there. */
export function typeOf(mode: number): string {
  return names.get(mode & S_IFMT) ?? 'unknown';
}
