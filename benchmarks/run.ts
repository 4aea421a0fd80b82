// The harness's entry. As root it first re-executes itself in a private mount namespace, so that no mount is ever
// seen outside; whatever ends the run, mounts and scratch files go.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { scaleFor } from './cases/case.js';
import { allCases } from './cases/index.js';
import { commandOf, compare } from './compare.js';
import { absence, competitors } from './competitors.js';
import { unmountAll } from './mounting.js';
import { type Options, parseOptions, USAGE } from './options.js';
import { readResults, tell } from './output.js';
import { killRunning } from './process.js';

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));
const INSIDE = 'STRATAFS_BENCH_INSIDE';
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Runs this program again in its own mount namespace; signals are passed on, its exit code is ours. */
function reexecute(): void {
  const again = [
    '--mount',
    '--propagation',
    'private',
    process.execPath,
    ...process.execArgv,
    ...process.argv.slice(1),
  ];
  const child = spawn('unshare', again, { stdio: 'inherit', env: { ...process.env, [INSIDE]: '1' } });
  for (const signal of SIGNALS) process.on(signal, () => child.kill(signal));
  child.once('error', (error) => {
    process.stderr.write(`unshare: ${error.message}\n`);
    process.exit(1);
  });
  child.once('exit', (code) => process.exit(code ?? 1));
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

async function inScratch(options: Options): Promise<void> {
  const scratch = mkdtempSync(join(options.directory ?? tmpdir(), 'stratafs-bench-'));
  const cleanUp = (): void => {
    killRunning();
    unmountAll(scratch);
    rmSync(scratch, { recursive: true, force: true, maxRetries: 3 });
  };
  for (const signal of SIGNALS) {
    // `on`, not `once`: a terminal's ^C comes twice (from it and from the outer process), and the second one
    // must not fall back to the default while the first one cleans up.
    process.on(signal, () => {
      process.stderr.write(`\n${signal}: unmounting and removing ${scratch}\n`);
      cleanUp();
      process.exit(130);
    });
  }
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
  else if (process.getuid?.() === 0 && process.env[INSIDE] === undefined) reexecute();
  else await inScratch(options);
}

main().catch((error: unknown) => {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
