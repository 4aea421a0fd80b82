// An archive as its members, one after the other: ustar, PAX, GNU's long names and sparse files. Bounded: headers
// that are too long are refused, contents are never held.

import { Buffer } from 'node:buffer';
import { BLOCK, storedSize, type TarEntry, TarError, type TarType } from './entry.js';
import { isZero, parseHeader, type RawHeader } from './header.js';
import { LIBARCHIVE_XATTR, parseRecords, parseTime, type Records, XATTR } from './pax.js';
import { Source } from './source.js';
import { checkExtents, mapInData, oldSparse, paxSparse, type Sparse } from './sparse.js';

/** Longest extension that is read, bytes; xattrs may be 64 KiB each. */
const MAX_EXTENSION = 16 << 20;
/** Largest piece of contents handed out, bytes. */
const PIECE = 1 << 20;

/** One member; `data` gives the stored bytes, of a sparse file those of its extents. What is not read is passed over. */
export interface Member {
  readonly entry: TarEntry;
  readonly data: AsyncIterable<Buffer>;
}

const types: Readonly<Record<string, TarType>> = {
  '0': 'file',
  '\0': 'file',
  '7': 'file',
  S: 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'char',
  '4': 'block',
  '5': 'directory',
  '6': 'fifo',
};

/** What the headers before a member say of it. */
interface Extensions {
  records: Records;
  longName: string | null;
  longLink: string | null;
}

const nothing = (): Extensions => ({ records: [], longName: null, longLink: null });

async function extension(source: Source, size: number): Promise<Buffer> {
  if (size > MAX_EXTENSION) throw new TarError(`a header of ${size} bytes`);
  const data = size === 0 ? Buffer.alloc(0) : await source.exactly(size);
  if (data === null) throw new TarError('the archive ends too early');
  await source.skip(padding(size));
  return data;
}

function padding(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

const untilNul = (data: Buffer): string => data.toString('latin1').replace(/\0.*$/s, '');

/** Reads one extension header; false when `raw` is none. */
async function extend(source: Source, raw: RawHeader, global: Records, own: Extensions): Promise<boolean> {
  switch (raw.flag) {
    case 'x':
    case 'X':
      own.records = parseRecords(await extension(source, raw.size));
      return true;
    case 'g':
      global.push(...parseRecords(await extension(source, raw.size)));
      return true;
    case 'L':
      own.longName = untilNul(await extension(source, raw.size));
      return true;
    case 'K':
      own.longLink = untilNul(await extension(source, raw.size));
      return true;
    // A volume's label or a dumped directory: no member.
    case 'V':
    case 'D':
      await source.skip(raw.size + padding(raw.size));
      return true;
    default:
      return false;
  }
}

function xattrsOf(records: Records): Map<string, Uint8Array> {
  const xattrs = new Map<string, Uint8Array>();
  for (const [key, value] of records) {
    if (key.startsWith(LIBARCHIVE_XATTR)) {
      const escaped = key.slice(LIBARCHIVE_XATTR.length);
      const name = escaped.replace(/%([0-9a-f]{2})/gi, (_all, hex: string) =>
        String.fromCharCode(Number.parseInt(hex, 16)),
      );
      if (!xattrs.has(name)) xattrs.set(name, Buffer.from(value, 'base64'));
    }
  }
  for (const [key, value] of records) {
    if (key.startsWith(XATTR)) xattrs.set(key.slice(XATTR.length), Buffer.from(value, 'latin1'));
  }
  return xattrs;
}

function numberOf(values: ReadonlyMap<string, string>, key: string, otherwise: number): number {
  const text = values.get(key);
  if (text === undefined) return otherwise;
  const number = Number(text);
  if (text === '' || !Number.isSafeInteger(number) || number < 0) throw new TarError(`PAX ${key}=${text}`);
  return number;
}

/** A path without the slash at its end. */
const trimmed = (path: string): string => (path.length > 1 ? path.replace(/\/+$/, '') || '/' : path);

interface Described {
  readonly entry: TarEntry;
  /** Bytes that follow in the archive, padding not counted. */
  readonly stored: number;
}

async function describe(
  source: Source,
  block: Buffer,
  raw: RawHeader,
  records: Records,
  own: Extensions,
): Promise<Described> {
  const values = new Map(records);
  const path = values.get('GNU.sparse.name') ?? values.get('path') ?? own.longName ?? raw.name;
  // The oldest archives tell a directory by its slash.
  const type = raw.flag in types ? (types[raw.flag] as TarType) : null;
  if (type === null) throw new TarError(`${path}: a member of unknown type '${raw.flag}'`);
  const isDirectory = type === 'directory' || (type === 'file' && path.endsWith('/'));
  const holds = type === 'file' && !isDirectory;
  let stored = numberOf(values, 'size', raw.size);
  let sparse: Sparse | null = null;
  if (holds && raw.flag === 'S') sparse = await oldSparse(block, source);
  const pax = holds ? paxSparse(records) : null;
  if (pax !== null) {
    sparse = pax;
    if (pax.inData) {
      const { extents, read } = await mapInData(source);
      sparse = { extents, size: pax.size };
      stored -= read;
    }
  }
  if (sparse !== null) checkExtents(sparse);
  const mtime = values.get('mtime');
  const entry: TarEntry = {
    path: trimmed(path),
    type: isDirectory ? 'directory' : type,
    mode: raw.mode & 0o7777,
    uid: numberOf(values, 'uid', raw.uid),
    gid: numberOf(values, 'gid', raw.gid),
    size: holds ? (sparse?.size ?? stored) : 0,
    mtime: mtime === undefined ? { seconds: raw.mtime, nanoseconds: 0 } : parseTime(mtime),
    target: type === 'hardlink' || type === 'symlink' ? (values.get('linkpath') ?? own.longLink ?? raw.linkname) : '',
    major: raw.major,
    minor: raw.minor,
    xattrs: xattrsOf(records),
    extents: sparse?.extents ?? null,
  };
  if (sparse !== null && storedSize(entry) !== stored) throw new TarError(`${path}: a sparse map that does not fit`);
  return { entry, stored };
}

/** The contents of the member at hand; the reader passes over what is left of them. */
class Contents {
  left: number;
  readonly #source: Source;

  constructor(source: Source, length: number) {
    this.#source = source;
    this.left = length;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    while (this.left > 0) {
      const piece = await this.#source.some(Math.min(this.left, PIECE));
      if (piece === null) throw new TarError('the archive ends too early');
      this.left -= piece.length;
      yield piece;
    }
  }
}

/** The members of the archive in `stream`. Throws TarError where it is damaged. */
export async function* readTar(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Member> {
  const source = new Source(stream);
  const global: Records = [];
  let own = nothing();
  try {
    for (;;) {
      const block = await source.exactly(BLOCK);
      if (block === null || isZero(block)) break;
      if (block.length < BLOCK) throw new TarError('the archive ends too early');
      const raw = parseHeader(block);
      if (await extend(source, raw, global, own)) continue;
      const { entry, stored } = await describe(source, block, raw, [...global, ...own.records], own);
      own = nothing();
      const contents = new Contents(source, stored);
      yield { entry, data: contents };
      await source.skip(contents.left + padding(stored));
    }
    // Whoever checks a digest wants the stream read to its end.
    while ((await source.some(PIECE)) !== null);
  } finally {
    await source.close();
  }
}
