// Members as an archive: ustar, with PAX records for what does not fit into it. The same members give the same bytes.

import { Buffer } from 'node:buffer';
import { BLOCK, storedSize, type TarEntry, TarError, type TarType } from './entry.js';
import { fitsOctal, formatHeader, type HeaderFields, NAME_LENGTH, NUMBER_LENGTHS, splitName } from './header.js';
import { formatRecord, formatTime, XATTR } from './pax.js';
import { formatMap } from './sparse.js';

const flags: Readonly<Record<TarType, string>> = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  char: '3',
  block: '4',
  directory: '5',
  fifo: '6',
};

const PAX_NAME = 'PaxHeaders/';

function padded(data: Buffer): Buffer {
  return Buffer.concat([data, paddingOf(data.length)]);
}

function paddingOf(length: number): Buffer {
  return Buffer.alloc((BLOCK - (length % BLOCK)) % BLOCK);
}

/** A number as the header can hold it: what does not fit is a record, and 0 here. */
function fitting(value: number, length: number): number {
  return fitsOctal(value, length) ? value : 0;
}

/** The records that `entry` needs; sorted, so that equal entries give equal bytes. */
function recordsOf(entry: TarEntry, path: string, stored: number): Buffer[] {
  const records: [string, string][] = [];
  const { mtime, uid, gid, target, xattrs, extents } = entry;
  if (extents !== null) {
    records.push(
      ['GNU.sparse.major', '1'],
      ['GNU.sparse.minor', '0'],
      ['GNU.sparse.name', path],
      ['GNU.sparse.realsize', String(entry.size)],
    );
  } else if (splitName(path) === null) records.push(['path', path]);
  if (target.length > NAME_LENGTH) records.push(['linkpath', target]);
  if (!fitsOctal(stored, NUMBER_LENGTHS.size)) records.push(['size', String(stored)]);
  if (!fitsOctal(uid, NUMBER_LENGTHS.id)) records.push(['uid', String(uid)]);
  if (!fitsOctal(gid, NUMBER_LENGTHS.id)) records.push(['gid', String(gid)]);
  const whole = mtime.nanoseconds === 0 && fitsOctal(mtime.seconds, NUMBER_LENGTHS.mtime);
  if (!whole) records.push(['mtime', formatTime(mtime)]);
  for (const [name, value] of xattrs) records.push([XATTR + name, Buffer.from(value).toString('latin1')]);
  const order = (a: [string, string], b: [string, string]): number => (a[0] < b[0] ? -1 : 1);
  return records.sort(order).map(([key, value]) => formatRecord(key, value));
}

/** Headers and, for a sparse file, its map: all that stands before the stored bytes. */
export function formatEntry(entry: TarEntry): Buffer {
  const path = entry.type === 'directory' ? `${entry.path}/` : entry.path;
  const map = entry.extents === null ? Buffer.alloc(0) : formatMap(entry.extents, entry.size);
  const stored = storedSize(entry) + map.length;
  const records = recordsOf(entry, path, stored);
  const split = splitName(path) ?? { name: path.slice(0, NAME_LENGTH), prefix: '' };
  const fields: HeaderFields = {
    ...split,
    mode: entry.mode,
    uid: fitting(entry.uid, NUMBER_LENGTHS.id),
    gid: fitting(entry.gid, NUMBER_LENGTHS.id),
    size: fitting(stored, NUMBER_LENGTHS.size),
    mtime: Math.max(0, fitting(entry.mtime.seconds, NUMBER_LENGTHS.mtime)),
    flag: flags[entry.type],
    linkname: entry.target.slice(0, NAME_LENGTH),
    major: entry.major,
    minor: entry.minor,
  };
  return Buffer.concat([...extensionOf(path, records), formatHeader(fields), map]);
}

function extensionOf(path: string, records: readonly Buffer[]): Buffer[] {
  if (records.length === 0) return [];
  const data = Buffer.concat(records);
  const fields: HeaderFields = {
    name: `${PAX_NAME}${path.replace(/\/$/, '').replace(/^.*\//s, '')}`.slice(0, NAME_LENGTH),
    prefix: '',
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: data.length,
    mtime: 0,
    flag: 'x',
    linkname: '',
    major: 0,
    minor: 0,
  };
  return [formatHeader(fields), padded(data)];
}

/** What ends an archive. */
export const END = Buffer.alloc(2 * BLOCK);

/** A member to write: `data` gives exactly the bytes that its entry says are stored. */
export interface Outgoing {
  readonly entry: TarEntry;
  readonly data?: AsyncIterable<Uint8Array>;
}

/** `data`, checked against the length that was announced. */
async function* announced(data: AsyncIterable<Uint8Array>, stored: number, path: string): AsyncGenerator<Buffer> {
  let written = 0;
  for await (const chunk of data) {
    written += chunk.length;
    if (written > stored) break;
    yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  }
  if (written !== stored) throw new TarError(`${path}: its size changed while it was read`);
}

async function* empty(): AsyncGenerator<Uint8Array> {}

/** The archive of `members`, in chunks. Throws TarError when contents are not as long as their entry says. */
export async function* writeTar(members: AsyncIterable<Outgoing> | Iterable<Outgoing>): AsyncGenerator<Buffer> {
  for await (const { entry, data } of members) {
    yield formatEntry(entry);
    const stored = storedSize(entry);
    yield* announced(data ?? empty(), stored, entry.path);
    yield paddingOf(stored);
  }
  yield END;
}
