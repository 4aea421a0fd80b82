// A registry in this process that can be told to misbehave: it serves one image, and takes what is pushed.

import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { DOCKER, OCI } from '../../lib/image/media.js';

export const digestOf = (data: Buffer): string => `sha256:${createHash('sha256').update(data).digest('hex')}`;

type Misbehaviour = (request: IncomingMessage, response: ServerResponse, body: Buffer) => boolean;

export class FakeRegistry {
  readonly blobs = new Map<string, Buffer>();
  /** By tag and by digest. */
  readonly manifests = new Map<string, { type: string; data: Buffer }>();
  /** `METHOD /path`, in order, with `[range]`. */
  readonly log: string[] = [];
  /** What was sent as Authorization, in order; '' for none. */
  readonly authorizations: string[] = [];
  /** Answers in the registry's place when it returns true. */
  misbehave: Misbehaviour = () => false;
  readonly #server: Server;
  readonly #uploads = new Map<string, Buffer>();

  private constructor() {
    this.#server = createServer((request, response) => {
      request.on('error', () => {});
      void this.#serve(request, response);
    });
  }

  static async start(): Promise<FakeRegistry> {
    const registry = new FakeRegistry();
    await new Promise<void>((resolve) => registry.#server.listen(0, '127.0.0.1', resolve));
    return registry;
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  blob(data: Buffer): { digest: string; size: number } {
    this.blobs.set(digestOf(data), data);
    return { digest: digestOf(data), size: data.length };
  }

  /** An image of these layer tars, under `tag`; gives its layers' digests. */
  image(tag: string, tars: readonly Buffer[], docker = false): { manifest: string; layers: string[] } {
    const type = docker ? DOCKER : OCI;
    const layers = tars.map((tar) => ({ mediaType: type.layerGzip, ...this.blob(gzipSync(tar)) }));
    const rootfs = { type: 'layers', diff_ids: tars.map(digestOf) };
    const config = Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs }));
    const json = {
      schemaVersion: 2,
      mediaType: type.manifest,
      config: { mediaType: type.config, ...this.blob(config) },
      layers,
    };
    const data = Buffer.from(JSON.stringify(json));
    this.#manifest(tag, type.manifest, data);
    return { manifest: digestOf(data), layers: layers.map(({ digest }) => digest) };
  }

  index(tag: string, manifests: readonly { digest: string; platform: object }[]): void {
    const entries = manifests.map(({ digest, platform }) => {
      const { type, data } = this.manifests.get(digest) as { type: string; data: Buffer };
      return { mediaType: type, digest, size: data.length, platform };
    });
    const json = { schemaVersion: 2, mediaType: OCI.index, manifests: entries };
    this.#manifest(tag, OCI.index, Buffer.from(JSON.stringify(json)));
  }

  #manifest(tag: string, type: string, data: Buffer): void {
    this.manifests.set(tag, { type, data });
    this.manifests.set(digestOf(data), { type, data });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = request;
    this.log.push(`${method} ${url}${headers.range === undefined ? '' : ` [${headers.range}]`}`);
    this.authorizations.push(headers.authorization ?? '');
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer);
    } catch {
      return;
    }
    const body = Buffer.concat(chunks);
    if (this.misbehave(request, response, body)) return;
    const path = new URL(url, 'http://x').pathname;
    const [, kind, which] = /\/(manifests|blobs)\/([^/]+)$/.exec(path) ?? [];
    if (path.includes('/uploads/')) this.#upload(request, response, body);
    else if (kind === 'manifests' && method === 'PUT') {
      this.#manifest(which as string, headers['content-type'] ?? '', body);
      response.writeHead(201).end();
    } else if (kind === 'manifests') this.#send(request, response, this.manifests.get(which as string));
    else if (kind === 'blobs') {
      const data = this.blobs.get(which as string);
      this.#send(request, response, data && { type: 'application/octet-stream', data });
    } else response.writeHead(path === '/v2/' ? 200 : 404).end();
  }

  #send(request: IncomingMessage, response: ServerResponse, found?: { type: string; data: Buffer }): void {
    if (found === undefined) {
      response.writeHead(404).end(JSON.stringify({ errors: [{ code: 'UNKNOWN', message: 'not\x1b[31m here' }] }));
      return;
    }
    const start = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const data = found.data.subarray(start);
    const headers = { 'content-type': found.type, 'content-length': data.length };
    const range = { 'content-range': `bytes ${start}-${found.data.length - 1}/${found.data.length}` };
    response.writeHead(start > 0 ? 206 : 200, start > 0 ? { ...headers, ...range } : headers);
    response.end(request.method === 'HEAD' ? undefined : data);
  }

  #upload(request: IncomingMessage, response: ServerResponse, body: Buffer): void {
    const url = new URL(request.url ?? '', 'http://x');
    const digest = url.searchParams.get('digest');
    if (request.method === 'POST') {
      const id = String(this.#uploads.size + 1);
      this.#uploads.set(id, Buffer.alloc(0));
      response.writeHead(202, { location: `${url.pathname}${id}?state=${id}` }).end();
      return;
    }
    const id = url.searchParams.get('state') ?? '';
    const data = Buffer.concat([this.#uploads.get(id) ?? Buffer.alloc(0), body]);
    this.#uploads.set(id, data);
    const state = { location: `${url.pathname}?state=${id}`, range: `0-${Math.max(0, data.length - 1)}` };
    if (request.method === 'GET') response.writeHead(204, state).end();
    else if (digest === null) response.writeHead(202, state).end();
    else if (digestOf(data) !== digest) response.writeHead(400).end();
    else {
      this.blobs.set(digest, data);
      response.writeHead(201).end();
    }
  }

  /** Of the upload that was begun last, `data` has arrived. */
  arrived(data: Buffer): void {
    this.#uploads.set(String(this.#uploads.size), data);
  }
}
