// The commands that bring images in from files and streams, and put them out again. `-` is a standard stream.

import {
  createReadStream,
  createWriteStream,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { removeTree } from '../image/disk.js';
import { ImageError } from '../image/error.js';
import { findImage, type Image } from '../image/images.js';
import { importTar } from '../image/import-tar.js';
import { Incoming } from '../image/incoming.js';
import { load } from '../image/load.js';
import { hostPlatform, type Platform, parsePlatform } from '../image/platform.js';
import { counted } from '../image/progress.js';
import { familiarName, fullName, parseReference } from '../image/reference.js';
import { parseSize } from '../image/room.js';
import { saveArchive, saveDirectory } from '../image/save.js';
import { DirectorySpool, TarSpool } from '../image/spool.js';
import type { Store } from '../image/store.js';
import { TarError } from '../image/tar/entry.js';
import type { Call, ImageCommand } from './image-command.js';

const ANY = Number.POSITIVE_INFINITY;
const CHUNK = 256 << 10;

export function platformOf(call: Call): Platform {
  const text = call.text('platform');
  return text === null ? hostPlatform() : parsePlatform(text);
}

export const maxUnpacked = {
  'max-unpacked': {
    type: 'string',
    value: 'SIZE',
    about:
      'the most that it may take unpacked, 20G say; by itself half of what is free, of what expands more than 250-fold',
  },
} as const;

/** What --max-unpacked says; null when it is not there. */
export function mostUnpacked(call: Call): number | null {
  const text = call.text('max-unpacked');
  return text === null ? null : parseSize(text, '--max-unpacked');
}

function input(path: string): AsyncIterable<Uint8Array> {
  if (path === '-') return process.stdin;
  if (!existsSync(path)) throw new ImageError(`${path}: no such file or directory`);
  if (statSync(path).isDirectory()) {
    throw new ImageError(`${path} is a directory: tar -C ${path} -c . | stratafs import - NAME`);
  }
  return createReadStream(path, { highWaterMark: CHUNK });
}

/** What is wrong with an archive is told with its name. */
async function reading<T>(path: string, work: () => Promise<T>): Promise<T> {
  const name = path === '-' ? 'standard input' : path;
  try {
    return await work();
  } catch (error) {
    const { message } = error as Error;
    if (error instanceof TarError) throw new ImageError(`${name} is no archive, or damaged: ${message}`);
    if (error instanceof ImageError && !message.startsWith(name)) throw new ImageError(`${name}: ${message}`);
    throw error;
  }
}

const summary = (image: Image): { name: string | null; id: string; digest: string } => ({
  name: image.name === null ? null : familiarName(image.name),
  id: image.id,
  digest: image.descriptor.digest,
});

const importCommand: ImageCommand = {
  words: '[OPTION…] TAR|- NAME[:TAG]',
  about: 'Makes an image of a root filesystem in a tar, which may be compressed.',
  options: {
    message: { type: 'string', short: 'm', value: 'MESSAGE', about: 'what history says of it' },
    platform: { type: 'string', value: 'OS/ARCH', about: 'what the image is for; this machine by itself' },
    zstd: { type: 'boolean', about: 'pack the layer by zstd in place of gzip' },
    ...maxUnpacked,
  },
  operands: [2, 2],
  run: (call) =>
    call.store('write', async (store) => {
      const [tar, text] = call.operands as [string, string];
      const request = {
        name: fullName(parseReference(text)),
        platform: platformOf(call),
        message: call.text('message') ?? '',
        created: creationTime(),
        packing: call.flag('zstd') ? ('zstd' as const) : ('gzip' as const),
        most: mostUnpacked(call),
      };
      if (request.name.includes('@')) throw new ImageError(`${text}: an image that is made has no digest yet`);
      const image = await reading(tar, () => importTar(store, input(tar), request, call.progress));
      call.answer(summary(image), `${image.id}\n`);
    }),
};

/** Now, or what reproducible builds say the time is. */
export function creationTime(): string {
  const epoch = process.env.SOURCE_DATE_EPOCH;
  return new Date(epoch !== undefined && /^\d+$/.test(epoch) ? Number(epoch) * 1000 : Date.now()).toISOString();
}

async function spooled(call: Call, path: string, incoming: Incoming): Promise<TarSpool> {
  const task = call.progress.task(
    'load',
    'reading',
    path === '-' ? null : (statSync(path, { throwIfNoEntry: false })?.size ?? null),
  );
  const spool = await TarSpool.of(counted(input(path), task), incoming);
  task.end('read');
  return spool;
}

const loadCommand: ImageCommand = {
  words: '[OPTION…] [FILE|DIR|-]',
  about:
    "Takes images out of an OCI layout (directory or tar) or an archive of docker's; standard input without a file.",
  options: {
    input: { type: 'string', short: 'i', value: 'FILE|DIR|-', about: 'the same as the operand' },
    name: { type: 'string', value: 'NAME[:TAG]', about: 'what a single image is called, whatever its archive says' },
    platform: { type: 'string', value: 'OS/ARCH', about: 'which image of an index; that of this machine by itself' },
    ...maxUnpacked,
  },
  operands: [0, 1],
  run: (call) =>
    call.store('write', async (store) => {
      const path = call.text('input') ?? call.operands[0] ?? '-';
      const incoming = new Incoming(store, call.progress, mostUnpacked(call));
      const isDirectory = path !== '-' && existsSync(path) && statSync(path).isDirectory();
      const spool = isDirectory ? new DirectorySpool(path) : await reading(path, () => spooled(call, path, incoming));
      const name = call.text('name');
      const request = { platform: platformOf(call), name: name === null ? null : fullName(parseReference(name)) };
      const images = await reading(path, () => load(incoming, spool, request));
      const text = images.map((image) => `loaded: ${image.name === null ? image.id : familiarName(image.name)}\n`);
      call.answer(images.map(summary), text.join(''));
    }),
};

/** What fails leaves nothing of what it `made`; a directory that was there stays, empty. */
async function saving(path: string, made: readonly string[], write: () => Promise<void>): Promise<void> {
  const wasThere = existsSync(path);
  try {
    await write();
  } catch (error) {
    for (const one of made) removeTree(one);
    if (wasThere && !existsSync(path)) mkdirSync(path);
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new ImageError(`-o ${path}: ${code === 'ENOSPC' ? 'no space left on the device' : (error as Error).message}`);
  }
}

/** A file appears under its name when it is whole; what is no plain file is written as it is. */
async function saveFile(archive: AsyncIterable<Uint8Array>, path: string): Promise<void> {
  const isSpecial = existsSync(path) && !lstatSync(path).isFile();
  const prepared = isSpecial ? path : join(dirname(path), `.${basename(path)}.${process.pid}`);
  await saving(path, isSpecial ? [] : [prepared], async () => {
    await pipeline(archive, createWriteStream(prepared));
    if (!isSpecial) renameSync(prepared, path);
  });
}

async function saveTo(call: Call, store: Store, images: readonly Image[], path: string): Promise<void> {
  const archive = (): AsyncIterable<Uint8Array> => saveArchive(store, images, call.progress);
  if (path === '-') {
    if (process.stdout.isTTY) throw new ImageError('an archive is not written to a terminal; use -o FILE or a pipe');
    await pipeline(archive(), process.stdout, { end: false });
    return;
  }
  const isDirectory = existsSync(path) && statSync(path).isDirectory();
  if (call.text('format') === 'dir' || path.endsWith('/') || isDirectory) {
    if (isDirectory && readdirSync(path).length > 0) {
      throw new ImageError(`-o ${path}: the directory is not empty; name a new one`);
    }
    await saving(path, [path], () => saveDirectory(store, images, path, call.progress));
  } else await saveFile(archive(), path);
}

const save: ImageCommand = {
  words: '[OPTION…] IMAGE…',
  about: 'Writes images as an OCI layout: a tar that docker reads as its own archive too, or a directory (DIR/).',
  options: {
    output: { type: 'string', short: 'o', value: 'FILE|DIR/|-', about: 'where to; standard output by itself' },
    format: { type: 'string', value: 'archive|dir', about: 'dir: a directory, without a slash at its end, too' },
  },
  operands: [1, ANY],
  run: (call) =>
    call.store('read', async (store) => {
      const format = call.text('format');
      if (format !== null && format !== 'archive' && format !== 'dir') {
        throw new ImageError(`--format ${format}: archive or dir is wanted`);
      }
      const output = call.text('output') ?? '-';
      if (output !== '-' && !existsSync(dirname(resolve(output)))) {
        throw new ImageError(`-o ${output}: there is no directory ${dirname(output)}; make it first`);
      }
      const images = call.operands.map((name) => findImage(store, name));
      await saveTo(call, store, images, output);
      if (output !== '-') call.answer({ output, images: images.map(summary) }, '');
    }),
};

export const commands: Readonly<Record<string, ImageCommand>> = { import: importCommand, load: loadCommand, save };
