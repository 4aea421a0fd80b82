// Images for tests: small tars, the command on a store of its own, and what is in a store.

import { Buffer } from 'node:buffer';
import { type ChildProcess, spawn } from 'node:child_process';
import type { TarEntry } from '../../lib/image/tar/entry.js';
import { type Outgoing, writeTar } from '../../lib/image/tar/writer.js';
import { mainScript } from './paths.js';

export function entry(path: string, more: Partial<TarEntry> = {}): TarEntry {
  return {
    path,
    type: 'file',
    mode: more.type === 'directory' ? 0o755 : 0o644,
    uid: process.geteuid?.() ?? 0,
    gid: process.getegid?.() ?? 0,
    size: 0,
    mtime: { seconds: 1_600_000_000, nanoseconds: 5 },
    target: '',
    major: 0,
    minor: 0,
    xattrs: new Map(),
    extents: null,
    ...more,
  };
}

export function file(path: string, contents: string | Buffer, more: Partial<TarEntry> = {}): Outgoing {
  const data = Buffer.from(contents as string);
  async function* contentsAgain(): AsyncGenerator<Uint8Array> {
    yield data;
  }
  return { entry: entry(path, { size: data.length, ...more }), data: { [Symbol.asyncIterator]: contentsAgain } };
}

/** A tar of these members, whole. */
export async function tarOf(members: readonly Outgoing[]): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const chunk of writeTar(members)) parts.push(Buffer.from(chunk));
  return Buffer.concat(parts);
}

export interface Answer {
  readonly code: number | null;
  readonly out: Buffer;
  readonly err: string;
}

/** The command on a store, still running. */
export function startOn(root: string, argv: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
  return spawn(process.execPath, [mainScript, ...argv], {
    env: { ...process.env, STRATAFS_ROOT: root, ...env },
    stdio: 'pipe',
  });
}

/** Runs anything to its end; `input` is its standard input. */
export function ended(child: ChildProcess, input: Buffer | string = ''): Promise<Answer> {
  const out: Buffer[] = [];
  let err = '';
  child.stdout?.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => {
    err += chunk.toString();
  });
  child.stdin?.on('error', () => {});
  child.stdin?.end(input);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, out: Buffer.concat(out), err }));
  });
}

export function onStore(root: string, env: NodeJS.ProcessEnv = {}) {
  return (argv: readonly string[], input: Buffer | string = ''): Promise<Answer> =>
    ended(startOn(root, argv, env), input);
}

/** Another program. */
export function program(argv: readonly string[], input: Buffer | string = ''): Promise<Answer> {
  return ended(spawn(argv[0] as string, argv.slice(1), { stdio: 'pipe' }), input);
}
