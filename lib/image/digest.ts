// Digests of contents, and streams that are checked against one while they pass.

import { createHash } from 'node:crypto';
import { ImageError } from './error.js';

/** `sha256:` and 64 hexadecimal digits. */
export type Digest = `sha256:${string}`;

const form = /^sha256:[0-9a-f]{64}$/;

export function isDigest(text: string): text is Digest {
  return form.test(text);
}

export function parseDigest(text: unknown): Digest {
  if (typeof text === 'string' && isDigest(text)) return text;
  throw new ImageError(`'${String(text)}' is no digest: sha256 and 64 hexadecimal digits are wanted`);
}

export const hexOf = (digest: Digest): string => digest.slice('sha256:'.length);

export function digestOf(bytes: Uint8Array): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** Counts and hashes what it is shown. */
export class Meter {
  readonly #hash = createHash('sha256');
  bytes = 0;

  update(chunk: Uint8Array): void {
    this.#hash.update(chunk);
    this.bytes += chunk.length;
  }

  /** Once, at the end. */
  digest(): Digest {
    return `sha256:${this.#hash.digest('hex')}`;
  }
}

export async function* metered(stream: AsyncIterable<Uint8Array>, meter: Meter): AsyncGenerator<Uint8Array> {
  for await (const chunk of stream) {
    meter.update(chunk);
    yield chunk;
  }
}

/** What a stream has to turn out to be. */
export interface Expected {
  readonly digest: Digest;
  /** Unknown for what was compressed. */
  readonly size?: number;
}

/** `stream`, which fails at its end, or as soon as it is too long, when it is not what was expected. */
export async function* verified(
  stream: AsyncIterable<Uint8Array>,
  expected: Expected,
  what: string,
): AsyncGenerator<Uint8Array> {
  const meter = new Meter();
  const most = expected.size ?? Number.POSITIVE_INFINITY;
  for await (const chunk of stream) {
    meter.update(chunk);
    if (meter.bytes > most) throw new ImageError(`${what} is longer than the ${most} bytes that were announced`);
    yield chunk;
  }
  checkMeter(meter, expected, what);
}

export function checkMeter(meter: Meter, expected: Expected, what: string): void {
  if (expected.size !== undefined && meter.bytes !== expected.size) {
    throw new ImageError(`${what} has ${meter.bytes} bytes, not the ${expected.size} that were announced`);
  }
  const found = meter.digest();
  if (found !== expected.digest) throw new ImageError(`${what} is damaged: its digest is ${found}`);
}
