// The native client: compiled with the host's C compiler for each run, and run with a time limit so that a hung server
// costs one cell and not the run.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Command, type Piped, run, startPiped } from './process.js';

const LIMIT_MS = 180_000;

export type ClientWord = string | number;

/** What one timed run reports. */
export interface Timing {
  readonly ops: number;
  readonly ns: number;
  /** Nanoseconds, of commands that look at single calls. */
  readonly p50?: number;
  readonly p99?: number;
  readonly max?: number;
}

/** Compiles the client into `directory`; returns the program's path. */
export async function buildClient(project: string, directory: string): Promise<string> {
  const place = join(project, 'benchmarks/client');
  const sources = readdirSync(place).filter((name) => name.endsWith('.c'));
  const program = join(directory, 'client');
  const compiler = process.env.CC ?? 'gcc';
  await run(
    { file: compiler, args: ['-O2', '-Wall', '-D_GNU_SOURCE', '-o', program, ...sources], cwd: place },
    LIMIT_MS,
  );
  return program;
}

function parsed(output: string, words: readonly ClientWord[]): Timing {
  const timing = JSON.parse(output) as Timing;
  if (!(timing.ops > 0 && timing.ns > 0)) throw new Error(`the client did nothing: ${words.join(' ')}`);
  return timing;
}

function commandOf(
  program: string,
  root: string,
  words: readonly ClientWord[],
  environment: Readonly<Record<string, string>>,
): Command {
  return { file: program, args: [root, ...words.map(String)], environment };
}

/** Runs one command of the client with `root` as its working directory. */
export async function runClient(
  program: string,
  root: string,
  words: readonly ClientWord[],
  environment: Readonly<Record<string, string>> = {},
): Promise<Timing> {
  return parsed(await run(commandOf(program, root, words, environment), LIMIT_MS), words);
}

/** Runs one that reports and then waits for its stdin to end. */
export async function holdClient(
  program: string,
  root: string,
  words: readonly ClientWord[],
): Promise<{ timing: Timing; release: () => Promise<void> }> {
  const piped: Piped = startPiped(commandOf(program, root, words, {}), LIMIT_MS);
  const timing = parsed(await piped.firstLine, words);
  return { timing, release: piped.end };
}
