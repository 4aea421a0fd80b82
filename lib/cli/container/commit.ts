// `stratafs commit`: what a container, a mount or an upper changed becomes a layer of a new image.

import { closeSync, openSync, realpathSync, statSync } from 'node:fs';
import { type CommitRequest, commit as commitUpper } from '../../image/container/commit.js';
import { type Container, findContainer, listContainers } from '../../image/container/containers.js';
import type { RunConfig } from '../../image/container/instructions.js';
import { containerAt, isDead, mountOf } from '../../image/container/mount-table.js';
import { ImageError } from '../../image/error.js';
import { findImage, type Image, listImages } from '../../image/images.js';
import { layersOfMount } from '../../image/mount-source.js';
import { familiarName, fullName, parseReference } from '../../image/reference.js';
import type { Store } from '../../image/store.js';
import type { LayerSource } from '../../image/view.js';
import { check } from '../../sys/check.js';
import { bytesOf } from '../../sys/name.js';
import { jobs, syscalls } from '../../sys/syscalls.js';
import type { Call, ImageCommand } from '../image-command.js';
import { paused } from './runtime.js';

/** What can be sealed: a container, or an upper, of a mount whose layers are known or by itself. */
type Target =
  | { readonly container: Container }
  | { readonly mountpoint: string; readonly source: LayerSource }
  | { readonly upper: string };

function targetOf(root: string, text: string): Target {
  const container = findContainer(root, text);
  if (container !== null) return { container };
  let path: string;
  try {
    path = realpathSync(text);
  } catch {
    throw new ImageError(`${text} is neither a container in ${root} nor a directory`);
  }
  if (!statSync(path).isDirectory()) throw new ImageError(`${text} is no directory`);
  const id = containerAt(path);
  const owner = listContainers(root).find((one) => one.record.id === id || one.path('upper') === path);
  if (owner !== undefined) return { container: owner };
  if (id !== null) throw new ImageError(`${text} is a container of another store: say which with --root`);
  const source = layersOfMount(syscalls, bytesOf(path));
  return source === null ? { upper: path } : { mountpoint: path, source };
}

const inBytes = (paths: readonly string[]): string[] => paths.map(bytesOf);

function sourceOfContainer(container: Container, squash: boolean): LayerSource {
  const lowers = container.lowers();
  // What runtimes mount upon is no part of the image.
  const own = squash ? lowers.filter((path) => path !== container.path('base')) : lowers;
  return {
    upper: bytesOf(container.path('upper')),
    lowers: inBytes(own),
    workdir: bytesOf(container.path('work')),
  };
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

/** Everything that was written through the mount is in the upper when it resolves. */
async function settle(mountpoint: string | null): Promise<void> {
  if (mountpoint === null || isDead(mountpoint)) return;
  const fd = openSync(mountpoint, 'r');
  try {
    check(await jobs.syncfs(fd), `sync ${mountpoint}`);
  } finally {
    closeSync(fd);
  }
}

/** The container stays as it is, mounted or not, until `use` is done with it. */
function still<T>(call: Call, container: Container, use: () => Promise<T>): Promise<T> {
  const settled = async (): Promise<T> => {
    await settle(mountOf(container.record.id));
    return use();
  };
  return container.locked(() => (call.flag('no-pause') ? settled() : paused(container, settled)));
}

/** Now; or the time that builds are to say everything was made at. */
function creationTime(): string {
  const epoch = process.env.SOURCE_DATE_EPOCH;
  return new Date(epoch && /^\d+$/.test(epoch) ? Number(epoch) * 1000 : Date.now()).toISOString();
}

/** What every commit says, whatever it seals. */
type Common = Omit<CommitRequest, 'source' | 'base' | 'createdBy' | 'still'>;

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
    return commitUpper(store, { ...common, source, base, createdBy: 'stratafs commit', still }, call.progress);
  }
  const source = { upper: bytesOf(target.upper), lowers: named === null ? [] : treesOf(store, named) };
  const request = { ...common, source, base: named, createdBy: 'stratafs commit' };
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
  };
  if (!('container' in target)) return recordUpper(call, store, target, common);
  const { container } = target;
  const base = container.image(store);
  const { Cmd } = (base.config.config ?? {}) as RunConfig;
  const command = container.record.command?.length ? container.record.command : (Cmd ?? ['stratafs commit']);
  const source = sourceOfContainer(container, common.squash);
  const request = { ...common, base, source, createdBy: command.join(' ') };
  return commitUpper(store, { ...request, still: (read) => still(call, container, read) }, call.progress);
}

export const commit: ImageCommand = {
  words:
    "[-m MESSAGE] [-a AUTHOR] [-c 'ENV A=b']… [--squash] [--no-pause] [--base IMAGE] CONTAINER|MOUNTPOINT|UPPER NAME[:TAG]",
  about: 'Seals what a container changed into a layer, and makes an image that ends in it.',
  options: {
    message: { type: 'string', short: 'm' },
    author: { type: 'string', short: 'a' },
    change: { type: 'string', short: 'c', multiple: true },
    squash: { type: 'boolean' },
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
