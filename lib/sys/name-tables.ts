// Names of directories as tables: rows in flat arrays of one buffer, merged and listed by the addon. Pure: no call to the host.

import { addon, type MergedNames } from './binding.js';

export type { MergedNames } from './binding.js';

/** Cells of `putNames`. */
export const PUT = { at: 0, room: 1, from: 2, to: 3, stops: 4, before: 5, cells: 6 } as const;

/**
 * The names of several directories in one table, in the order of their hashes. `ranges` has three words for each: where its
 * records begin and end, and d_types as bits. Of a name that several have the first one's counts. Apart are rows of such a type,
 * or whose name begins with `prefix` or is longer than NAME_MAX, and those of the same name along with them.
 */
export function mergeNames(records: Uint8Array, ranges: Uint32Array, prefix: string): MergedNames {
  return addon.tables.mergeNames(records, ranges, prefix);
}

/**
 * Puts rows `from`..`to` of a table of `count` into `into` as fuse_dirent, `before` cleared bytes ahead of each, until `room`
 * is used up or a row is of a type to stop at; returns how many. Rows of kind 0 are passed over. The cells tell where it ended.
 */
export function putNames(into: Uint8Array, table: ArrayBuffer, count: number, cells: Uint32Array): number {
  return addon.tables.putNames(into, table, count, cells);
}
