// What comes into the store: blobs and unpacked layers stay aside until all of them are there and right, and are then
// published together: contents first, the name that keeps them last. What is refused leaves nothing.

import type { Buffer } from 'node:buffer';
import { closeSync, createReadStream, mkdirSync, openSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { check } from '../sys/check.js';
import { jobs, syscalls } from '../sys/syscalls.js';
import { applyLayer } from './apply.js';
import { decompressed, type Packing, packed } from './compression.js';
import { checkMeter, type Digest, type Expected, hexOf, Meter, metered, verified } from './digest.js';
import { removeTree, writeDurably, writeStream } from './disk.js';
import { ImageError } from './error.js';
import type { FileLock } from './file-lock.js';
import { type Image, imageOf, withName } from './images.js';
import { RECORD, TREE } from './layers.js';
import { layerTypes } from './media.js';
import { type Descriptor, MAX_JSON } from './model.js';
import { counted, type Reporter } from './progress.js';
import { type Guard, Room } from './room.js';
import { share } from './share.js';
import type { Kept, Store } from './store.js';

const CHUNK = 256 << 10;
export interface Added {
  readonly digest: Digest;
  readonly size: number;
}

export class Incoming {
  readonly store: Store;
  readonly reporter: Reporter;
  /** For all that is unpacked. */
  readonly room: Room;
  readonly #files = new Map<Digest, string>();
  readonly #layers = new Map<Digest, string>();
  readonly #locks: FileLock[] = [];
  readonly #named: { readonly name: string; readonly manifest: Descriptor }[] = [];

  /** `most` bytes may come out of it, unpacked; null: as many as are safe. */
  constructor(store: Store, reporter: Reporter, most: number | null = null) {
    this.store = store;
    this.reporter = reporter;
    this.room = Room.in(store.root, most);
  }

  has(digest: Digest): boolean {
    return this.#files.has(digest) || this.store.blobs.has(digest);
  }

  /** Takes note of a file on the store's filesystem that has this digest and is on the device. */
  stage(file: string, digest: Digest): void {
    this.#files.set(digest, file);
  }

  /** Reads `stream` to its end; fails when that is not what was expected. */
  async add(stream: AsyncIterable<Uint8Array>, expected: Expected | null = null, what = 'the blob'): Promise<Added> {
    const file = this.store.staging.fresh();
    const meter = new Meter();
    const checked = expected === null ? stream : verified(stream, expected, what);
    await writeStream(file, metered(checked, meter));
    const digest = meter.digest();
    this.stage(file, digest);
    return { digest, size: meter.bytes };
  }

  addBytes(data: Uint8Array): Added {
    const file = this.store.staging.fresh();
    const meter = new Meter();
    meter.update(data);
    writeDurably(file, data);
    const digest = meter.digest();
    this.stage(file, digest);
    return { digest, size: data.length };
  }

  read(digest: Digest): AsyncIterable<Uint8Array> {
    const file = this.#files.get(digest);
    return file === undefined ? this.store.blobs.read(digest) : createReadStream(file, { highWaterMark: CHUNK });
  }

  /** The whole of a small blob, checked. */
  bytes(digest: Digest, what: string): Buffer {
    const file = this.#files.get(digest);
    if (file === undefined) return this.store.blobs.bytes(digest, what);
    const { size } = statSync(file);
    if (size > MAX_JSON) throw new ImageError(`${what} has ${size} bytes; ${MAX_JSON} is the most`);
    const data = readFileSync(file);
    const meter = new Meter();
    meter.update(data);
    checkMeter(meter, { digest }, what);
    return data;
  }

  /** Unpacks a layer, if nobody has. What comes out of it must have this diff id. */
  async unpack(layer: Descriptor, diffId: Digest): Promise<void> {
    if (this.store.layers.has(diffId) || this.#layers.has(diffId)) return;
    const label = hexOf(layer.digest).slice(0, 12);
    const task = this.reporter.task(label, 'unpacking', layer.size);
    const guard = this.room.guard();
    const read = guard.packed(counted(this.read(layer.digest), task));
    const tar = verified(decompressed(read), { digest: diffId }, `layer ${label}, unpacked,`);
    const home = await this.#unpacked(tar, guard, `layer ${label}`);
    task.end('unpacked');
    this.#layers.set(diffId, home);
  }

  /** The home of a layer out of its tar. */
  async #unpacked(tar: AsyncIterable<Uint8Array>, guard: Guard | null, what: string): Promise<string> {
    const home = this.store.staging.fresh();
    const tree = join(home, TREE);
    mkdirSync(tree, { recursive: true, mode: 0o755 });
    const owners = process.geteuid?.() === 0;
    const { entries, bytes, leftOut } = await applyLayer(syscalls, tar, tree, { guard, owners });
    if (leftOut > 0) this.reporter.line(`${what}: ${leftOut} attributes and devices are not permitted here`);
    writeDurably(join(home, RECORD), JSON.stringify({ entries, bytes }));
    return home;
  }

  /** Packs a layer's tar, and unpacks it at the same time; the diff id is the tar's digest. */
  async addLayer(
    tar: AsyncIterable<Uint8Array>,
    packing: Packing,
    guard: Guard | null,
  ): Promise<{ readonly layer: Descriptor; readonly diffId: Digest }> {
    const meter = new Meter();
    let added: Added | null = null;
    let home = '';
    await share(metered(tar, meter), [
      async (branch) => {
        added = await this.add(packed(branch, packing));
      },
      async (branch) => {
        home = await this.#unpacked(branch, guard, 'the layer');
      },
    ]);
    const diffId = meter.digest();
    if (this.store.layers.has(diffId) || this.#layers.has(diffId)) removeTree(home);
    else this.#layers.set(diffId, home);
    return { layer: { mediaType: layerTypes[packing], ...(added as unknown as Added) }, diffId };
  }

  /** Checks and unpacks the image behind `manifest`, whose blobs are all there; publish() makes it last under `names`. */
  async accept(
    manifest: Descriptor,
    names: readonly string[],
    ready: (layer: Digest) => Promise<void> = async () => {},
  ): Promise<Image> {
    const image = imageOf(manifest, (digest, what) => this.bytes(digest, what), names[0] ?? null);
    for (const [at, layer] of image.manifest.layers.entries()) {
      await ready(layer.digest);
      if (!this.has(layer.digest)) throw new ImageError(`layer ${layer.digest} is missing`);
      await this.unpack(layer, image.config.rootfs.diff_ids[at] as Digest);
    }
    this.#named.push(...names.map((name) => ({ name, manifest })));
    return image;
  }

  /** Keeps `lock` until all is over. */
  holds(lock: FileLock): void {
    this.#locks.push(lock);
  }

  /** Takes away what was staged. */
  discard(): void {
    for (const file of this.#files.values()) removeTree(file);
    this.#files.clear();
  }

  close(): void {
    for (const lock of this.#locks.splice(0)) lock.release();
  }

  /** Makes all of it last: whoever sees a name sees all that it needs. */
  async publish(): Promise<void> {
    if (this.#layers.size > 0) await syncFilesystem(this.store.root);
    const named = (kept: readonly Kept[]): readonly Kept[] =>
      this.#named.reduce((list, { name, manifest }) => withName(list, name, manifest), kept);
    await this.store.keep(named, () => {
      for (const [diffId, home] of this.#layers) this.store.publishLayer(home, diffId);
      for (const [digest, file] of this.#files) this.store.adopt(file, digest);
    });
    this.#layers.clear();
    this.#files.clear();
  }
}

async function syncFilesystem(directory: string): Promise<void> {
  const fd = openSync(directory, 'r');
  try {
    check(await jobs.syncfs(fd), `syncfs ${directory}`);
  } finally {
    closeSync(fd);
  }
}
