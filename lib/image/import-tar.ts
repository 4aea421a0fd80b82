// A root filesystem as a tar, compressed or not -> an image of one layer.

import { decompressed, type Packing } from './compression.js';
import type { Image } from './images.js';
import { Incoming } from './incoming.js';
import { OCI } from './media.js';
import { type Descriptor, formatManifest, type ImageConfig } from './model.js';
import type { Platform } from './platform.js';
import { counted, type Reporter } from './progress.js';
import type { Store } from './store.js';

export interface ImportRequest {
  /** Whole name. */
  readonly name: string;
  readonly platform: Platform;
  readonly message: string;
  /** ISO 8601. */
  readonly created: string;
  readonly packing: Packing;
  /** Bytes that it may take unpacked; null: as many as are safe. */
  readonly most: number | null;
}

/** Adds a config and a manifest over layers that are there, and publishes the image of them. */
export async function assembleImage(
  incoming: Incoming,
  config: ImageConfig,
  layers: readonly Descriptor[],
  names: readonly string[],
): Promise<Image> {
  const described = { mediaType: OCI.config, ...incoming.addBytes(Buffer.from(JSON.stringify(config))) };
  const manifest = incoming.addBytes(formatManifest(described, layers));
  const image = await incoming.accept({ mediaType: OCI.manifest, ...manifest }, names);
  await incoming.publish();
  return image;
}

export async function importTar(
  store: Store,
  stream: AsyncIterable<Uint8Array>,
  request: ImportRequest,
  reporter: Reporter,
): Promise<Image> {
  const incoming = new Incoming(store, reporter, request.most);
  const task = reporter.task('import', 'reading', null);
  const { created, message, packing, platform } = request;
  const guard = incoming.room.guard();
  const tar = decompressed(guard.packed(counted(stream, task)));
  const { layer, diffId } = await incoming.addLayer(tar, packing, guard);
  task.end('read');
  const history = { created, created_by: 'stratafs import', ...(message === '' ? {} : { comment: message }) };
  const config: ImageConfig = {
    created,
    ...platform,
    config: {},
    rootfs: { type: 'layers', diff_ids: [diffId] },
    history: [history],
  };
  return assembleImage(incoming, config, [layer], [request.name]);
}
