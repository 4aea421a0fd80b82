// The integers of the protocol, branded so that one cannot pass for another. nodeids and fhs are
// minted here and stay far below 2^53; a backing id is the kernel's.

import { assert } from '../assert.js';

declare const brand: unique symbol;
type Branded<Name extends string> = number & { readonly [brand]: Name };

/** What the kernel calls an inode of this mount. 1 is the root. */
export type NodeId = Branded<'NodeId'>;
/** An open file of this mount. */
export type Fh = Branded<'Fh'>;
/** A file registered with the kernel for passthrough; always > 0. */
export type BackingId = Branded<'BackingId'>;

export const ROOT_ID = 1 as NodeId;

export function nodeId(value: number): NodeId {
  assert(value > 0 && value <= Number.MAX_SAFE_INTEGER, 'a nodeid is a positive safe integer');
  return value as NodeId;
}

export function fhOf(value: number): Fh {
  return value as Fh;
}

export function backingIdOf(value: number): BackingId {
  assert(value > 0, 'a backing id is positive');
  return value as BackingId;
}
