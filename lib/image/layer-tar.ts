// An upper as an OCI layer tar. The same upper gives the same bytes: members in the order of their paths' bytes, times of
// modification only, ids without names.

import { Buffer } from 'node:buffer';
import { fail } from '../errno.js';
import { log } from '../log.js';
import { check, checkData } from '../sys/check.js';
import { O_RDONLY, S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG } from '../sys/constants.js';
import { OwnedFd } from '../sys/fd.js';
import { shown } from '../sys/name.js';
import { type Stat, W } from '../sys/stat.js';
import type { Syscalls } from '../sys/syscalls.js';
import { openAtPlace, placeOf } from '../union/attributes.js';
import { FileNode, type Inode } from '../union/inode.js';
import { OPAQUE_FILE, WH } from '../union/marks.js';
import { dataPlace } from '../union/metacopy.js';
import { namesElsewhere } from './elsewhere.js';
import { extentsOf, piecesOf, wholeFile } from './file-data.js';
import type { TarEntry, TarType } from './tar/entry.js';
import { type Outgoing, writeTar } from './tar/writer.js';
import { closeView, type LayerSource, openView, type View } from './view.js';
import { type Step, walkUpper } from './walk.js';
import { xattrsOf } from './xattrs.js';

/** Files up to this size are read at once, bytes. */
const SMALL = 64 << 10;
/** Chunks handed out are this long, bytes, save for the last. */
const CHUNK = 1 << 20;

const types: ReadonlyMap<number, TarType> = new Map([
  [S_IFREG, 'file'],
  [S_IFDIR, 'directory'],
  [S_IFLNK, 'symlink'],
  [S_IFCHR, 'char'],
  [S_IFBLK, 'block'],
  [S_IFIFO, 'fifo'],
]);

/** A marker: it says something of what is beneath, and nothing of itself. */
function marker(path: string): Outgoing {
  return {
    entry: {
      path,
      type: 'file',
      ...{ mode: 0, uid: 0, gid: 0, size: 0, mtime: { seconds: 0, nanoseconds: 0 } },
      ...{ target: '', major: 0, minor: 0, xattrs: new Map(), extents: null },
    },
  };
}

function within(path: string, name: string): string {
  return path === '' ? name : `${path}/${name}`;
}

function whiteoutPath(path: string): string {
  const slash = path.lastIndexOf('/') + 1;
  return path.slice(0, slash) + WH + path.slice(slash);
}

/** Seconds of a 64-bit time that may lie before 1970. */
function signed(low: number, high: number): number {
  return (high | 0) * 0x1_0000_0000 + low;
}

function mtimeOf({ words }: Stat): TarEntry['mtime'] {
  return {
    seconds: signed(words[W.mtime] as number, words[W.mtime + 1] as number),
    nanoseconds: words[W.mtimeNsec] as number,
  };
}

export interface LayerTarOptions {
  /** All that the upper and its lowers show, as a layer that needs no other. */
  readonly squash?: boolean;
}

class LayerTar {
  readonly #view: View;
  readonly #squash: boolean;
  /** The first path of each file with several names, by its identity on the host. */
  readonly #named = new Map<string, string>();
  /** The file whose bytes are being handed out. */
  #file: OwnedFd | null = null;
  /** Small files are read into it, one after the other: what is handed out is copied before the next. */
  readonly #small = Buffer.allocUnsafeSlow(SMALL);

  constructor(view: View, squash: boolean) {
    // Without lowers of its own the walk goes through everything that is merged.
    this.#view = squash ? { ...view, lower: null } : view;
    this.#squash = squash;
  }

  /** For whoever does not take all of it. */
  close(): void {
    this.#file?.close();
  }

  *members(): Generator<Outgoing> {
    const elsewhere = namesElsewhere(this.#view);
    for (const step of walkUpper(this.#view, elsewhere)) {
      if (step.kind === 'failed') throw step.error;
      if (this.#squash && step.kind !== 'node') continue;
      if (step.kind === 'opaque') yield marker(within(step.path, OPAQUE_FILE));
      else if (step.kind === 'whiteout') yield marker(whiteoutPath(step.path));
      else yield* this.#node(step);
    }
  }

  *#node(step: Step & { kind: 'node' }): Generator<Outgoing> {
    const { path, node, stat, redirect } = step;
    if (redirect !== null && this.#view.lower === null && !this.#squash) {
      throw fail('EINVAL', `/${shown(path)} was renamed: its lowers are needed`);
    }
    const type = types.get(stat.mode & S_IFMT);
    if (type === undefined) {
      log.warn(`/${shown(path)}: a socket has no form in an archive: left out`);
      return;
    }
    const first = node instanceof FileNode ? this.#firstName(path, node) : null;
    if (first !== null) yield { entry: { ...this.#describe(path, node, stat, 'hardlink'), target: first } };
    else if (type === 'file') yield this.#regular(path, node as FileNode, stat);
    else yield { entry: this.#describe(path, node, stat, type) };
  }

  /** The path under which this file is in the archive already; null when this is the first. */
  #firstName(path: string, node: FileNode): string | null {
    const { merged } = this.#view;
    const place = placeOf(merged, node);
    check(merged.sys.statAt(place.fd, place.name, merged.scratch), `stat ${shown(path)}`);
    if (merged.scratch.nlink < 2) return null;
    const key = merged.scratch.identity();
    const first = this.#named.get(key) ?? null;
    if (first === null) this.#named.set(key, path);
    return first;
  }

  #describe(path: string, node: Inode, stat: Stat, type: TarType): TarEntry {
    const { merged, upper } = this.#view;
    const place = placeOf(merged, node);
    const isDevice = type === 'char' || type === 'block';
    const link = (): string => checkData(merged.sys.readlinkAt(place.fd, place.name), `read ${shown(path)}`);
    return {
      path: path === '' ? '.' : path,
      type,
      mode: stat.mode & 0o7777,
      uid: stat.uid,
      gid: stat.gid,
      size: 0,
      mtime: mtimeOf(stat),
      target: type === 'symlink' ? link() : '',
      major: isDevice ? (stat.rdev >>> 8) & 0xfff : 0,
      minor: isDevice ? (stat.rdev & 0xff) | ((stat.rdev >>> 12) & 0xfff00) : 0,
      xattrs: type === 'hardlink' ? new Map() : xattrsOf(merged, upper, node),
      extents: null,
    };
  }

  #regular(path: string, node: FileNode, stat: Stat): Outgoing {
    const { sys } = this.#view.merged;
    const { size, blocks } = stat;
    const entry = { ...this.#describe(path, node, stat, 'file'), size };
    if (size === 0) return { entry };
    const place = dataPlace(this.#view.merged, node);
    const fd = check(openAtPlace(this.#view.merged, place, O_RDONLY), `open ${shown(path)}`);
    const file = new OwnedFd(sys, fd);
    if (size <= SMALL) return { entry, data: once(wholeFile(sys, file, this.#small.subarray(0, size), shown(path))) };
    this.#file = file;
    const extents = extentsOf(sys, fd, size, blocks);
    const pieces = extents ?? [{ offset: 0, length: size }];
    return { entry: { ...entry, extents }, data: piecesOf(file, pieces, shown(path)) };
  }
}

async function* once(buffer: Buffer): AsyncGenerator<Buffer> {
  yield buffer;
}

/** The same bytes in fewer pieces, each of its own: what compresses and hashes them costs by the piece. */
async function* gathered(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let chunk = Buffer.allocUnsafeSlow(CHUNK);
  let filled = 0;
  for await (const piece of pieces) {
    for (let at = 0; at < piece.length; ) {
      const count = piece.copy(chunk, filled, at);
      at += count;
      filled += count;
      if (filled < CHUNK) continue;
      yield chunk;
      chunk = Buffer.allocUnsafeSlow(CHUNK);
      filled = 0;
    }
  }
  if (filled > 0) yield chunk.subarray(0, filled);
}

/** The OCI layer tar of `source`, in chunks. Throws ErrnoError and TarError; then what was handed out is no layer. */
export async function* layerTar(
  sys: Syscalls,
  source: LayerSource,
  { squash = false }: LayerTarOptions = {},
): AsyncGenerator<Buffer> {
  const view = await openView(sys, source);
  const layer = new LayerTar(view, squash);
  try {
    yield* gathered(writeTar(layer.members()));
  } finally {
    layer.close();
    closeView(view);
  }
}
