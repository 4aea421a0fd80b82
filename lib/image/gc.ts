// What kept images and containers reach, what of the store nobody reaches any more, and how many bytes each image has to itself.

import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { manifestsInUse } from './container/containers.js';
import { freeSealed } from './container/sealed.js';
import type { Digest } from './digest.js';
import { removeTree } from './disk.js';
import { ImageError } from './error.js';
import { type Image, nameOf, readImage } from './images.js';
import { familiarName } from './reference.js';
import type { Store } from './store.js';

export interface Collected {
  readonly blobs: number;
  readonly layers: number;
  /** Downloads that were broken off. */
  readonly partial: number;
  /** Of containers, which the store has as layers. */
  readonly uppers: number;
  readonly bytes: number;
}

const blobsOf = ({ descriptor, manifest }: Image): Digest[] => [
  descriptor.digest,
  manifest.config.digest,
  ...manifest.layers.map(({ digest }) => digest),
];

interface Reached {
  readonly blobs: Set<Digest>;
  readonly layers: Set<Digest>;
}

/** Refuses to guess: of an image that cannot be read nobody knows what it needs. */
function reach(store: Store): Reached {
  const reached: Reached = { blobs: new Set(), layers: new Set() };
  for (const kept of [...store.kept(), ...manifestsInUse(store.root)]) {
    let image: Image;
    try {
      image = readImage(store, kept);
    } catch (error) {
      const name = familiarName(nameOf(kept) ?? kept.digest);
      throw new ImageError(
        `${name} cannot be read (${(error as Error).message}); pull it again or: stratafs rmi ${name}`,
      );
    }
    for (const digest of blobsOf(image)) reached.blobs.add(digest);
    for (const diffId of image.config.rootfs.diff_ids) reached.layers.add(diffId);
  }
  return reached;
}

function removePartial(store: Store): { count: number; bytes: number } {
  const directory = join(store.root, 'partial');
  let bytes = 0;
  const names = readdirSync(directory);
  for (const name of names) {
    bytes += statSync(join(directory, name)).size;
    removeTree(join(directory, name));
  }
  return { count: names.length, bytes };
}

/**
 * Removes what no image needs, and with `all` what was broken off and what containers have twice. The store must be open
 * to be cleaned: nobody else is adding to it.
 */
export function collect(store: Store, all: boolean): Collected {
  const reached = reach(store);
  let bytes = 0;
  const layers = store.layers.list().filter((diffId) => !reached.layers.has(diffId));
  for (const diffId of layers) {
    bytes += store.layers.usage(diffId);
    store.layers.remove(diffId, store.staging.fresh());
  }
  const blobs = store.blobs.list().filter((digest) => !reached.blobs.has(digest));
  for (const digest of blobs) {
    bytes += store.blobs.size(digest);
    store.blobs.remove(digest);
  }
  const partial = all ? removePartial(store) : { count: 0, bytes: 0 };
  const uppers = all ? freeSealed(store) : { count: 0, bytes: 0 };
  return {
    blobs: blobs.length,
    layers: layers.length,
    partial: partial.count,
    uppers: uppers.count,
    bytes: bytes + partial.bytes + uppers.bytes,
  };
}

export interface Usage {
  readonly image: Image;
  /** Bytes on disk, packed and unpacked, that no other image uses. */
  readonly unique: number;
  readonly shared: number;
}

/** Sizes of everything that images use, and by how many ids it is used. */
class Ledger {
  readonly #store: Store;
  readonly #sizes = new Map<string, number>();
  readonly #users = new Map<string, Set<Digest>>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** What an image uses: blobs, and layers behind a mark of their own. */
  parts(image: Image): Set<string> {
    const layers = image.config.rootfs.diff_ids.map((diffId) => `layer ${diffId}`);
    return new Set<string>([...blobsOf(image), ...layers]);
  }

  add(image: Image): void {
    for (const part of this.parts(image)) {
      const users = this.#users.get(part) ?? new Set<Digest>();
      this.#users.set(part, users.add(image.descriptor.digest));
    }
  }

  isShared(part: string): boolean {
    return (this.#users.get(part)?.size ?? 0) > 1;
  }

  size(part: string): number {
    const known = this.#sizes.get(part);
    if (known !== undefined) return known;
    const size = this.#measure(part);
    this.#sizes.set(part, size);
    return size;
  }

  #measure(part: string): number {
    const { layers, blobs } = this.#store;
    if (!part.startsWith('layer ')) return blobs.has(part as Digest) ? blobs.size(part as Digest) : 0;
    const diffId = part.slice('layer '.length) as Digest;
    return layers.has(diffId) ? layers.usage(diffId) : 0;
  }

  /** Everything, once. */
  get total(): number {
    return [...this.#users.keys()].reduce((sum, part) => sum + this.size(part), 0);
  }
}

/** How much disk each image takes; names of one image share nothing but themselves. */
export function usage(store: Store, images: readonly Image[]): { images: Usage[]; total: number } {
  const ledger = new Ledger(store);
  for (const image of images) ledger.add(image);
  const measured = images.map((image) => {
    let unique = 0;
    let shared = 0;
    for (const part of ledger.parts(image)) {
      if (ledger.isShared(part)) shared += ledger.size(part);
      else unique += ledger.size(part);
    }
    return { image, unique, shared };
  });
  return { images: measured, total: ledger.total };
}
