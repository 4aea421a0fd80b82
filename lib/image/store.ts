// The store: blobs, unpacked layers, and the names that keep them, in one directory that several processes use at once.
// Whoever adds or reads holds the store's lock shared; whoever takes away holds it alone.

import { chmodSync, constants, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Blobs } from './blobs.js';
import type { Digest } from './digest.js';
import { publishFile, removeTree, syncDirectory, writeDurably } from './disk.js';
import { ImageError } from './error.js';
import { FileLock } from './file-lock.js';
import { Layers } from './layers.js';
import { OCI } from './media.js';
import { type Descriptor, parseDescriptor, parseJson } from './model.js';
import { Staging } from './staging.js';

/** `read` takes what is there; `write` adds; `clean` takes away, and waits until it is alone. */
export type Access = 'read' | 'write' | 'clean';

const LOCK = 'lock';
const NAMES_LOCK = 'names.lock';
const INDEX = 'index.json';
const LAYOUT = 'oci-layout';
const directories = ['blobs/sha256', 'layers/sha256', 'tmp', 'partial'];

/** An image that the store keeps: what index.json says of it. */
export type Kept = Descriptor;

/** As mkdir -p. Node's own never ends where a directory exists and takes none: /proc answers ENOENT. */
function makeDirectories(path: string, mode: number): void {
  if (existsSync(path)) return;
  makeDirectories(dirname(path), 0o777);
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** Makes what is missing of a store. A new one is private until its owner opens it to others by its mode. */
function prepare(root: string): void {
  makeDirectories(root, 0o700);
  for (const name of directories) {
    if (existsSync(join(root, name))) continue;
    mkdirSync(join(root, name), { recursive: true });
    chmodSync(join(root, name.split('/')[0] as string), 0o755);
    chmodSync(join(root, name), 0o755);
  }
}

/** Says what to do about a store of somebody else. */
async function writable<T>(root: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EACCES' && code !== 'EPERM' && code !== 'EROFS') throw error;
    const why = code === 'EROFS' ? 'lies on a read-only filesystem' : 'is not yours to change';
    throw new ImageError(`${root} ${why}; --root or STRATAFS_ROOT names another store`);
  }
}

function manifestsIn(text: Buffer, file: string): readonly unknown[] {
  let manifests: unknown;
  try {
    ({ manifests } = parseJson(text, file));
  } catch {
    // Told below.
  }
  if (Array.isArray(manifests)) return manifests;
  throw new ImageError(`${file} is damaged: put back a copy, or begin another store (--root)`);
}

export class Store {
  readonly root: string;
  readonly blobs: Blobs;
  readonly layers: Layers;
  readonly #lock: FileLock | null;
  readonly #staging: Staging | null;

  private constructor(root: string, lock: FileLock | null, staging: Staging | null) {
    this.root = root;
    this.blobs = new Blobs(root);
    this.layers = new Layers(root);
    this.#lock = lock;
    this.#staging = staging;
  }

  /** A store that is not there reads as an empty one. `onWait` is called when others keep it for long. */
  static async open(root: string, access: Access, onWait?: () => void): Promise<Store> {
    const lockFile = join(root, LOCK);
    const waiting = onWait === undefined ? {} : { onWait };
    if (access === 'read') {
      const lock = existsSync(lockFile) ? await FileLock.take(lockFile, 'shared', waiting) : null;
      return new Store(root, lock, null);
    }
    await writable(root, async () => prepare(root));
    const flags = constants.O_RDONLY | constants.O_CREAT;
    const lock = await FileLock.take(lockFile, access === 'clean' ? 'exclusive' : 'shared', { flags, ...waiting });
    try {
      const staging = await writable(root, () => Staging.create(join(root, 'tmp')));
      const store = new Store(root, lock, staging);
      store.#writeLayout();
      return store;
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  /** The store for as long as `use` takes. */
  static async with<T>(
    root: string,
    access: Access,
    use: (store: Store) => Promise<T>,
    onWait?: () => void,
  ): Promise<T> {
    const store = await Store.open(root, access, onWait);
    try {
      return await use(store);
    } finally {
      store.close();
    }
  }

  get staging(): Staging {
    if (this.#staging === null) throw new Error('the store was opened to be read');
    return this.#staging;
  }

  /** Where downloads wait that were broken off. */
  partial(digest: Digest): string {
    return join(this.root, 'partial', digest.replace(':', '-'));
  }

  #writeLayout(): void {
    const path = join(this.root, LAYOUT);
    if (!existsSync(path)) this.#replace(LAYOUT, JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  }

  #replace(name: string, text: string): void {
    const prepared = this.staging.fresh();
    writeDurably(prepared, text);
    publishFile(prepared, join(this.root, name), this.root);
  }

  /** Takes over a finished file on the store's filesystem, which has this digest. */
  adopt(file: string, digest: Digest): void {
    if (this.blobs.has(digest)) removeTree(file);
    else this.blobs.publish(file, digest);
  }

  /** The images that are kept, in the order in which they came. */
  kept(): Kept[] {
    let text: Buffer;
    try {
      text = readFileSync(join(this.root, INDEX));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
    const file = `${this.root}/${INDEX}`;
    const manifests = manifestsIn(text, file);
    return manifests.map((one) => parseDescriptor(one, file));
  }

  /**
   * Changes the list of what is kept; nobody else changes it in between. `contents` puts in place what the list names: after
   * the list has found its room on the disk, and before it counts.
   */
  async keep(change: (kept: Kept[]) => readonly Kept[], contents: () => void = () => {}): Promise<void> {
    const flags = constants.O_RDONLY | constants.O_CREAT;
    const lock = await FileLock.take(join(this.root, NAMES_LOCK), 'exclusive', { flags });
    try {
      const manifests = change(this.kept());
      const prepared = this.staging.fresh();
      writeDurably(prepared, JSON.stringify({ schemaVersion: 2, mediaType: OCI.index, manifests }));
      contents();
      publishFile(prepared, join(this.root, INDEX), this.root);
    } finally {
      lock.release();
    }
  }

  /** Puts a finished layer in its place. Its bytes are on the device. */
  publishLayer(prepared: string, diffId: Digest): void {
    syncDirectory(prepared);
    this.layers.publish(prepared, diffId);
  }

  close(): void {
    this.#staging?.close();
    this.#lock?.release();
  }
}
