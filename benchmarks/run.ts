// The harness's entry. As root it first re-executes itself in a private mount namespace, so that no mount is ever
// seen outside; whatever ends the run, mounts and scratch files go.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { scaleFor } from './cases/case.js';
import { allCases } from './cases/index.js';
import { commandOf, compare } from './compare.js';
import { absence, competitors } from './competitors.js';
import { endServers, unmountAll } from './mounting.js';
import { type Options, parseOptions, USAGE } from './options.js';
import { readResults, tell } from './output.js';
import { killRunning } from './process.js';

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));
/** Names the scratch directory to the process inside of the namespace. */
const INSIDE = 'STRATAFS_BENCH_INSIDE';
/** Open as long as the outer process lives. */
const LIFE_FD = 3;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

function makeScratch(options: Options): string {
  return mkdtempSync(join(options.directory ?? tmpdir(), 'stratafs-bench-'));
}

function removeScratch(scratch: string): void {
  rmSync(scratch, { recursive: true, force: true, maxRetries: 3 });
}

/**
 * Runs this program again in its own mount namespace; signals are passed on, its exit code is ours. Each of the two
 * outlives the death of the other long enough to clear up: the mounts of the one inside are nowhere else.
 */
function reexecute(scratch: string): void {
  const words = [
    '--mount',
    '--propagation',
    'private',
    process.execPath,
    ...process.execArgv,
    ...process.argv.slice(1),
  ];
  const env = { ...process.env, [INSIDE]: scratch };
  const child = spawn('unshare', words, { stdio: ['inherit', 'inherit', 'inherit', 'pipe'], env });
  for (const signal of SIGNALS) process.on(signal, () => child.kill(signal));
  child.once('error', (error) => {
    process.stderr.write(`unshare: ${error.message}\n`);
    removeScratch(scratch);
    process.exit(1);
  });
  child.once('exit', (code) => {
    endServers(scratch);
    removeScratch(scratch);
    process.exit(code ?? 1);
  });
}

function listEverything(options: Options): void {
  const rows = allCases(scaleFor(options.quick, options.layers));
  const caseLines = rows.map((row) => {
    const marks = [row.quick === true ? 'quick' : '', row.once === true ? 'once' : ''].filter((mark) => mark !== '');
    return `  ${row.family.padEnd(10)} ${row.name} [${row.unit}] ${marks.join(', ')}`.trimEnd();
  });
  const who = competitors(commandOf(PROJECT), options.extra).map(
    (one) => `  ${one.id.padEnd(14)} ${absence(one) ?? one.about}`,
  );
  process.stdout.write(`cases\n${caseLines.join('\n')}\ncompetitors\n${who.join('\n')}\n`);
}

/** Calls `ended` when the outer process has gone without a word. */
function watchOuter(ended: () => void): void {
  const life = new Socket({ fd: LIFE_FD, readable: true, writable: false });
  life.on('close', ended).on('error', ended).resume().unref();
}

async function inScratch(options: Options, scratch: string): Promise<void> {
  const cleanUp = (): void => {
    killRunning();
    unmountAll(scratch);
    removeScratch(scratch);
  };
  const interrupted = (why: string): void => {
    process.stderr.write(`\n${why}: unmounting and removing ${scratch}\n`);
    cleanUp();
    process.exit(130);
  };
  // `on`, not `once`: a terminal's ^C comes twice (from it and from the outer process), and the second one
  // must not fall back to the default while the first one cleans up.
  for (const signal of SIGNALS) process.on(signal, () => interrupted(signal));
  if (process.env[INSIDE] !== undefined) watchOuter(() => interrupted('killed'));
  try {
    await compare(options, PROJECT, scratch);
  } finally {
    cleanUp();
  }
}

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) process.stdout.write(`${USAGE}\n`);
  else if (options.list) listEverything(options);
  else if (options.from !== undefined) await tell(readResults(options.from), options, undefined);
  else if (process.getuid?.() === 0 && process.env[INSIDE] === undefined) reexecute(makeScratch(options));
  else await inScratch(options, process.env[INSIDE] ?? makeScratch(options));
}

main().catch((error: unknown) => {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
