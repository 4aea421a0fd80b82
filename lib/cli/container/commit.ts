// `stratafs commit`: what a container, a mount or an upper changed becomes a layer of a new image.

import { realpathSync, statSync } from 'node:fs';
import { type CommitRequest, commit as commitUpper, refuseTooMany } from '../../image/container/commit.js';
import { type Container, findContainer, listContainers, wantContainer } from '../../image/container/containers.js';
import type { RunConfig } from '../../image/container/instructions.js';
import { containerAt, mountOf } from '../../image/container/mount-table.js';
import { ImageError } from '../../image/error.js';
import { findImage, type Image, listImages } from '../../image/images.js';
import { layersOfMount } from '../../image/mount-source.js';
import { familiarName, fullName, parseReference } from '../../image/reference.js';
import type { Store } from '../../image/store.js';
import type { LayerSource } from '../../image/view.js';
import { bytesOf } from '../../sys/name.js';
import { syscalls } from '../../sys/syscalls.js';
import type { Call, ImageCommand } from '../image-command.js';
import { paused } from './runtime.js';
import { sealUpper, settle } from './sealing.js';

/** What can be sealed: a container, or an upper, of a mount whose layers are known or by itself. */
type Target =
  | { readonly container: Container }
  | { readonly mountpoint: string; readonly source: LayerSource }
  | { readonly upper: string };

const WANTED = 'a container (`stratafs ps -a`), a mountpoint or an upper is wanted';

function targetOf(root: string, text: string): Target {
  const container = findContainer(root, text);
  if (container !== null) return { container };
  let path: string;
  try {
    path = realpathSync(text);
  } catch {
    throw new ImageError(`${text} is neither a container in ${root} (\`stratafs ps -a\` lists them) nor a directory`);
  }
  if (!statSync(path).isDirectory()) throw new ImageError(`${text} is no directory: ${WANTED}`);
  const id = containerAt(path);
  const owner = listContainers(root).find((one) => one.record.id === id || one.uppers().includes(path));
  if (owner !== undefined) return { container: owner };
  if (id !== null) throw new ImageError(`${text} is a container of another store: say which with --root`);
  const source = layersOfMount(syscalls, bytesOf(path));
  return source === null ? { upper: path } : { mountpoint: path, source };
}

const inBytes = (paths: readonly string[]): string[] => paths.map(bytesOf);

/** Uppers of a container as layers to be, bottom first; the index is about the last one, which may go on changing. */
function sourcesOf(container: Container, uppers: readonly string[], squash: boolean): LayerSource[] {
  const last = container.upper();
  return uppers.map((upper) => {
    const lowers = container.lowers(upper);
    // What runtimes mount upon is no part of the image.
    const own = squash ? lowers.filter((path) => path !== container.path('base')) : lowers;
    const workdir = upper === last ? bytesOf(container.path('work')) : null;
    return { upper: bytesOf(upper), lowers: inBytes(own), workdir };
  });
}

/** Top first; a layer that comes twice is hidden by itself. */
function treesOf(store: Store, image: Image): string[] {
  const layers = [...new Set([...image.config.rootfs.diff_ids].reverse())];
  return inBytes(layers.map((id) => store.layers.tree(id)));
}

/** The image whose layers a mount has: it need not be named. */
function baseOf(store: Store, { lowers }: LayerSource): Image {
  const wanted = lowers.join('\0');
  const found = listImages(store).find((image) => treesOf(store, image).join('\0') === wanted);
  if (found !== undefined) return found;
  throw new ImageError("the mount's lowers are no image of this store: name one with --base, or commit with --squash");
}

/** Now; or the time that builds are to say everything was made at. */
function creationTime(): string {
  const epoch = process.env.SOURCE_DATE_EPOCH;
  return new Date(epoch && /^\d+$/.test(epoch) ? Number(epoch) * 1000 : Date.now()).toISOString();
}

/** What every commit says, whatever it seals. */
type Common = Omit<CommitRequest, 'sources' | 'base' | 'createdBy' | 'still'>;

async function recordUpper(
  call: Call,
  store: Store,
  target: Exclude<Target, { container: Container }>,
  common: Common,
): Promise<Image> {
  const called = call.text('base');
  const named = called === null ? null : findImage(store, called);
  if ('mountpoint' in target) {
    const { source, mountpoint } = target;
    const base = named ?? (common.squash ? null : baseOf(store, source));
    const still = async <T>(read: () => Promise<T>): Promise<T> => {
      await settle(mountpoint);
      return read();
    };
    return commitUpper(
      store,
      { ...common, sources: [source], base, createdBy: 'stratafs commit', still },
      call.progress,
    );
  }
  const source = { upper: bytesOf(target.upper), lowers: named === null ? [] : treesOf(store, named) };
  const request = { ...common, sources: [source], base: named, createdBy: 'stratafs commit' };
  return commitUpper(store, { ...request, still: (read) => read() }, call.progress);
}

function record(call: Call, store: Store, target: Target, name: string): Promise<Image> {
  const common: Common = {
    name,
    message: call.text('message') ?? '',
    author: call.text('author') ?? '',
    created: creationTime(),
    changes: call.texts('change'),
    squash: call.flag('squash'),
    packing: call.flag('zstd') ? 'zstd' : 'gzip',
  };
  if (!('container' in target)) return recordUpper(call, store, target, common);
  if (call.text('base') !== null) throw new ImageError('--base is for uppers: a container has its image');
  return target.container.locked(() => recordContainer(call, store, target.container.record.name, common));
}

/** The container, which the caller has locked, is not started, stopped or removed meanwhile. */
async function recordContainer(call: Call, store: Store, name: string, common: Common): Promise<Image> {
  const container = wantContainer(call.root, name);
  const base = container.image(store);
  const { Cmd } = (base.config.config ?? {}) as RunConfig;
  const command = container.record.command?.length ? container.record.command : (Cmd ?? ['stratafs commit']);
  const request = { ...common, base, createdBy: command.join(' ') };
  if (!common.squash) refuseTooMany(base, container.unsaved().length);
  if (!common.squash && (await sealUpper(call, container))) {
    const sources = sourcesOf(container, container.unsaved().slice(0, -1), false);
    const image = await commitUpper(store, { ...request, sources, still: (read) => read() }, call.progress);
    container.goOnFrom(image, familiarName(common.name));
    return image;
  }
  const uppers = common.squash ? [container.upper()] : container.unsaved();
  const still = async <T>(read: () => Promise<T>): Promise<T> => {
    const settled = async (): Promise<T> => {
      await settle(mountOf(container.record.id));
      return read();
    };
    return call.flag('no-pause') ? settled() : paused(container, settled);
  };
  const sources = sourcesOf(container, uppers, common.squash);
  return commitUpper(store, { ...request, sources, still }, call.progress);
}

export const commit: ImageCommand = {
  words:
    "[-m MESSAGE] [-a AUTHOR] [-c 'ENV A=b']… [--squash] [--zstd] [--no-pause] [--base IMAGE] CONTAINER|MOUNTPOINT|UPPER NAME[:TAG]",
  about:
    'Seals what a container changed into a layer, and makes an image that ends in it. A container that is mounted goes on with a fresh upper over the sealed one; a mount that is no container goes on with its upper as it is, which its command line names: let its writers rest meanwhile.',
  options: {
    message: { type: 'string', short: 'm' },
    author: { type: 'string', short: 'a' },
    change: { type: 'string', short: 'c', multiple: true },
    squash: { type: 'boolean' },
    zstd: { type: 'boolean' },
    'no-pause': { type: 'boolean' },
    base: { type: 'string' },
  },
  operands: [2, 2],
  async run(call) {
    const [what = '', name = ''] = call.operands;
    const reference = parseReference(name);
    if (reference.digest !== null) throw new ImageError(`${name}: a digest cannot be given to an image`);
    const full = fullName(reference);
    const target = targetOf(call.root, what);
    const image = await call.store('write', (store) => record(call, store, target, full));
    const layer = image.manifest.layers.at(-1)?.digest;
    const json = { name: familiarName(full), id: image.id, digest: image.descriptor.digest, layer };
    call.answer(json, `${image.id}\n`);
  },
};
