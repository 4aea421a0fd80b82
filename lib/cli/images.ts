// The commands that look at images and at what the store holds, and that name, unname and clean.

import { containerUsage } from '../image/container/sealed.js';
import { hexOf } from '../image/digest.js';
import { ImageError } from '../image/error.js';
import { collect, usage } from '../image/gc.js';
import {
  findImage,
  type Image,
  listImages,
  nameOf,
  nameWanted,
  unpackedSize,
  withName,
  withoutName,
} from '../image/images.js';
import { familiarName, fullName, parseReference } from '../image/reference.js';
import type { Kept, Store } from '../image/store.js';
import { discard, verify } from '../image/verify.js';
import type { Call, ImageCommand } from './image-command.js';
import { formatBytes } from './progress-lines.js';
import { formatAge, formatTable } from './table.js';

const ANY = Number.POSITIVE_INFINITY;
const shortId = (image: Image): string => hexOf(image.id).slice(0, 12);

/** Repository and tag, or digest, as docker's columns have them. */
function columnsOf(name: string | null): [repository: string, tag: string] {
  if (name === null) return ['<none>', '<none>'];
  const { tag, digest } = parseReference(name);
  const familiar = familiarName(name);
  return [familiar.slice(0, -(tag ?? digest ?? '').length - 1), tag ?? '<none>'];
}

const images: ImageCommand = {
  words: '',
  about: 'Lists the images in the store.',
  operands: [0, 0],
  run: (call) =>
    call.store('read', async (store) => {
      const readable = listImages(store, (problem) => call.progress.line(problem));
      const rows = readable.map((image) => ({ image, size: unpackedSize(store, image) }));
      const json = rows.map(({ image, size }) => ({
        name: image.name === null ? null : familiarName(image.name),
        id: image.id,
        digest: image.descriptor.digest,
        created: image.config.created ?? null,
        size,
      }));
      const cells = rows.map(({ image, size }) => [
        ...columnsOf(image.name),
        shortId(image),
        formatAge(image.config.created),
        formatBytes(size),
      ]);
      const names = json.map(({ name, id }) => `${name ?? id}\n`).join('');
      const heads = ['REPOSITORY', 'TAG', 'IMAGE ID', 'CREATED', 'SIZE'];
      call.answer(json, () => (call.flag('quiet') ? names : formatTable(heads, cells)));
    }),
};

interface Step {
  readonly id: string | null;
  readonly created: string | null;
  readonly createdBy: string;
  readonly author: string;
  readonly comment: string;
  readonly size: number;
}

/** The steps an image was made in, the newest first; a layer that history does not know is a step of its own. */
function stepsOf(store: Store, image: Image): Step[] {
  const left = image.config.rootfs.diff_ids.map((diffId, at) => ({ diffId, layer: image.manifest.layers[at] }));
  const history = [...(image.config.history ?? [])];
  const described = history.filter(({ empty_layer }) => empty_layer !== true).length;
  for (let missing = left.length - described; missing > 0; missing -= 1) history.unshift({});
  const steps = history.map(({ created, created_by, author, comment, empty_layer }): Step => {
    const own = empty_layer === true ? undefined : left.shift();
    const size = own !== undefined && store.layers.has(own.diffId) ? store.layers.record(own.diffId).bytes : 0;
    return {
      id: own?.layer?.digest ?? null,
      created: created ?? null,
      createdBy: created_by ?? '',
      author: author ?? '',
      comment: comment ?? '',
      size,
    };
  });
  return steps.reverse();
}

const oneLine = (text: string, most: number): string => {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length > most ? `${line.slice(0, most - 1)}…` : line;
};

const history: ImageCommand = {
  words: '[OPTION…] IMAGE',
  about: 'Shows how an image was made, the newest step first.',
  options: { 'no-trunc': { type: 'boolean', about: 'nothing is cut short' } },
  operands: [1, 1],
  run: (call) =>
    call.store('read', async (store) => {
      const steps = stepsOf(store, findImage(store, call.operands[0] as string));
      const most = call.flag('no-trunc') ? ANY : 45;
      const cells = steps.map(({ id, created, createdBy, author, comment, size }) => [
        id === null ? '<none>' : id.slice('sha256:'.length, most === ANY ? ANY : 'sha256:'.length + 12),
        formatAge(created ?? undefined),
        oneLine(createdBy, most),
        formatBytes(size),
        oneLine(author, most),
        oneLine(comment, most),
      ]);
      const heads = ['LAYER', 'CREATED', 'CREATED BY', 'SIZE', 'AUTHOR', 'COMMENT'];
      call.answer(steps, () => formatTable(heads, cells));
    }),
};

/** All that is known of an image; docker's words where docker has them. */
function description(store: Store, image: Image): unknown {
  const { config, manifest, descriptor } = image;
  const same = listImages(store).filter(({ descriptor: { digest } }) => digest === descriptor.digest);
  const names = same.flatMap(({ name }) => (name === null ? [] : [familiarName(name)]));
  return {
    Id: image.id,
    RepoTags: names.filter((name) => !name.includes('@')),
    RepoDigests: names.filter((name) => name.includes('@')),
    Digest: descriptor.digest,
    MediaType: manifest.mediaType,
    Created: config.created ?? null,
    Author: config.author ?? '',
    Architecture: config.architecture,
    Os: config.os,
    ...(config.variant ? { Variant: config.variant } : {}),
    Config: config.config ?? {},
    Size: unpackedSize(store, image),
    RootFS: { Type: 'layers', Layers: config.rootfs.diff_ids },
    Layers: manifest.layers.map(({ mediaType, digest, size }, at) => {
      const diffId = config.rootfs.diff_ids[at] as Image['id'];
      const directory = store.layers.has(diffId) ? store.layers.tree(diffId) : null;
      return { MediaType: mediaType, Digest: digest, Size: size, DiffId: diffId, Directory: directory };
    }),
    History: config.history ?? [],
  };
}

interface Told {
  readonly json: unknown;
  /** null: the JSON is for people, too. */
  readonly text: string | null;
}

/** What begins like a path is one; any other word is one when no image is called so and it leads into a mount. */
async function inspectOne(store: Store, text: string, type: string | null): Promise<Told> {
  const { inspectPath, isInMount } = await import('./inspect-path.js');
  if (type === 'path' || (type === null && /^\.{0,2}(?:\/|$)/.test(text))) return inspectPath(store, text);
  try {
    return { json: description(store, findImage(store, text)), text: null };
  } catch (error) {
    if (type === null && isInMount(text)) return inspectPath(store, text);
    throw error;
  }
}

/** Images alone are one list, as docker has them. */
function asText(all: readonly Told[]): string {
  const list = (some: readonly Told[]): string =>
    `${JSON.stringify(
      some.map(({ json }) => json),
      null,
      2,
    )}\n`;
  if (all.every(({ text }) => text === null)) return list(all);
  return all.map((one) => one.text ?? list([one])).join('');
}

const inspect: ImageCommand = {
  words: '[OPTION…] IMAGE|PATH…',
  about:
    'Shows all that is known of images, as JSON; of a path in a mount, which layer it comes from and what it hides.',
  options: { type: { type: 'string', value: 'image|path', about: 'what the words are' } },
  operands: [1, ANY],
  run: (call) =>
    call.store('read', async (store) => {
      const type = call.text('type');
      if (type !== null && type !== 'image' && type !== 'path') {
        throw new ImageError(`--type ${type}: image or path is wanted`);
      }
      const all: Told[] = [];
      for (const text of call.operands) all.push(await inspectOne(store, text, type));
      const json = all.map((one) => one.json);
      call.answer(json, () => asText(all));
    }),
};

const tag: ImageCommand = {
  words: 'IMAGE NAME[:TAG]',
  about: 'Gives an image another name.',
  operands: [2, 2],
  run: (call) =>
    call.store('write', async (store) => {
      const [from, to] = call.operands as [string, string];
      const name = fullName(parseReference(to));
      if (name.includes('@')) throw new ImageError(`${to}: a digest cannot be given to an image`);
      const { descriptor } = findImage(store, from);
      await store.keep((kept) => withName(kept, name, descriptor));
      call.answer({ name: familiarName(name), digest: descriptor.digest }, '');
    }),
};

/** The names that `text` stands for: itself, also of an image that cannot be read, or all names of an id. */
function namesFor(store: Store, text: string, all: boolean): string[] {
  const name = nameWanted(text);
  if (name !== null && store.kept().some((kept) => nameOf(kept) === name)) return [name];
  const { id } = findImage(store, text);
  const same = listImages(store).filter((image) => image.id === id);
  if (same.length > 1 && !all) {
    throw new ImageError(`${text} has ${same.length} names; name one of them, or use --force for all`);
  }
  return same.flatMap((image) => (image.name === null ? [] : [image.name]));
}

/** Takes names away, and says which. */
function unname(call: Call): Promise<string[]> {
  return call.store('write', async (store) => {
    const gone = call.operands.flatMap((text) => namesFor(store, text, call.flag('force')));
    await store.keep((kept) => gone.reduce<readonly Kept[]>(withoutName, kept));
    return gone;
  });
}

const rmi: ImageCommand = {
  words: '[OPTION…] IMAGE…',
  about: 'Takes names of images away, and what no other image uses with them.',
  options: { force: { type: 'boolean', short: 'f', about: 'all names of an image, when its id is given' } },
  operands: [1, ANY],
  run: async (call) => {
    const names = (await unname(call)).map(familiarName);
    const collected = await call.store('clean', async (store) => collect(store, false));
    call.answer({ untagged: names, ...collected }, () => names.map((name) => `untagged: ${name}\n`).join(''));
  },
};

const gc: ImageCommand = {
  words: '',
  about:
    'Removes what no image uses: blobs, layers, broken downloads; and what containers that are not mounted have twice, uppers that a commit has made layers of.',
  operands: [0, 0],
  run: (call) =>
    call.store('clean', async (store) => {
      const removed = collect(store, true);
      const { blobs, layers, partial, uppers, bytes } = removed;
      const what = `${layers} layers, ${blobs} blobs, ${partial} broken downloads, ${uppers} sealed uppers`;
      call.answer(removed, `removed ${what}: ${formatBytes(bytes)}\n`);
    }),
};

interface ContainerRow {
  readonly name: string;
  readonly image: string;
  readonly size: number;
  readonly sealed: number;
}

const containerRows = (root: string): ContainerRow[] =>
  containerUsage(root).map(({ container: { record }, size, sealed }) => {
    return { name: record.name, image: record.image, size, sealed };
  });

function containerTable(rows: readonly ContainerRow[]): string {
  if (rows.length === 0) return '';
  const cells = rows.map(({ name, image, size, sealed }) => [name, image, formatBytes(size), formatBytes(sealed)]);
  return `\n${formatTable(['CONTAINER', 'IMAGE', 'SIZE', 'IN LAYERS'], cells)}\n`;
}

const du: ImageCommand = {
  words: '',
  about:
    'Shows how much disk images take: to themselves, and together with others; and containers: all they have changed, and what of it commits have made layers of, which gc removes once they are stopped.',
  operands: [0, 0],
  run: (call) =>
    call.store('read', async (store) => {
      const { images: all, total } = usage(
        store,
        listImages(store, (problem) => call.progress.line(problem)),
      );
      const rows = all.map(({ image, unique, shared }) => ({
        name: image.name === null ? null : familiarName(image.name),
        id: image.id,
        unique,
        shared,
      }));
      const cells = rows.map(({ name, id, unique, shared }) => [
        name ?? '<none>',
        hexOf(id).slice(0, 12),
        ...[unique, shared, unique + shared].map(formatBytes),
      ]);
      const table = formatTable(['IMAGE', 'IMAGE ID', 'UNIQUE', 'SHARED', 'SIZE'], cells);
      const containers = containerRows(call.root);
      const sum = containers.reduce((all, { size }) => all + size, total);
      const text = `${table}${containerTable(containers)}total ${formatBytes(sum)}\n`;
      call.answer({ images: rows, containers, total: sum }, text);
    }),
};

const verifyCommand: ImageCommand = {
  words: '[OPTION…]',
  about:
    'Reads the whole store again and says what is not as it was; --discard removes that, so that a pull brings it anew.',
  options: { discard: { type: 'boolean', about: 'remove what is damaged' } },
  operands: [0, 0],
  run: (call) =>
    call.store(call.flag('discard') ? 'clean' : 'write', async (store) => {
      const verdict = await verify(store, call.progress);
      const { blobs, layers, images: count, findings } = verdict;
      if (call.flag('discard')) discard(store, findings);
      if (findings.length > 0) process.exitCode = 1;
      const lines = findings.map(({ kind, subject, problem }) => `${kind} ${subject}: ${problem}\n`).join('');
      const next = call.flag('discard')
        ? 'what is damaged was removed: pull or load the images again'
        : 'stratafs verify --discard removes what is damaged; then pull or load the images again';
      if (findings.length > 0) call.progress.line(next);
      call.answer(verdict, `${lines}${blobs} blobs, ${layers} layers, ${count} images: ${findings.length} problems\n`);
    }),
};

export const commands: Readonly<Record<string, ImageCommand>> = {
  images,
  history,
  inspect,
  tag,
  rmi,
  gc,
  du,
  verify: verifyCommand,
};
