// PAX extended headers: records `LENGTH KEY=VALUE\n` of bytes. Pure.

import { Buffer } from 'node:buffer';
import { TarError, type TarTime } from './entry.js';

/** Extended attributes, as GNU tar, bsdtar and Go's writer put them. */
export const XATTR = 'SCHILY.xattr.';
/** bsdtar's second form: name in URL escapes, value in base64. */
export const LIBARCHIVE_XATTR = 'LIBARCHIVE.xattr.';

/** Keys are text, values bytes; one character a byte in both. A key may stand several times in sparse maps. */
export type Records = [key: string, value: string][];

export function parseRecords(data: Buffer): Records {
  const records: Records = [];
  let at = 0;
  while (at < data.length) {
    // Some writers pad with NULs.
    if (data[at] === 0) break;
    const space = data.indexOf(0x20, at);
    const length = space < 0 ? Number.NaN : Number(data.toString('latin1', at, space));
    const end = at + length;
    const equals = data.indexOf(0x3d, space);
    const whole = Number.isInteger(length) && length > 0 && end <= data.length && data[end - 1] === 0x0a;
    if (!whole || equals < 0 || equals >= end) throw new TarError('a damaged PAX record');
    records.push([data.toString('latin1', space + 1, equals), data.toString('latin1', equals + 1, end - 1)]);
    at = end;
  }
  return records;
}

export function formatRecord(key: string, value: string): Buffer {
  const rest = ` ${key}=${value}\n`;
  // The length counts its own digits.
  let length = rest.length + String(rest.length).length;
  if (String(length).length > String(rest.length).length) length = rest.length + String(length).length;
  return Buffer.from(`${length}${rest}`, 'latin1');
}

/** `1700000000.25` -> seconds and nanoseconds, rounded towards the past. */
export function parseTime(text: string): TarTime {
  const match = /^(-?)(\d+)(?:\.(\d*))?$/.exec(text);
  if (match === null) throw new TarError(`'${text}' is not a time`);
  const [, sign, whole, fraction = ''] = match;
  const nanoseconds = Number(fraction.slice(0, 9).padEnd(9, '0'));
  const seconds = Number(whole);
  if (sign === '') return { seconds, nanoseconds };
  return nanoseconds === 0
    ? { seconds: -seconds, nanoseconds }
    : { seconds: -seconds - 1, nanoseconds: 1e9 - nanoseconds };
}

export function formatTime({ seconds, nanoseconds }: TarTime): string {
  if (seconds >= 0 || nanoseconds === 0) return decimal('', seconds, nanoseconds);
  return decimal('-', -seconds - 1, 1e9 - nanoseconds);
}

function decimal(sign: string, seconds: number, nanoseconds: number): string {
  const fraction = nanoseconds === 0 ? '' : `.${String(nanoseconds).padStart(9, '0').replace(/0+$/, '')}`;
  return `${sign}${seconds}${fraction}`;
}
