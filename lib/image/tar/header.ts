// One 512-byte header: ustar, GNU and the old forms; numbers in octal or base 256. Pure.

import { Buffer } from 'node:buffer';
import { BLOCK, TarError } from './entry.js';

/** The fields as they stand in one header; extensions are not applied yet. */
export interface RawHeader {
  readonly name: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  readonly flag: string;
  readonly linkname: string;
  readonly major: number;
  readonly minor: number;
  readonly isGnu: boolean;
}

interface Field {
  readonly at: number;
  readonly length: number;
}

const field = {
  name: { at: 0, length: 100 },
  mode: { at: 100, length: 8 },
  uid: { at: 108, length: 8 },
  gid: { at: 116, length: 8 },
  size: { at: 124, length: 12 },
  mtime: { at: 136, length: 12 },
  checksum: { at: 148, length: 8 },
  flag: { at: 156, length: 1 },
  linkname: { at: 157, length: 100 },
  magic: { at: 257, length: 8 },
  uname: { at: 265, length: 32 },
  gname: { at: 297, length: 32 },
  major: { at: 329, length: 8 },
  minor: { at: 337, length: 8 },
  prefix: { at: 345, length: 155 },
} as const;

const USTAR = 'ustar\x0000';
const GNU = 'ustar  \0';
const SPACE = 0x20;

function bytes(block: Buffer, { at, length }: Field): Buffer {
  return block.subarray(at, at + length);
}

/** Text up to the first NUL. */
function text(block: Buffer, where: Field): string {
  const raw = bytes(block, where);
  const end = raw.indexOf(0);
  return raw.toString('latin1', 0, end < 0 ? raw.length : end);
}

/** A number as tar writes them: octal digits between spaces, or, with the top bit set, base 256 in two's complement. */
export function parseNumber(raw: Uint8Array): number {
  const first = raw[0] ?? 0;
  if ((first & 0x80) === 0) {
    const digits = Buffer.from(raw).toString('latin1').replace(/\0.*$/s, '').trim();
    if (!/^[0-7]*$/.test(digits)) throw new TarError(`'${digits}' is not an octal number`);
    return digits === '' ? 0 : Number.parseInt(digits, 8);
  }
  const negative = (first & 0x40) !== 0;
  let value = negative ? first - 0x100 : first & 0x7f;
  for (const byte of raw.subarray(1)) value = value * 0x100 + byte;
  if (!Number.isSafeInteger(value)) throw new TarError('a number beyond 2^53');
  return value;
}

/** Sum of all bytes, the checksum's own taken as spaces. */
function checksumOf(block: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < BLOCK; at += 1) {
    const own = at >= field.checksum.at && at < field.checksum.at + field.checksum.length;
    sum += own ? SPACE : (block[at] as number);
  }
  return sum;
}

/** Whether a block is all zeros: two of them end an archive. */
export function isZero(block: Uint8Array): boolean {
  return block.every((byte) => byte === 0);
}

export function parseHeader(block: Buffer): RawHeader {
  const checksum = parseNumber(bytes(block, field.checksum));
  if (checksum !== checksumOf(block)) throw new TarError('a header with a wrong checksum');
  const magic = block.toString('latin1', field.magic.at, field.magic.at + field.magic.length);
  const isUstar = magic.startsWith('ustar\0');
  const prefix = isUstar ? text(block, field.prefix) : '';
  const name = text(block, field.name);
  const number = (where: Field): number => parseNumber(bytes(block, where));
  const hasDevice = magic.startsWith('ustar');
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    mode: number(field.mode),
    uid: number(field.uid),
    gid: number(field.gid),
    size: number(field.size),
    mtime: number(field.mtime),
    flag: String.fromCharCode(block[field.flag.at] as number),
    linkname: text(block, field.linkname),
    major: hasDevice ? number(field.major) : 0,
    minor: hasDevice ? number(field.minor) : 0,
    isGnu: magic === GNU,
  };
}

/** Whether the number can stand in an octal field of `length` bytes, its NUL included. */
export function fitsOctal(value: number, length: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < 8 ** (length - 1);
}

export const NUMBER_LENGTHS = { id: field.uid.length, size: field.size.length, mtime: field.mtime.length } as const;
export const NAME_LENGTH = field.name.length;

/** `path` as name and prefix; null when it does not fit into them. */
export function splitName(path: string): { name: string; prefix: string } | null {
  if (path.length <= field.name.length) return { name: path, prefix: '' };
  // The last slash that leaves a name that fits and a prefix that does too.
  const earliest = path.length - field.name.length - 1;
  const slash = path.indexOf('/', Math.max(earliest, 1));
  if (slash < 0 || slash > field.prefix.length || slash === path.length - 1) return null;
  return { name: path.slice(slash + 1), prefix: path.slice(0, slash) };
}

/** What a header of ours holds; whatever does not fit is the caller's to put into an extension. */
export interface HeaderFields {
  readonly name: string;
  readonly prefix: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  readonly flag: string;
  readonly linkname: string;
  readonly major: number;
  readonly minor: number;
}

/** One ustar block. */
export function formatHeader(fields: HeaderFields): Buffer {
  const block = Buffer.alloc(BLOCK);
  const octal = (where: Field, value: number): void => {
    block.write(value.toString(8).padStart(where.length - 1, '0'), where.at, 'latin1');
  };
  block.write(fields.name, field.name.at, field.name.length, 'latin1');
  octal(field.mode, fields.mode);
  octal(field.uid, fields.uid);
  octal(field.gid, fields.gid);
  octal(field.size, fields.size);
  octal(field.mtime, fields.mtime);
  block.write(fields.flag, field.flag.at, 'latin1');
  block.write(fields.linkname, field.linkname.at, field.linkname.length, 'latin1');
  block.write(USTAR, field.magic.at, 'latin1');
  octal(field.major, fields.major);
  octal(field.minor, fields.minor);
  block.write(fields.prefix, field.prefix.at, field.prefix.length, 'latin1');
  block.write(`${checksumOf(block).toString(8).padStart(6, '0')}\0 `, field.checksum.at, 'latin1');
  return block;
}
