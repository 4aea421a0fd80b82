// What a mount is made of, told to who runs it: xattrs of the root that the server answers and that lie nowhere. Tools
// find the upper of a mount by one; the mount table has no room for paths. By writing the other they have the upper sealed.

import { Buffer } from 'node:buffer';
import { fail } from '../errno.js';
import { sealUpper, upperName } from './fresh-upper.js';
import type { Inode } from './inode.js';
import { isUpper } from './layers.js';
import { type Changer, known } from './privileges.js';
import type { Union } from './union.js';

/** The kernel gives trusted names to the administrator only. */
export const TRUSTED_LAYERS = 'trusted.stratafs.layers';
/** For servers of plain users, who may ask for no trusted names. */
export const USER_LAYERS = 'user.stratafs.layers';
/** The options that the mount runs with, as JSON: what a remount is compared with. */
export const TRUSTED_OPTIONS = 'trusted.stratafs.options';
export const USER_OPTIONS = 'user.stratafs.options';
const told: readonly string[] = [TRUSTED_LAYERS, USER_LAYERS, TRUSTED_OPTIONS, USER_OPTIONS];
/** Longest value of an xattr, bytes. */
const LONGEST = 65_536;

/** Read, the name of the upper; written with that name, it seals that upper, and a fresh one takes its place. */
export const TRUSTED_UPPER = 'trusted.stratafs.upper';
export const USER_UPPER = 'user.stratafs.upper';

export function isToldLayers(u: Union, node: Inode, key: string): boolean {
  return node === u.root && told.includes(key);
}

/**
 * Only mounts that may be sealed have these; on others they are xattrs like any. Root inside a container has the server's
 * user, and no trusted names: where those can be asked for, they alone count.
 */
export function isToldUpper(u: Union, node: Inode, key: string): boolean {
  if (node !== u.root || u.home === null) return false;
  return key === TRUSTED_UPPER || (key === USER_UPPER && !u.features.privileged);
}

/** ENODATA, or EPERM, for those who do not run the mount. */
function refuseOthers(u: Union, key: string, who: Changer | null, refusal: 'ENODATA' | 'EPERM'): void {
  if (key.startsWith('trusted.') || (who !== null && known(u, who).uid === u.features.uid)) return;
  throw fail(refusal, key);
}

export function tellUpper(u: Union, key: string, who: Changer | null): Uint8Array {
  refuseOthers(u, key, who, 'ENODATA');
  return Buffer.from(upperName(u), 'latin1');
}

export function sealTold(u: Union, key: string, value: Uint8Array, who: Changer | null): void {
  refuseOthers(u, key, who, 'EPERM');
  sealUpper(u, Buffer.from(value).toString('latin1'));
}

/** ENODATA for those who do not run the mount; null: nobody is known to ask. */
export function tellLayers(u: Union, key: string, who: Changer | null): Uint8Array {
  refuseOthers(u, key, who, 'ENODATA');
  const text = key === TRUSTED_LAYERS || key === USER_LAYERS ? layersOf(u) : JSON.stringify(u.options);
  const value = Buffer.from(text, 'latin1');
  if (value.length > LONGEST) throw fail('E2BIG', key);
  return value;
}

/** `option=path`, each followed by a NUL. */
function layersOf(u: Union): string {
  const { workdir } = u.options;
  // The upper may be another than at the start.
  const fields = [
    ...u.layers.filter(isUpper).map(({ path }) => `upperdir=${path}`),
    ...(workdir === null ? [] : [`workdir=${workdir}`]),
    ...u.layers.filter((layer) => !isUpper(layer)).map(({ path }) => `lowerdir=${path}`),
    ...u.dataLayers.map(({ path }) => `datadir=${path}`),
  ];
  return fields.map((field) => `${field}\0`).join('');
}
