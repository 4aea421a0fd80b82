// What a mount is made of, told to who runs it: an xattr of the root that the server answers and that lies nowhere. Tools
// find the upper of a mount by it; the mount table has no room for paths.

import { Buffer } from 'node:buffer';
import { fail } from '../errno.js';
import type { Inode } from './inode.js';
import { type Changer, known } from './privileges.js';
import type { Union } from './union.js';

/** The kernel gives trusted names to the administrator only. */
export const TRUSTED_LAYERS = 'trusted.stratafs.layers';
/** For servers of plain users, who may ask for no trusted names. */
export const USER_LAYERS = 'user.stratafs.layers';
/** Longest value of an xattr, bytes. */
const LONGEST = 65_536;

export function isToldLayers(u: Union, node: Inode, key: string): boolean {
  return node === u.root && (key === TRUSTED_LAYERS || key === USER_LAYERS);
}

/** `option=path`, each followed by a NUL. ENODATA for those who do not run the mount; null: nobody is known to ask. */
export function tellLayers(u: Union, key: string, who: Changer | null): Uint8Array {
  const runs = (): boolean => who !== null && known(u, who).uid === u.features.uid;
  if (key === USER_LAYERS && !runs()) throw fail('ENODATA', key);
  const { upper, workdir, lowers, dataLowers } = u.options;
  const fields = [
    ...(upper === null ? [] : [`upperdir=${upper}`]),
    ...(workdir === null ? [] : [`workdir=${workdir}`]),
    ...lowers.map((path) => `lowerdir=${path}`),
    ...dataLowers.map((path) => `datadir=${path}`),
  ];
  const value = Buffer.from(fields.map((field) => `${field}\0`).join(''), 'latin1');
  if (value.length > LONGEST) throw fail('E2BIG', key);
  return value;
}
