// A blob from a registry into the store: into a file that a later attempt goes on with, also one by another process.

import { constants, fstatSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';
import { type Digest, hexOf, Meter } from '../digest.js';
import { ImageError } from '../error.js';
import { FileLock } from '../file-lock.js';
import type { Incoming } from '../incoming.js';
import type { Descriptor } from '../model.js';
import type { Task } from '../progress.js';
import type { Registry } from './client.js';
import { type Answer, discard } from './http.js';
import { isConnectionError, pause, waitAfter } from './retry.js';

export interface Download {
  readonly registry: Registry;
  readonly repository: string;
  readonly incoming: Incoming;
  readonly signal: AbortSignal;
}

/** A file that grows, and what it holds so far. */
class Growing {
  readonly file: FileHandle;
  meter = new Meter();

  constructor(file: FileHandle) {
    this.file = file;
  }

  /** Takes in what an earlier attempt left. */
  async recall(): Promise<void> {
    const buffer = Buffer.alloc(1 << 18);
    for (;;) {
      const { bytesRead } = await this.file.read(buffer, 0, buffer.length, this.meter.bytes);
      if (bytesRead === 0) return;
      this.meter.update(buffer.subarray(0, bytesRead));
    }
  }

  async restart(): Promise<void> {
    await this.file.truncate(0);
    this.meter = new Meter();
  }

  async append(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length; ) {
      at += (await this.file.write(chunk, at, chunk.length - at, this.meter.bytes + at)).bytesWritten;
    }
    this.meter.update(chunk);
  }
}

/** The lock on the blob's file; null when another process has finished the blob meanwhile. */
async function claim({ incoming }: Download, digest: Digest): Promise<FileLock | null> {
  const { store } = incoming;
  const path = store.partial(digest);
  const flags = constants.O_RDONLY | constants.O_CREAT;
  const onWait = (): void => incoming.reporter.line(`${hexOf(digest).slice(0, 12)}: another process is pulling it`);
  for (;;) {
    const lock = await FileLock.take(path, 'exclusive', { flags, onWait });
    if (store.blobs.has(digest)) {
      lock.release();
      return null;
    }
    // Whoever held it may have removed it: then the name is another file's, or nobody's.
    if (fstatSync(lock.fd).nlink > 0) return lock;
    lock.release();
  }
}

/** Asks for what is missing; the answer's body goes on where the file ends. */
async function askFor(download: Download, blob: Descriptor, growing: Growing): Promise<Answer> {
  const { registry, repository } = download;
  const from = growing.meter.bytes;
  const headers: Record<string, string> = from > 0 ? { range: `bytes=${from}-` } : {};
  const path = `/v2/${repository}/blobs/${blob.digest}`;
  const what = `pull blob ${hexOf(blob.digest).slice(0, 12)} of ${repository}`;
  const answer = await registry.expect(pullScope(repository), { method: 'GET', path, headers }, [200, 206, 416], what);
  const start = Number(/^bytes (\d+)-/.exec(answer.headers['content-range'] ?? '')?.[1] ?? -1);
  if (answer.status === 206 && start === from) return answer;
  await growing.restart();
  if (answer.status === 200) return answer;
  discard(answer);
  return askFor(download, blob, growing);
}

export const pullScope = (repository: string): string => `repository:${repository}:pull`;

async function receive(answer: Answer, growing: Growing, blob: Descriptor, task: Task): Promise<void> {
  for await (const chunk of answer.body as AsyncIterable<Uint8Array>) {
    if (growing.meter.bytes + chunk.length > blob.size) {
      await growing.restart();
      throw new ImageError(`blob ${blob.digest} is longer than the ${blob.size} bytes that were announced`);
    }
    await growing.append(chunk);
    task.at(growing.meter.bytes);
  }
}

/** Goes on until all bytes are there; attempts that bring nothing are counted. */
async function fill(download: Download, blob: Descriptor, growing: Growing, task: Task): Promise<void> {
  const { registry, signal, incoming } = download;
  for (let idle = 0; growing.meter.bytes < blob.size; ) {
    const before = growing.meter.bytes;
    let trouble = 'the connection ended early';
    const answer = await askFor(download, blob, growing);
    try {
      await receive(answer, growing, blob, task);
    } catch (error) {
      if (signal.aborted || !(isConnectionError(error) || isAborted(error))) throw error;
      trouble = (error as Error).message;
    }
    if (growing.meter.bytes >= blob.size) break;
    idle = growing.meter.bytes > before ? 1 : idle + 1;
    if (idle >= registry.patience.attempts)
      throw new ImageError(`blob ${blob.digest}: ${trouble}; pull again to go on`);
    incoming.reporter.line(`${hexOf(blob.digest).slice(0, 12)}: ${trouble}; going on at ${growing.meter.bytes} bytes`);
    await pause(waitAfter(idle - 1, registry.patience), signal);
  }
}

const isAborted = (error: unknown): boolean => /aborted|premature|terminated/i.test((error as Error).message);

/** What the file holds is the blob, or the file is empty again. */
async function judge(growing: Growing, blob: Descriptor): Promise<boolean> {
  if (growing.meter.digest() === blob.digest) return true;
  await growing.restart();
  return false;
}

async function complete(download: Download, blob: Descriptor, growing: Growing, task: Task): Promise<void> {
  await growing.recall();
  if (growing.meter.bytes > blob.size) await growing.restart();
  const resumed = growing.meter.bytes > 0;
  await fill(download, blob, growing, task);
  if (await judge(growing, blob)) return;
  // What an earlier attempt left may be what is wrong.
  if (resumed) {
    await fill(download, blob, growing, task);
    if (await judge(growing, blob)) return;
  }
  throw new ImageError(`${download.registry.host} sent other contents than ${blob.digest}; nothing of it was kept`);
}

/** Brings a blob, unless it is there. */
export async function downloadBlob(download: Download, blob: Descriptor): Promise<void> {
  const { incoming } = download;
  const task = incoming.reporter.task(hexOf(blob.digest).slice(0, 12), 'pulling', blob.size);
  const lock = incoming.has(blob.digest) ? null : await claim(download, blob.digest);
  if (lock === null) {
    task.end('already there');
    return;
  }
  incoming.holds(lock);
  const path = incoming.store.partial(blob.digest);
  const file = await open(path, constants.O_RDWR);
  try {
    await complete(download, blob, new Growing(file), task);
    await file.datasync();
  } finally {
    await file.close();
  }
  incoming.stage(path, blob.digest);
  task.end('pulled');
}
