// An image from a registry into the store: manifest, config, layers, all checked by digest; layers are unpacked while
// others are still on their way.

import type { Buffer } from 'node:buffer';
import { type Digest, digestOf } from '../digest.js';
import { ImageError } from '../error.js';
import type { Image } from '../images.js';
import { Incoming } from '../incoming.js';
import { indexTypes, manifestTypes, schema1Types } from '../media.js';
import { type Descriptor, MAX_JSON, type Manifest, parseManifest } from '../model.js';
import { choosePlatform, type Platform } from '../platform.js';
import type { Reporter } from '../progress.js';
import { familiarName, fullName, type Reference } from '../reference.js';
import type { Store } from '../store.js';
import { Registry, type RegistryOptions } from './client.js';
import { type Download, downloadBlob, pullScope } from './download.js';
import { bodyOf } from './http.js';
import { inParallel, TRANSFERS } from './parallel.js';

export interface PullRequest {
  readonly reference: Reference;
  readonly platform: Platform;
  readonly options: Omit<RegistryOptions, 'reporter' | 'signal'>;
  /** Bytes that it may take unpacked; null: as many as are safe. */
  readonly most: number | null;
}

const accept = [...manifestTypes, ...indexTypes, ...schema1Types].join(', ');
/** How deep indexes may lie in one another. */
const MAX_DEPTH = 4;

interface Found {
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
}

async function getManifest(registry: Registry, repository: string, which: string, what: string): Promise<Found> {
  const path = `/v2/${repository}/manifests/${which}`;
  const ask = { method: 'GET', path, headers: { accept } } as const;
  const answer = await registry.expect(pullScope(repository), ask, [200], `pull ${what}`);
  const bytes = await bodyOf(answer, MAX_JSON);
  const mediaType = (answer.headers['content-type'] ?? '').split(';')[0]?.trim() ?? '';
  return { bytes, descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length } };
}

/** The manifest behind a name, by way of indexes. Digests that were asked for are those that are there. */
async function resolve(
  registry: Registry,
  { reference, platform }: PullRequest,
): Promise<Found & { readonly manifest: Manifest }> {
  const { repository, tag, digest } = reference;
  const what = familiarName(fullName(reference));
  let which = digest ?? (tag as string);
  let wanted: Digest | null = digest;
  for (let depth = 0; depth < MAX_DEPTH; depth += 1) {
    const found = await getManifest(registry, repository, which, what);
    if (wanted !== null && found.descriptor.digest !== wanted) {
      throw new ImageError(`${registry.host} sent a manifest other than ${wanted}`);
    }
    const parsed = parseManifest(found.bytes, what, found.descriptor.mediaType);
    if (parsed.kind === 'manifest') {
      return { ...found, manifest: parsed, descriptor: { ...found.descriptor, mediaType: parsed.mediaType } };
    }
    wanted = choosePlatform(parsed.manifests, platform, what).digest;
    which = wanted;
  }
  throw new ImageError(`${what}: indexes in indexes in indexes`);
}

/** Starts all downloads; the answer waits for one of them. */
function started(download: Download, layers: readonly Descriptor[], stop: () => void) {
  const unique = [...new Map(layers.map((layer) => [layer.digest, layer])).values()];
  const waiting = new Map<Digest, () => void>();
  const ready = new Map(unique.map(({ digest }) => [digest, new Promise<void>((done) => waiting.set(digest, done))]));
  const work = async (layer: Descriptor): Promise<void> => {
    await downloadBlob(download, layer);
    waiting.get(layer.digest)?.();
  };
  const all = inParallel(unique, TRANSFERS, work, stop);
  // Whoever waits for one that never comes ends with the failure of all.
  const one = async (digest: Digest): Promise<void> => void (await Promise.race([ready.get(digest), all]));
  return { all, one };
}

export async function pull(store: Store, request: PullRequest, reporter: Reporter): Promise<Image> {
  const { reference, options } = request;
  const stopping = new AbortController();
  const registry = new Registry(reference.registry, { ...options, reporter, signal: stopping.signal });
  const incoming = new Incoming(store, reporter, request.most);
  const download: Download = { registry, repository: reference.repository, incoming, signal: stopping.signal };
  try {
    const { descriptor, bytes, manifest } = await resolve(registry, request);
    incoming.addBytes(bytes);
    await downloadBlob(download, manifest.config);
    const { all, one } = started(download, manifest.layers, () => stopping.abort());
    let brokenOff = false;
    all.catch(() => {
      brokenOff = true;
    });
    try {
      const image = await incoming.accept(descriptor, [fullName(reference)], one);
      await all;
      await incoming.publish();
      return image;
    } catch (error) {
      stopping.abort();
      const cameWhole = !brokenOff;
      await all.catch(() => {});
      // What came whole and is refused is not worth going on with.
      if (cameWhole) incoming.discard();
      throw error;
    }
  } finally {
    incoming.close();
  }
}
