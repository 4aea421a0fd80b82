// The native client: compiled with the host's C compiler at first use, kept by a hash of its source,
// and run with a time limit so that a hung server costs one cell and not the run.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './process.js';

const LIMIT_MS = 180_000;

/** What one timed run reports. */
export interface Timing {
  readonly ops: number;
  readonly ns: number;
}

/** Compiles the client unless this very source was compiled before; returns the program's path. */
export async function buildClient(project: string): Promise<string> {
  const source = join(project, 'benchmarks/client/client.c');
  const cache = join(project, 'benchmarks/.cache');
  const hash = createHash('sha256').update(readFileSync(source)).digest('hex').slice(0, 16);
  const program = join(cache, `client-${hash}`);
  if (existsSync(program)) return program;
  mkdirSync(cache, { recursive: true });
  const fresh = `${program}.${process.pid}`;
  await run({ file: process.env.CC ?? 'gcc', args: ['-O2', '-Wall', '-Wextra', '-o', fresh, source] }, LIMIT_MS);
  renameSync(fresh, program);
  return program;
}

/** Runs one command of the client with `root` as its working directory. */
export async function runClient(program: string, root: string, args: readonly string[]): Promise<Timing> {
  const output = await run({ file: program, args: [root, ...args] }, LIMIT_MS);
  const timing = JSON.parse(output) as Timing;
  if (!(timing.ops > 0 && timing.ns > 0)) throw new Error(`the client did nothing: ${args.join(' ')}`);
  return timing;
}
