// Commit: an upper becomes a layer, and an image that ends in it. Everything is prepared aside; the name comes last, so
// that a crash leaves the old image or the new one.

import { syscalls } from '../../sys/syscalls.js';
import type { Packing } from '../compression.js';
import { ImageError } from '../error.js';
import type { Image } from '../images.js';
import { assembleImage } from '../import-tar.js';
import { Incoming } from '../incoming.js';
import { layerTar } from '../layer-tar.js';
import { ociLayerTypes } from '../media.js';
import { type Descriptor, type HistoryEntry, type ImageConfig, MAX_LAYERS } from '../model.js';
import { hostPlatform } from '../platform.js';
import { counted, type Reporter } from '../progress.js';
import type { Store } from '../store.js';
import type { LayerSource } from '../view.js';
import { applyInstructions, type RunConfig } from './instructions.js';

export interface CommitRequest {
  /** What becomes a layer each, bottom first; the last is what it is about. */
  readonly sources: readonly LayerSource[];
  /** The image of the lowers; null when there is none. */
  readonly base: Image | null;
  /** Whole name. */
  readonly name: string;
  readonly message: string;
  readonly author: string;
  /** ISO 8601. */
  readonly created: string;
  readonly createdBy: string;
  /** `--change`. */
  readonly changes: readonly string[];
  /** One layer of everything in place of one more. */
  readonly squash: boolean;
  /** What compresses the layer. */
  readonly packing: Packing;
  /** Keeps the upper as it is for as long as it is read. */
  readonly still: <T>(read: () => Promise<T>) => Promise<T>;
}

/** Docker's layers are OCI's; a manifest names them in one language. */
function inOci(layer: Descriptor): Descriptor {
  return { ...layer, mediaType: ociLayerTypes[layer.mediaType] ?? layer.mediaType };
}

/** One entry for each layer at least: others refuse an image that tells of fewer. */
function historyOf(base: Image): readonly HistoryEntry[] {
  const history = base.config.history ?? [];
  const missing = base.manifest.layers.length - history.filter(({ empty_layer }) => empty_layer !== true).length;
  if (missing < 0) throw new ImageError(`the history of ${base.name ?? base.id} tells of more layers than it has`);
  return [...Array.from({ length: missing }, () => ({ created_by: '' })), ...history];
}

/** Throws where no image can have so many layers more than `base`. */
export function refuseTooMany(base: Image, more: number): void {
  const { length } = base.manifest.layers;
  if (length + more <= MAX_LAYERS) return;
  throw new ImageError(
    `${base.name ?? base.id} has ${length} layers, and ${MAX_LAYERS} are the most: commit with --squash`,
  );
}

/** What the new image takes over from its base. */
function inherited({
  base,
  squash,
  sources,
}: CommitRequest): Pick<ImageConfig, 'history'> & { layers: readonly Descriptor[] } {
  if (base === null) return { history: [], layers: [] };
  const history = historyOf(base);
  if (squash) return { history: history.map((entry) => ({ ...entry, empty_layer: true })), layers: [] };
  refuseTooMany(base, sources.length);
  return { history, layers: base.manifest.layers.map(inOci) };
}

/** A layer that a commit had sealed which did not end. */
const leftOver = 'sealed by an earlier commit';

function configOf(request: CommitRequest, diffIds: ImageConfig['rootfs']['diff_ids'], changed: RunConfig): ImageConfig {
  const { base, author, message, created, createdBy, sources } = request;
  const {
    container: _id,
    container_config: _run,
    ...kept
  } = (base?.config ?? hostPlatform()) as ImageConfig & {
    readonly container?: unknown;
    readonly container_config?: unknown;
  };
  const unfinished: HistoryEntry = { created, created_by: createdBy, comment: leftOver };
  const entry: HistoryEntry = {
    created,
    created_by: createdBy,
    ...(author === '' ? {} : { author }),
    ...(message === '' ? {} : { comment: message }),
  };
  return {
    ...kept,
    created,
    ...(author === '' ? {} : { author }),
    config: changed as Readonly<Record<string, unknown>>,
    rootfs: { type: 'layers', diff_ids: diffIds },
    history: [...(inherited(request).history ?? []), ...sources.slice(1).map(() => unfinished), entry],
  };
}

/** Seals the upper and records the image; resolves when both will outlast a crash. */
export async function commit(store: Store, request: CommitRequest, reporter: Reporter): Promise<Image> {
  const { base, squash, sources } = request;
  const changed = applyInstructions((base?.config.config ?? {}) as RunConfig, request.changes);
  const { layers } = inherited(request);
  const incoming = new Incoming(store, reporter);
  const task = reporter.task('commit', 'sealing', null);
  const sealed = await request.still(async () => {
    const added: Awaited<ReturnType<typeof incoming.addLayer>>[] = [];
    for (const source of sources) {
      const tar = counted(layerTar(syscalls, source, { squash }), task);
      added.push(await incoming.addLayer(tar, request.packing, null));
    }
    return added;
  });
  task.end('sealed');
  const own = sealed.map(({ diffId }) => diffId);
  const config = configOf(request, [...(squash || base === null ? [] : base.config.rootfs.diff_ids), ...own], changed);
  return assembleImage(incoming, config, [...layers, ...sealed.map(({ layer }) => layer)], [request.name]);
}
