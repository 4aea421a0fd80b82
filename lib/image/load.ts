// Images into the store out of OCI layouts and docker's archives. An index in them is narrowed to one platform.

import type { Buffer } from 'node:buffer';
import { decompressed } from './compression.js';
import { type Digest, digestOf, hexOf } from './digest.js';
import { ImageError } from './error.js';
import { type Image, NAME } from './images.js';
import type { Incoming } from './incoming.js';
import { DOCKER, OCI } from './media.js';
import { type Descriptor, formatManifest, type Index, MAX_LAYERS, parseConfig, parseManifest } from './model.js';
import { choosePlatform, type Platform } from './platform.js';
import { fullName, parseReference } from './reference.js';
import type { Spool } from './spool.js';

export interface LoadRequest {
  readonly platform: Platform;
  /** What a single image is called, whatever its archive says; whole name. */
  readonly name: string | null;
}

const CONTAINERD_NAME = 'io.containerd.image.name';
/** How deep indexes may lie in one another. */
const MAX_DEPTH = 4;

const blobPath = (digest: Digest): string => `blobs/sha256/${hexOf(digest)}`;

/** The name an entry brings; a mere tag names nothing. */
function namesOf({ annotations }: Descriptor): string[] {
  const whole = annotations?.[CONTAINERD_NAME] ?? annotations?.[NAME];
  if (whole === undefined || !/[/:@]/.test(whole)) return [];
  return [fullName(parseReference(whole))];
}

function document(
  spool: Spool,
  { digest, mediaType }: Descriptor,
): { bytes: Buffer; parsed: ReturnType<typeof parseManifest> } {
  const path = blobPath(digest);
  const bytes = spool.text(path);
  if (bytes === null) throw new ImageError(`${path} is missing`);
  if (digestOf(bytes) !== digest) throw new ImageError(`${path} is damaged: its digest is ${digestOf(bytes)}`);
  return { bytes, parsed: parseManifest(bytes, path, mediaType) };
}

/** The manifest that an entry leads to on this platform. */
function resolved(spool: Spool, entry: Descriptor, platform: Platform): Descriptor {
  let at = entry;
  for (let depth = 0; depth < MAX_DEPTH; depth += 1) {
    const { parsed } = document(spool, at);
    if (parsed.kind === 'manifest') return { ...at, mediaType: parsed.mediaType };
    at = choosePlatform(parsed.manifests, platform, at.digest);
  }
  throw new ImageError(`${entry.digest}: indexes in indexes in indexes`);
}

async function loadOci(incoming: Incoming, spool: Spool, index: Index, request: LoadRequest): Promise<Image[]> {
  const images: Image[] = [];
  for (const entry of index.manifests) {
    const manifest = resolved(spool, entry, request.platform);
    const { parsed } = document(spool, manifest);
    if (parsed.kind !== 'manifest') continue;
    for (const blob of [manifest, parsed.config, ...parsed.layers]) {
      if (!incoming.has(blob.digest)) await spool.into(incoming, blobPath(blob.digest), blob);
    }
    const names = request.name !== null && index.manifests.length === 1 ? [request.name] : namesOf(entry);
    images.push(await incoming.accept(manifest, named(names, manifest)));
  }
  return images;
}

/** What comes without a name is kept by its digest. */
function named(names: readonly string[], { digest }: Descriptor): readonly string[] {
  return names.length > 0 ? names : [`localhost/loaded@${digest}`];
}

interface DockerEntry {
  readonly Config: string;
  readonly RepoTags?: readonly string[] | null;
  readonly Layers: readonly string[];
}

function dockerEntries(bytes: Buffer): DockerEntry[] {
  let entries: unknown;
  try {
    entries = JSON.parse(bytes.toString('utf8'));
  } catch {
    throw new ImageError('manifest.json is no JSON');
  }
  const isPath = (one: unknown): boolean => typeof one === 'string';
  const isEntry = (one: DockerEntry | null): boolean =>
    isPath(one?.Config) && Array.isArray(one?.Layers) && one.Layers.every(isPath) && one.Layers.length <= MAX_LAYERS;
  if (!Array.isArray(entries) || !entries.every(isEntry)) throw new ImageError('manifest.json lists no images');
  return entries as DockerEntry[];
}

async function packedLayer(incoming: Incoming, spool: Spool, path: string): Promise<Descriptor> {
  const guard = incoming.room.guard();
  const tar = decompressed(guard.packed(spool.read(path)));
  return (await incoming.addLayer(tar, 'gzip', guard)).layer;
}

/** Docker's archives hold layers as plain tars: they become gzip, once each. */
async function loadDocker(incoming: Incoming, spool: Spool, bytes: Buffer, request: LoadRequest): Promise<Image[]> {
  const entries = dockerEntries(bytes);
  const packed = new Map<string, Descriptor>();
  const images: Image[] = [];
  for (const { Config, RepoTags, Layers } of entries) {
    const text = spool.text(Config);
    if (text === null) throw new ImageError(`${Config} is missing`);
    parseConfig(text, Layers.length, Config);
    const layers: Descriptor[] = [];
    for (const path of Layers) {
      const layer = packed.get(path) ?? (await packedLayer(incoming, spool, path));
      packed.set(path, layer);
      layers.push({ ...layer, mediaType: DOCKER.layerGzip });
    }
    const config = { mediaType: DOCKER.config, ...incoming.addBytes(text) };
    const manifest = { mediaType: DOCKER.manifest, ...incoming.addBytes(formatManifest(config, layers, true)) };
    const own = (RepoTags ?? []).map((tag) => fullName(parseReference(tag)));
    const names = request.name !== null && entries.length === 1 ? [request.name] : own;
    images.push(await incoming.accept(manifest, named(names, manifest)));
  }
  return images;
}

async function accepted(incoming: Incoming, spool: Spool, request: LoadRequest): Promise<Image[]> {
  const index = spool.has('oci-layout') ? spool.text('index.json') : null;
  if (index !== null) {
    const parsed = parseManifest(index, 'index.json', OCI.index);
    if (parsed.kind === 'index') return loadOci(incoming, spool, parsed, request);
  }
  const manifest = spool.text('manifest.json');
  if (manifest !== null) return loadDocker(incoming, spool, manifest, request);
  throw new ImageError('neither an OCI layout nor an archive of docker; for a root filesystem: stratafs import');
}

/** Takes every image of `spool` into the store, or none. */
export async function load(incoming: Incoming, spool: Spool, request: LoadRequest): Promise<Image[]> {
  const images = await accepted(incoming, spool, request);
  if (images.length === 0) throw new ImageError('there is no image in it');
  await incoming.publish();
  return images;
}
