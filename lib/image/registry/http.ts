// One HTTP exchange: streams both ways, certificates always checked, redirects followed without handing secrets on.

import type { Buffer } from 'node:buffer';
import http, { type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import https from 'node:https';
import { Readable } from 'node:stream';
import { ImageError } from '../error.js';

const AGENT = 'stratafs';
const IDLE_MS = 60_000;
const MAX_REDIRECTS = 5;
const agents = {
  'http:': new http.Agent({ keepAlive: true, maxSockets: 8 }),
  'https:': new https.Agent({ keepAlive: true, maxSockets: 8 }),
};

export interface Exchange {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** A stream is opened anew for each attempt. */
  readonly body?: Buffer | (() => AsyncIterable<Uint8Array>);
  readonly signal?: AbortSignal;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Must be read or destroyed. */
  readonly body: IncomingMessage;
  readonly url: URL;
}

function sendOnce({ method, url, headers = {}, body, signal }: Exchange): Promise<Answer> {
  const { protocol } = url;
  if (protocol !== 'http:' && protocol !== 'https:') throw new ImageError(`${url.origin}: neither http nor https`);
  const options = {
    method,
    headers: { 'user-agent': AGENT, ...headers },
    agent: agents[protocol],
    ...(signal === undefined ? {} : { signal }),
  };
  return new Promise((resolve, reject) => {
    const request = (protocol === 'https:' ? https : http).request(url, options);
    const source = typeof body === 'function' ? Readable.from(body(), { objectMode: false }) : null;
    const timedOut = (): void => {
      request.destroy(
        Object.assign(new Error(`nothing from ${url.host} for ${IDLE_MS / 1000} s`), { code: 'ETIMEDOUT' }),
      );
    };
    request.setTimeout(IDLE_MS, timedOut);
    request.once('error', (error) => {
      source?.destroy();
      reject(error);
    });
    request.once('response', (message) => {
      // An answer before all was sent is a refusal: nobody reads the rest.
      source?.unpipe(request);
      source?.destroy();
      // Such a request was never ended, and its connection would keep the process until it is idle for too long.
      for (const over of ['end', 'close']) message.once(over, () => request.writableEnded || request.destroy());
      resolve({ status: message.statusCode ?? 0, headers: message.headers, body: message, url });
    });
    source?.once('error', (error) => request.destroy(error));
    if (source !== null) source.pipe(request);
    else request.end(body);
  });
}

/** The rest of an answer is of no interest; short ones are read, so that the connection can be used again. */
export function discard({ body }: Answer): void {
  const length = Number(body.headers['content-length'] ?? Number.POSITIVE_INFINITY);
  body.on('error', () => {});
  if (length < 1 << 16 || body.complete) body.resume();
  else body.destroy();
}

/** The body, which may not be longer than `most` bytes. */
export async function bodyOf({ body, url }: Answer, most: number): Promise<Buffer> {
  const { Buffer: Bytes } = await import('node:buffer');
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    if (length > most) throw new ImageError(`${url.host} sent more than ${most} bytes for ${url.pathname}`);
    chunks.push(chunk);
  }
  return Bytes.concat(chunks);
}

function redirected(exchange: Exchange, answer: Answer): Exchange | null {
  const { location } = answer.headers;
  const follows = exchange.method === 'GET' || exchange.method === 'HEAD';
  if (!follows || answer.status < 301 || answer.status > 308 || location === undefined) return null;
  const url = new URL(location, exchange.url);
  if (exchange.url.protocol === 'https:' && url.protocol !== 'https:') {
    throw new ImageError(`${exchange.url.host} leads from https to ${url.origin}, which is not followed`);
  }
  const headers = { ...exchange.headers };
  if (url.origin !== exchange.url.origin) delete headers.authorization;
  return { ...exchange, url, headers };
}

/** Sends `exchange`; the answer is the one at the end of all redirects. */
export async function send(exchange: Exchange): Promise<Answer> {
  let at = exchange;
  for (let count = 0; ; count += 1) {
    const answer = await sendOnce(at);
    const next = redirected(at, answer);
    if (next === null) return answer;
    discard(answer);
    if (count === MAX_REDIRECTS) throw new ImageError(`${exchange.url.host} leads on and on`);
    at = next;
  }
}
