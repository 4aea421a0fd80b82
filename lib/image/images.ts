// Images by name or id: what the store's list, a manifest and a config say together. Changes to names are values.

import type { Digest } from './digest.js';
import { hexOf } from './digest.js';
import { ImageError } from './error.js';
import { type Descriptor, type ImageConfig, type Manifest, parseConfig, parseManifest } from './model.js';
import { familiarName, fullName, parseReference } from './reference.js';
import type { Kept, Store } from './store.js';

/** OCI's annotation for what an entry of index.json is called. */
export const NAME = 'org.opencontainers.image.ref.name';

export interface Image {
  /** The whole name; null when it has none, or when it was asked for by its id. */
  readonly name: string | null;
  readonly descriptor: Descriptor;
  readonly manifest: Manifest;
  readonly config: ImageConfig;
  /** The config's digest. */
  readonly id: Digest;
}

export const nameOf = (kept: Kept): string | null => kept.annotations?.[NAME] ?? null;

/** The image behind a manifest, out of whatever holds its blobs. */
export function imageOf(
  descriptor: Descriptor,
  bytes: (digest: Digest, what: string) => Uint8Array,
  name: string | null,
): Image {
  const what = name === null ? descriptor.digest : familiarName(name);
  const manifest = parseManifest(bytes(descriptor.digest, `the manifest of ${what}`), what, descriptor.mediaType);
  if (manifest.kind === 'index') throw new ImageError(`${what} is an index, not an image`);
  const id = manifest.config.digest;
  const config = parseConfig(bytes(id, `the config of ${what}`), manifest.layers.length, `the config of ${what}`);
  return { name, descriptor, manifest, config, id };
}

export function readImage(store: Store, kept: Kept): Image {
  return imageOf(kept, (digest, what) => store.blobs.bytes(digest, what), nameOf(kept));
}

/** Names of the images whose id or manifest digest starts like `text`. */
function byId(store: Store, text: string): Image[] {
  const start = text.replace(/^sha256:/, '');
  if (!/^[0-9a-f]{4,64}$/.test(start)) return [];
  const images = listImages(store);
  return images.filter(({ id, descriptor }) => [id, descriptor.digest].some((one) => hexOf(one).startsWith(start)));
}

const LISTED = '`stratafs images` lists what is there';

/** The whole name of an image that should be there; null for an id. */
export function nameWanted(text: string): string | null {
  if (/^(?:sha256:)?[0-9a-f]{64}$/.test(text)) return null;
  try {
    return fullName(parseReference(text));
  } catch (error) {
    throw new ImageError(`${(error as Error).message}; ${LISTED}`);
  }
}

/** The image that people call `text`: a name, or the beginning of an id. */
export function findImage(store: Store, text: string): Image {
  const name = nameWanted(text);
  const named = name === null ? undefined : store.kept().find((kept) => nameOf(kept) === name);
  if (named !== undefined) return readImage(store, named);
  const found = byId(store, text);
  const [first] = found;
  if (first === undefined) {
    const next = `pull, load or import it first; ${LISTED}`;
    throw new ImageError(`no image ${text} in ${store.root}: ${next}`);
  }
  if (found.some(({ id }) => id !== first.id))
    throw new ImageError(`${text} could be several images; say more of the id`);
  return { ...first, name: null };
}

/** Every image that is kept, one for each name; what cannot be read is left out, and told. */
export function listImages(store: Store, damaged: (problem: string) => void = () => {}): Image[] {
  return store.kept().flatMap((kept) => {
    try {
      return [readImage(store, kept)];
    } catch (error) {
      if (!(error instanceof ImageError)) throw error;
      damaged(`${familiarName(nameOf(kept) ?? kept.digest)}: ${error.message}`);
      return [];
    }
  });
}

/** `list` with `name` for `manifest`, and for nothing else. */
export function withName(list: readonly Kept[], name: string, manifest: Descriptor): Kept[] {
  const { mediaType, digest, size } = manifest;
  return [...withoutName(list, name), { mediaType, digest, size, annotations: { [NAME]: name } }];
}

export function withoutName(list: readonly Kept[], name: string): Kept[] {
  return list.filter((kept) => nameOf(kept) !== name);
}

/** Bytes of the contents of an image's layers, unpacked. */
export function unpackedSize(store: Store, image: Image): number {
  const ids = new Set(image.config.rootfs.diff_ids);
  return [...ids].reduce((sum, id) => sum + (store.layers.has(id) ? store.layers.record(id).bytes : 0), 0);
}
