// The four ways in which archives write files with holes: GNU's old headers, and its PAX forms 0.0, 0.1
// and 1.0. Turns each into extents.

import { Buffer } from 'node:buffer';
import { BLOCK, type Extent, TarError } from './entry.js';
import { parseNumber } from './header.js';
import type { Records } from './pax.js';
import type { Source } from './source.js';

/** Extents in one archive member, at most: a map is a small part of its file. */
const MAX_EXTENTS = 1 << 20;
const OLD = { map: 386, entries: 4, extended: 482, realSize: 483, entry: 24, more: 21, moreExtended: 504 } as const;

export interface Sparse {
  readonly extents: readonly Extent[];
  readonly size: number;
}

function extentsOf(numbers: readonly number[]): Extent[] {
  if (numbers.length % 2 !== 0 || numbers.length > 2 * MAX_EXTENTS) throw new TarError('a damaged sparse map');
  const extents: Extent[] = [];
  for (let at = 0; at < numbers.length; at += 2) {
    extents.push({ offset: numbers[at] as number, length: numbers[at + 1] as number });
  }
  return extents.filter(({ length }) => length > 0);
}

/** Extents must lie one after the other within the file. */
export function checkExtents({ extents, size }: Sparse): void {
  let end = 0;
  for (const { offset, length } of extents) {
    const sane = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && length >= 0;
    if (!sane || offset < end || offset + length > size) throw new TarError('a sparse map beyond its file');
    end = offset + length;
  }
}

function oldEntries(block: Buffer, at: number, count: number): number[] {
  const numbers: number[] = [];
  for (let entry = 0; entry < count; entry += 1) {
    const from = at + entry * OLD.entry;
    if (block[from] === 0) break;
    numbers.push(parseNumber(block.subarray(from, from + 12)), parseNumber(block.subarray(from + 12, from + 24)));
  }
  return numbers;
}

/** GNU's old form: four pieces in the header, further ones in blocks behind it. */
export async function oldSparse(block: Buffer, source: Source): Promise<Sparse> {
  const numbers = oldEntries(block, OLD.map, OLD.entries);
  for (let more = block[OLD.extended] === 1; more; ) {
    const next = await source.exactly(BLOCK);
    if (next === null || numbers.length > 2 * MAX_EXTENTS) throw new TarError('a damaged sparse map');
    numbers.push(...oldEntries(next, 0, OLD.more));
    more = next[OLD.moreExtended] === 1;
  }
  const size = parseNumber(block.subarray(OLD.realSize, OLD.realSize + 12));
  return { extents: extentsOf(numbers), size };
}

/** What PAX records say of holes; `inData`: the map stands before the data. null: nothing. */
export function paxSparse(records: Records): (Sparse & { readonly inData: boolean }) | null {
  const values = new Map(records);
  const size = values.get('GNU.sparse.realsize') ?? values.get('GNU.sparse.size');
  if (size === undefined) return null;
  if (values.get('GNU.sparse.major') === '1') return { extents: [], size: Number(size), inData: true };
  const map = values.get('GNU.sparse.map');
  const numbers =
    map === undefined
      ? records
          .filter(([key]) => key === 'GNU.sparse.offset' || key === 'GNU.sparse.numbytes')
          .map(([, v]) => Number(v))
      : map.split(',').filter(Boolean).map(Number);
  return { extents: extentsOf(numbers), size: Number(size), inData: false };
}

/** The map of form 1.0: decimal lines before the data, padded to a block. Returns the extents and the bytes read. */
export async function mapInData(source: Source): Promise<{ extents: Extent[]; read: number }> {
  let [text, read] = ['', 0];
  let wanted = 1;
  for (;;) {
    const block = await source.exactly(BLOCK);
    if (block === null) throw new TarError('the archive ends too early');
    read += BLOCK;
    text += block.toString('latin1');
    const lines = text.split('\n');
    const count = Number(lines[0]);
    if (lines.length > 1) {
      if (!Number.isInteger(count) || count < 0 || count > MAX_EXTENTS) throw new TarError('a damaged sparse map');
      wanted = 1 + 2 * count;
    }
    if (lines.length <= wanted) continue;
    return { extents: extentsOf(lines.slice(1, wanted).map(Number)), read };
  }
}

/** The same map for writing, padded. A hole at the end needs an empty piece behind it: GNU tar takes the map's end for the file's. */
export function formatMap(extents: readonly Extent[], size: number): Buffer {
  const last = extents.at(-1);
  const ends = last !== undefined && last.offset + last.length === size;
  const pieces = ends ? extents : [...extents, { offset: size, length: 0 }];
  const text = [pieces.length, ...pieces.flatMap(({ offset, length }) => [offset, length])].join('\n');
  const map = Buffer.from(`${text}\n`, 'latin1');
  return Buffer.concat([map, Buffer.alloc((BLOCK - (map.length % BLOCK)) % BLOCK)]);
}
