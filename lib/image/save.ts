// Images out of the store as one OCI layout: a directory, or a tar that docker reads as its own archive too, because
// manifest.json leads to the same blobs. Equal images give equal bytes.

import { Buffer } from 'node:buffer';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Digest, hexOf, verified } from './digest.js';
import { publishFile, writeDurably, writeStream } from './disk.js';
import { type Image, NAME } from './images.js';
import { OCI } from './media.js';
import type { Descriptor } from './model.js';
import { counted, type Reporter } from './progress.js';
import { familiarName, parseReference } from './reference.js';
import type { Store } from './store.js';
import type { TarEntry } from './tar/entry.js';
import { type Outgoing, writeTar } from './tar/writer.js';

/** The name by which containerd and docker load an image. */
const CONTAINERD_NAME = 'io.containerd.image.name';

const blobPath = (digest: Digest): string => `blobs/sha256/${hexOf(digest)}`;

/** Every blob of the images, once, in a fixed order. */
function blobsOf(images: readonly Image[]): Descriptor[] {
  const blobs = new Map<Digest, Descriptor>();
  for (const { descriptor, manifest } of images) {
    for (const blob of [descriptor, manifest.config, ...manifest.layers]) blobs.set(blob.digest, blob);
  }
  return [...blobs.values()].sort((a, b) => (a.digest < b.digest ? -1 : 1));
}

function indexOf(images: readonly Image[]): Buffer {
  const manifests = images.map(({ descriptor: { mediaType, digest, size }, config, name }) => ({
    mediaType,
    digest,
    size,
    platform: { architecture: config.architecture, os: config.os },
    ...(name === null ? {} : { annotations: { [CONTAINERD_NAME]: name, [NAME]: name } }),
  }));
  return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI.index, manifests }));
}

/** A name with a tag, as docker's archives have it; a digest is none there. */
function repoTags({ name }: Image): string[] {
  return name === null || parseReference(name).tag === null ? [] : [familiarName(name)];
}

/** What `docker load` goes by. */
function dockerManifest(images: readonly Image[]): Buffer {
  const merged = new Map<Digest, { Config: string; RepoTags: string[]; Layers: string[] }>();
  for (const image of images) {
    const entry = merged.get(image.id) ?? {
      Config: blobPath(image.id),
      RepoTags: [],
      Layers: image.manifest.layers.map(({ digest }) => blobPath(digest)),
    };
    entry.RepoTags.push(...repoTags(image));
    merged.set(image.id, entry);
  }
  return Buffer.from(JSON.stringify([...merged.values()]));
}

const LAYOUT = Buffer.from(JSON.stringify({ imageLayoutVersion: '1.0.0' }));

function member(path: string, type: 'file' | 'directory', size: number): TarEntry {
  return {
    path,
    type,
    mode: type === 'file' ? 0o644 : 0o755,
    uid: 0,
    gid: 0,
    size,
    mtime: { seconds: 0, nanoseconds: 0 },
    target: '',
    major: 0,
    minor: 0,
    xattrs: new Map(),
    extents: null,
  };
}

async function* once(data: Buffer): AsyncGenerator<Uint8Array> {
  yield data;
}

function* members(store: Store, images: readonly Image[], reporter: Reporter): Generator<Outgoing> {
  yield { entry: member('blobs', 'directory', 0) };
  yield { entry: member('blobs/sha256', 'directory', 0) };
  for (const { digest, size } of blobsOf(images)) {
    yield { entry: member(blobPath(digest), 'file', size), data: checkedBlob(store, digest, size, reporter) };
  }
  for (const [path, data] of [
    ['index.json', indexOf(images)],
    ['manifest.json', dockerManifest(images)],
    ['oci-layout', LAYOUT],
  ] as const) {
    yield { entry: member(path, 'file', data.length), data: once(data) };
  }
}

async function* checkedBlob(
  store: Store,
  digest: Digest,
  size: number,
  reporter: Reporter,
): AsyncGenerator<Uint8Array> {
  const task = reporter.task(hexOf(digest).slice(0, 12), 'saving', size);
  yield* verified(counted(store.blobs.read(digest), task), { digest, size }, `blob ${digest}`);
  task.end('saved');
}

/** The images as one tar. */
export function saveArchive(store: Store, images: readonly Image[], reporter: Reporter): AsyncIterable<Uint8Array> {
  return writeTar(members(store, images, reporter));
}

/** The images as an OCI layout in `directory`, which must not be there yet or be empty. */
export async function saveDirectory(
  store: Store,
  images: readonly Image[],
  directory: string,
  reporter: Reporter,
): Promise<void> {
  const blobs = join(directory, 'blobs', 'sha256');
  mkdirSync(blobs, { recursive: true });
  for (const { digest, size } of blobsOf(images)) {
    const prepared = join(blobs, `.${hexOf(digest)}`);
    rmSync(prepared, { force: true });
    await writeStream(prepared, checkedBlob(store, digest, size, reporter));
    publishFile(prepared, join(directory, blobPath(digest)), blobs);
  }
  writeDurably(join(directory, 'oci-layout'), LAYOUT);
  writeDurably(join(directory, 'index.json'), indexOf(images));
}
