// An image out of the store into a registry: what is there already is not sent, what another repository of the same
// registry has is mounted from there.

import { type Digest, hexOf, verified } from '../digest.js';
import { ImageError } from '../error.js';
import { type Image, listImages } from '../images.js';
import type { Descriptor } from '../model.js';
import { counted, type Reporter, type Task } from '../progress.js';
import { familiarName, fullName, parseReference, type Reference } from '../reference.js';
import type { Store } from '../store.js';
import { Registry, type RegistryOptions, Unreachable } from './client.js';
import { type Answer, discard } from './http.js';
import { inParallel, TRANSFERS } from './parallel.js';
import { isPassingStatus, pause, waitAfter } from './retry.js';

export interface PushRequest {
  readonly image: Image;
  /** Where it goes. */
  readonly reference: Reference;
  readonly options: Omit<RegistryOptions, 'reporter' | 'signal'>;
}

class Push {
  readonly #store: Store;
  readonly #registry: Registry;
  readonly #repository: string;
  readonly #reporter: Reporter;
  /** Other repositories of the registry that should have a blob. */
  readonly #elsewhere: ReadonlyMap<Digest, string>;

  constructor(store: Store, registry: Registry, { repository, registry: host }: Reference, reporter: Reporter) {
    this.#store = store;
    this.#registry = registry;
    this.#repository = repository;
    this.#reporter = reporter;
    this.#elsewhere = repositoriesOf(store, host, repository);
  }

  get #scope(): string {
    return `repository:${this.#repository}:pull,push`;
  }

  async #isThere({ digest }: Descriptor): Promise<boolean> {
    const path = `/v2/${this.#repository}/blobs/${digest}`;
    const answer = await this.#registry.ask(this.#scope, { method: 'HEAD', path });
    discard(answer);
    return answer.status === 200;
  }

  /** Where an upload goes; null when the blob came from another repository. */
  async #begin({ digest }: Descriptor): Promise<URL | null> {
    const from = this.#elsewhere.get(digest);
    const query = from === undefined ? '' : `?${new URLSearchParams({ mount: digest, from })}`;
    const scope = from === undefined ? this.#scope : `${this.#scope} repository:${from}:pull`;
    const path = `/v2/${this.#repository}/blobs/uploads/${query}`;
    const ask = { method: 'POST', path, headers: { 'content-length': '0' } } as const;
    let answer = await this.#registry.ask(scope, ask);
    // Some refuse the mount of what they do not have, in place of taking an upload.
    if (from !== undefined && answer.status >= 400) {
      discard(answer);
      answer = await this.#registry.ask(this.#scope, { ...ask, path: `/v2/${this.#repository}/blobs/uploads/` });
    }
    if (answer.status === 201) {
      discard(answer);
      return null;
    }
    if (answer.status !== 202) throw await this.#registry.refusal(answer, `push to ${this.#repository}`);
    discard(answer);
    return this.#location(answer);
  }

  async #location(answer: Answer): Promise<URL> {
    const { location } = answer.headers;
    if (location === undefined) throw new ImageError(`${this.#registry.host} does not say where to upload`);
    return new URL(location, answer.url);
  }

  /** Sends bytes from `start` on. */
  async #patch(at: URL, { digest, size }: Descriptor, start: number, task: Task): Promise<Answer> {
    const blob = (): AsyncIterable<Uint8Array> => {
      const bytes = this.#store.blobs.read(digest, start);
      const whole = start === 0 ? verified(bytes, { digest, size }, `blob ${digest}`) : bytes;
      return counted(whole, task, start);
    };
    const headers: Record<string, string> = {
      'content-type': 'application/octet-stream',
      'content-length': String(size - start),
      ...(start > 0 ? { 'content-range': `${start}-${size - 1}` } : {}),
    };
    return this.#registry.ask(this.#scope, { method: 'PATCH', path: at, headers, body: blob }, false);
  }

  /** How much of an upload has arrived, and where it goes on; null when it must begin anew. */
  async #status(at: URL): Promise<{ at: URL; start: number } | null> {
    const answer = await this.#registry.ask(this.#scope, { method: 'GET', path: at });
    discard(answer);
    const end = /^(?:bytes=)?0-(\d+)$/.exec(answer.headers.range ?? '')?.[1];
    if (answer.status !== 204 || end === undefined) return null;
    // 0-0 is what nothing looks like.
    return { at: await this.#location(answer), start: end === '0' ? 0 : Number(end) + 1 };
  }

  /** One attempt to send the rest; null when it was broken off. */
  async #attempt(at: URL, blob: Descriptor, start: number, task: Task): Promise<URL | null> {
    try {
      const answer = await this.#patch(at, blob, start, task);
      if (answer.status === 202 || answer.status === 201 || answer.status === 204) {
        discard(answer);
        return this.#location(answer);
      }
      if (!isPassingStatus(answer.status)) throw await this.#registry.refusal(answer, `push to ${this.#repository}`);
      discard(answer);
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
    }
    return null;
  }

  async #upload(first: URL, blob: Descriptor, task: Task): Promise<void> {
    const { patience } = this.#registry;
    let at: URL | null = first;
    let start = 0;
    for (let attempt = 0; ; attempt += 1) {
      const sent: URL | null = at === null ? null : await this.#attempt(at, blob, start, task);
      if (sent !== null) return this.#finish(sent, blob);
      if (attempt === patience.attempts - 1) throw new ImageError(`blob ${blob.digest}: the upload was broken off`);
      this.#reporter.line(`${hexOf(blob.digest).slice(0, 12)}: the upload was broken off; going on`);
      await pause(waitAfter(attempt, patience));
      const status: { at: URL; start: number } | null = at === null ? null : await this.#status(at);
      at = status?.at ?? (await this.#begin(blob));
      start = status?.start ?? 0;
      if (at === null) return;
    }
  }

  async #finish(at: URL, { digest }: Descriptor): Promise<void> {
    const url = new URL(at);
    url.searchParams.set('digest', digest);
    const ask = { method: 'PUT', path: url, headers: { 'content-length': '0' } } as const;
    discard(await this.#registry.expect(this.#scope, ask, [201, 204], `push blob ${digest}`));
  }

  async blob(blob: Descriptor): Promise<void> {
    const task = this.#reporter.task(hexOf(blob.digest).slice(0, 12), 'pushing', blob.size);
    if (await this.#isThere(blob)) return task.end('already there');
    const at = await this.#begin(blob);
    if (at === null) return task.end(`mounted from ${this.#elsewhere.get(blob.digest)}`);
    await this.#upload(at, blob, task);
    task.end('pushed');
  }

  async manifest({ descriptor }: Image, reference: Reference): Promise<void> {
    const { digest, mediaType } = descriptor;
    const body = this.#store.blobs.bytes(digest, 'the manifest');
    const path = `/v2/${this.#repository}/manifests/${reference.tag ?? digest}`;
    const headers = { 'content-type': mediaType, 'content-length': String(body.length) };
    const what = `push ${familiarName(fullName(reference))}`;
    const answer = await this.#registry.expect(this.#scope, { method: 'PUT', path, headers, body }, [200, 201], what);
    discard(answer);
    const told = answer.headers['docker-content-digest'];
    if (told !== undefined && told !== digest) throw new ImageError(`${this.#registry.host} made ${told} of ${digest}`);
  }
}

/** By the names that the store has for this registry. */
function repositoriesOf(store: Store, host: string, own: string): Map<Digest, string> {
  const found = new Map<Digest, string>();
  for (const { name, manifest } of listImages(store)) {
    if (name === null) continue;
    const { registry, repository } = parseReference(name);
    if (registry !== host || repository === own) continue;
    for (const { digest } of [manifest.config, ...manifest.layers]) found.set(digest, repository);
  }
  return found;
}

export async function push(
  store: Store,
  { image, reference, options }: PushRequest,
  reporter: Reporter,
): Promise<void> {
  if (reference.digest !== null && reference.digest !== image.descriptor.digest) {
    throw new ImageError(`the image is ${image.descriptor.digest}, not ${reference.digest}`);
  }
  const stopping = new AbortController();
  const registry = new Registry(reference.registry, { ...options, reporter, signal: stopping.signal });
  const { config, layers } = image.manifest;
  const blobs = [...new Map([config, ...layers].map((blob) => [blob.digest, blob])).values()];
  const push = new Push(store, registry, reference, reporter);
  // Finds out once, before three ask at a time, how the registry is spoken to.
  await registry.url('/');
  await inParallel(
    blobs,
    TRANSFERS,
    (blob) => push.blob(blob),
    () => stopping.abort(),
  );
  await push.manifest(image, reference);
}
