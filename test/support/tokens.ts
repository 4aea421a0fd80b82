// How strings cross the pipe to an agent: bytes as latin1 text, percent-encoded, `%` alone is empty.

const unsafe = /[^\x21-\x24\x26-\x7e]/g;

/** One argument of a call as a token. */
export function encode(value: string | number | Uint8Array): string {
  if (typeof value === 'number') return String(value);
  const bytes = typeof value === 'string' ? value : Buffer.from(value).toString('latin1');
  if (bytes === '') return '%';
  return bytes.replace(unsafe, (char) => `%${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/** A token of an answer as a byte string. */
export function decode(token: string | undefined): string {
  if (token === undefined || token === '%') return '';
  return token.replace(/%([0-9a-f]{2})/g, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
