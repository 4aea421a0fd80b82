// Files and trees on disk as the store handles them: written through to the device, removed whatever their names and
// modes, measured. Trees are never followed out of.

import { Buffer } from 'node:buffer';
import {
  accessSync,
  chmodSync,
  closeSync,
  fsyncSync,
  lstatSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { type Digest, isDigest } from './digest.js';

/** Makes the names in `directory` last. */
export function syncDirectory(directory: string): void {
  const fd = openSync(directory, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** `data` as a new file, on the device when it returns. */
export function writeDurably(path: string, data: Uint8Array | string): void {
  const fd = openSync(path, 'wx', 0o644);
  try {
    const bytes = Buffer.from(data as Uint8Array);
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** What `directory` holds under the hexadecimal digits of digests; nothing while there is no such directory. */
export function digestsIn(directory: string): Digest[] {
  try {
    return readdirSync(directory)
      .map((name) => `sha256:${name}`)
      .filter(isDigest);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** Puts a finished file in its place, for good. */
export function publishFile(from: string, to: string, directory: string): void {
  renameSync(from, to);
  syncDirectory(directory);
}

export async function writeChunk(file: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let at = 0; at < chunk.length; ) at += (await file.write(chunk, at)).bytesWritten;
}

/** Writes `stream` to a new file, on the device when it resolves. */
export async function writeStream(path: string, stream: AsyncIterable<Uint8Array>): Promise<void> {
  const file = await open(path, 'wx', 0o644);
  try {
    for await (const chunk of stream) await writeChunk(file, chunk);
    await file.datasync();
  } finally {
    await file.close();
  }
}

const SLASH = Buffer.from('/');
const within = (directory: Buffer, name: Buffer): Buffer => Buffer.concat([directory, SLASH, name]);
const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

function namesIn(directory: Buffer): Buffer[] {
  try {
    return readdirSync(directory, { encoding: 'buffer' });
  } catch (error) {
    if (codeOf(error) !== 'EACCES') throw error;
    chmodSync(directory, 0o700);
    return readdirSync(directory, { encoding: 'buffer' });
  }
}

function removeDirectory(directory: Buffer): void {
  const names = namesIn(directory);
  // Without write permission nothing in it can be unlinked, for anybody but root.
  if (names.length > 0 && process.geteuid?.() !== 0) chmodSync(directory, 0o700);
  for (const name of names) removeTree(within(directory, name));
  rmdirSync(directory);
}

/** Removes whatever is at `path`; nothing there is fine. */
export function removeTree(path: Buffer | string): void {
  const at = Buffer.from(path as string);
  try {
    if (lstatSync(at).isDirectory()) removeDirectory(at);
    else unlinkSync(at);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}

export interface Visit {
  /** Relative to the tree, one character a byte; '' for the tree itself. */
  readonly path: string;
  readonly stat: import('node:fs').BigIntStats;
}

/** access(2), for whoever asks before trying. */
export function mayAccess(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}

/** null when it has gone: trees that are in use can be looked at, too. */
function stillThere<T>(look: () => T): T | null {
  try {
    return look();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    throw error;
  }
}

/** Everything in the tree at `root`, parents first. */
export function* walkTree(root: string): Generator<Visit> {
  const pending: { path: string; at: Buffer }[] = [{ path: '', at: Buffer.from(root) }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { path, at } = next;
    const stat = stillThere(() => lstatSync(at, { bigint: true }));
    if (stat === null) continue;
    yield { path, stat };
    if (!stat.isDirectory()) continue;
    for (const name of stillThere(() => readdirSync(at, { encoding: 'buffer' })) ?? []) {
      const own = name.toString('latin1');
      pending.push({ path: path === '' ? own : `${path}/${own}`, at: within(at, name) });
    }
  }
}

/** Bytes that the tree takes on its device; hard links count once. */
export function diskUsage(root: string): number {
  const seen = new Set<bigint>();
  let blocks = 0n;
  for (const { stat } of walkTree(root)) {
    const linked = stat.nlink > 1n && !stat.isDirectory();
    if (linked && seen.has(stat.ino)) continue;
    if (linked) seen.add(stat.ino);
    blocks += stat.blocks;
  }
  return Number(blocks) * 512;
}
