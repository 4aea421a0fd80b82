// Byte strings as lines of text, as `ls -b` writes them: what cannot be printed is escaped, so that a line is a path.

import { Buffer } from 'node:buffer';

const short: Readonly<Record<string, string>> = {
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
};

/** Characters of UTF-8, and bytes that are none. */
const characters = /[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}|[\s\S]/g;

const octal = (bytes: string): string =>
  [...bytes].map((byte) => `\\${byte.charCodeAt(0).toString(8).padStart(3, '0')}`).join('');

function one(bytes: string): string {
  if (short[bytes] !== undefined) return short[bytes];
  const text = Buffer.from(bytes, 'latin1').toString('utf8');
  return text.includes('\ufffd') || /[\p{C}\u2028\u2029]/u.test(text) ? octal(bytes) : text;
}

/** `path`, one character a byte, as text. */
export function escaped(path: string): string {
  return path.replace(characters, one);
}
