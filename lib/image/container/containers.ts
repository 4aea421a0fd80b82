// Containers: an upper of its own over an image's layers, in one directory of the store each: containers/NAME. A directory
// appears whole and goes whole. Knows what is to be mounted, and mounts nothing.

import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import type { Digest } from '../digest.js';
import { removeTree, syncDirectory, writeDurably } from '../disk.js';
import { ImageError } from '../error.js';
import { FileLock } from '../file-lock.js';
import { type Image, imageOf } from '../images.js';
import { type Descriptor, parseDescriptor, parseJson } from '../model.js';
import type { Store } from '../store.js';
import { upperNumber, uppersIn } from './uppers.js';

export const HOME = 'containers';
const RECORD = 'container.json';

export interface ContainerRecord {
  readonly id: string;
  readonly name: string;
  /** ISO 8601. */
  readonly created: string;
  /** What people called the image. */
  readonly image: string;
  /** The image of `layers`, and of the uppers that are in it. */
  readonly manifest: Descriptor;
  /** Diff ids of what lies beneath its uppers, bottom first. */
  readonly layers: readonly Digest[];
  /** How many of its uppers, the oldest ones, are layers of the image; none if it is not there. */
  readonly sealed?: number;
  /** The number of the first upper that counts; layers of the store stand for those before, which go. 0 if it is not there. */
  readonly first?: number;
  /** The command that `run` was given; null for one that was only created. */
  readonly command: readonly string[] | null;
}

const nameForm = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/;

export function checkContainerName(name: string): string {
  if (nameForm.test(name)) return name;
  throw new ImageError(`'${name}' is no name for a container: letters, digits, '_', '.' and '-' are wanted`);
}

export class Container {
  readonly record: ContainerRecord;
  readonly directory: string;
  readonly #root: string;

  constructor(root: string, record: ContainerRecord) {
    this.record = record;
    this.#root = root;
    this.directory = join(root, HOME, record.name);
  }

  path(part: 'work' | 'base' | 'merged' | 'bundle' | 'volumes' | 'runtime'): string {
    return join(this.directory, part);
  }

  /** Oldest first. The last is the one that is written to. */
  uppers(): string[] {
    return this.#allUppers().filter((path) => this.#counts(path));
  }

  #allUppers(): string[] {
    return uppersIn(this.directory).map((name) => join(this.directory, name));
  }

  #counts(upper: string): boolean {
    return (upperNumber(basename(upper)) ?? 0) >= (this.record.first ?? 0);
  }

  /** Those that a removal left which did not end. */
  leftOvers(): string[] {
    return this.#allUppers().filter((path) => !this.#counts(path));
  }

  upper(): string {
    return this.uppers().at(-1) ?? join(this.directory, 'upper');
  }

  /** What lies beneath `upper`, top first. A layer that comes twice is hidden by itself; what runtimes mount upon is at the bottom. */
  lowers(upper = this.upper()): string[] {
    const uppers = this.uppers();
    const layers = [...new Set([...this.record.layers].reverse())];
    return [
      ...uppers.slice(0, Math.max(uppers.indexOf(upper), 0)).reverse(),
      ...layers.map((id) => join(this.#root, 'layers', 'sha256', id.slice('sha256:'.length), 'fs')),
      this.path('base'),
    ];
  }

  /** Uppers that no image has yet: one a commit, save after commits that did not end. */
  unsaved(): string[] {
    return this.uppers().slice(this.record.sealed ?? 0);
  }

  /** `image` has all sealed uppers as its layers. A crash leaves the record from before or this one. */
  goOnFrom(image: Image, called: string): void {
    const { mediaType, digest, size } = image.descriptor;
    const sealed = this.uppers().length - 1;
    this.#write({ ...this.record, image: called, manifest: { mediaType, digest, size }, sealed });
  }

  /** The unpacked layers of its image, `layers`, take the place of those of its uppers that are in it. */
  goOnOver(layers: readonly Digest[]): void {
    const first = upperNumber(basename(this.unsaved()[0] as string)) as number;
    this.#write({ ...this.record, layers, sealed: 0, first });
  }

  #write(record: ContainerRecord): void {
    const file = join(this.directory, RECORD);
    removeTree(`${file}.new`);
    writeDurably(`${file}.new`, JSON.stringify(record));
    renameSync(`${file}.new`, file);
    syncDirectory(this.directory);
  }

  /** The image as it was when the container was made, whatever its name means now. */
  image(store: Store): Image {
    const { manifest, image } = this.record;
    const found = imageOf(manifest, (digest, what) => store.blobs.bytes(digest, what), null);
    return { ...found, name: image };
  }

  /** Nobody else starts, stops or removes it until the lock is released. */
  async lock(): Promise<FileLock> {
    const gone = (): ImageError => new ImageError(`container ${this.record.name} was removed`);
    if (!existsSync(this.directory)) throw gone();
    const lock = await FileLock.take(this.directory, 'exclusive');
    if (readRecord(this.#root, this.record.name)?.id === this.record.id) return lock;
    lock.release();
    throw gone();
  }

  async locked<T>(use: () => Promise<T> | T): Promise<T> {
    const lock = await this.lock();
    try {
      return await use();
    } finally {
      lock.release();
    }
  }

  /** It is whole until it is gone: what is left half-removed lies where the next process clears up. */
  remove(store: Store): void {
    const aside = store.staging.fresh();
    renameSync(this.directory, aside);
    syncDirectory(join(this.#root, HOME));
    removeTree(aside);
  }
}

function readRecord(root: string, name: string): ContainerRecord | null {
  const file = join(root, HOME, name, RECORD);
  let text: Uint8Array;
  try {
    text = readFileSync(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw error;
  }
  const json = parseJson(text, file) as unknown as ContainerRecord;
  return { ...json, name, manifest: parseDescriptor(json.manifest, file) };
}

/** Every container of the store, by name. */
export function listContainers(root: string): Container[] {
  const home = join(root, HOME);
  if (!existsSync(home)) return [];
  const records = readdirSync(home)
    .sort()
    .map((name) => readRecord(root, name));
  return records.filter((record) => record !== null).map((record) => new Container(root, record));
}

/** The container called `text`, or the only one whose id begins like that. */
export function findContainer(root: string, text: string): Container | null {
  if (nameForm.test(text)) {
    const record = readRecord(root, text);
    if (record !== null) return new Container(root, record);
  }
  if (!/^[0-9a-f]{4,64}$/.test(text)) return null;
  const found = listContainers(root).filter(({ record }) => record.id.startsWith(text));
  return found.length === 1 ? (found[0] as Container) : null;
}

export function wantContainer(root: string, text: string): Container {
  const found = findContainer(root, text);
  if (found !== null) return found;
  throw new ImageError(`no container ${text} in ${root}: \`stratafs ps -a\` lists what is there`);
}

/** Manifests that containers hold on to, whether or not a name keeps them. */
export function manifestsInUse(root: string): Descriptor[] {
  return listContainers(root).map(({ record }) => record.manifest);
}

const directoriesOfBase = ['proc', 'sys', 'dev', 'etc'];
const filesOfBase = ['etc/hostname', 'etc/hosts', 'etc/resolv.conf'];

/** A layer beneath the image: what runtimes mount upon is there, and never made in the upper. */
function makeBase(base: string): void {
  mkdirSync(base, { mode: 0o755 });
  for (const name of directoriesOfBase) mkdirSync(join(base, name), { mode: 0o755 });
  for (const name of filesOfBase) writeFileSync(join(base, name), '', { mode: 0o644 });
}

/** Makes the place of a volume beneath the image, so that the runtime makes none in the upper. */
export function addToBase(container: Container, path: string, isDirectory: boolean): void {
  const place = join(container.path('base'), path);
  if (existsSync(place)) return;
  mkdirSync(isDirectory ? place : join(place, '..'), { recursive: true, mode: 0o755 });
  if (!isDirectory) writeFileSync(place, '', { mode: 0o644 });
}

/** The upper's own root is what the merged root shows: it starts as that of the topmost lower. */
export function makeUpper(upper: string, top: string): void {
  mkdirSync(upper);
  const { mode, uid, gid, atime, mtime } = statSync(top);
  if (process.geteuid?.() === 0) chownSync(upper, uid, gid);
  chmodSync(upper, mode & 0o7777);
  utimesSync(upper, atime, mtime);
}

export interface CreateRequest {
  /** Made up when null. */
  readonly name: string | null;
  readonly created: string;
  readonly command: readonly string[] | null;
  /** What people called the image. */
  readonly called: string;
}

/** Makes a container of `image`, whose layers are unpacked. */
export function createContainer(store: Store, image: Image, request: CreateRequest): Container {
  const id = randomBytes(32).toString('hex');
  const name = request.name === null ? id.slice(0, 12) : checkContainerName(request.name);
  const { called, created, command } = request;
  const { mediaType, digest, size } = image.descriptor;
  const layers = image.config.rootfs.diff_ids;
  for (const layer of layers)
    if (!store.layers.has(layer))
      throw new ImageError(`layer ${layer} of ${called} is not in the store: pull or load the image again`);
  const record: ContainerRecord = {
    ...{ id, name, created, command, layers, image: called },
    manifest: { mediaType, digest, size },
  };
  const container = new Container(store.root, record);
  const prepared = store.staging.fresh();
  mkdirSync(prepared, { mode: 0o700 });
  makeBase(join(prepared, 'base'));
  const top = layers.at(-1);
  makeUpper(join(prepared, 'upper'), top === undefined ? join(prepared, 'base') : store.layers.tree(top));
  for (const part of ['work', 'merged']) mkdirSync(join(prepared, part));
  writeDurably(join(prepared, RECORD), JSON.stringify(record));
  syncDirectory(prepared);
  publish(prepared, container);
  return container;
}

function publish(prepared: string, { directory, record }: Container): void {
  const home = join(directory, '..');
  mkdirSync(home, { recursive: true, mode: 0o711 });
  try {
    renameSync(prepared, directory);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
    throw new ImageError(
      `there is a container ${record.name} already: remove it (stratafs rm), or choose another name`,
    );
  }
  syncDirectory(home);
}

const escapes = /[\\:,]/g;

/** The option list of a mount. Colons, commas and backslashes may be part of any path. */
export function mountList(
  layers: {
    readonly lowers: readonly string[];
    readonly upper: string;
    readonly work: string;
    /** How many of the lowers are uppers that were sealed; only where that may go on. */
    readonly sealed?: number;
  },
  fsname: string,
): string {
  const lowers = layers.lowers.map((path) => path.replace(escapes, '\\$&'));
  const comma = (path: string): string => path.replaceAll(',', '\\,');
  const words = [
    `lowerdir=${lowers.join(':')}`,
    `upperdir=${comma(layers.upper)}`,
    `workdir=${comma(layers.work)}`,
    `fsname=${fsname}`,
    ...(layers.sealed === undefined ? [] : [`sealed=${layers.sealed}`]),
    ...(process.geteuid?.() === 0 ? ['dev', 'suid'] : []),
  ];
  return words.join(',');
}
