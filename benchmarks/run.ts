// The harness's entry: options in, table and JSON out. As root it first re-executes itself in a private mount
// namespace, so that no mount is ever seen outside; whatever ends the run, mounts and scratch files go.

import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Case, FULL, type Need, QUICK } from './cases/case.js';
import { cases } from './cases/index.js';
import { buildClient } from './client.js';
import { absence, type Competitor, competitors } from './competitors.js';
import { unmountAll } from './mounting.js';
import { type Options, parseOptions, USAGE } from './options.js';
import { killRunning, run } from './process.js';
import { json, type Outcome, text } from './report.js';
import { type Ground, trial } from './sample.js';
import { measure } from './schedule.js';
import { makeTrees } from './tree.js';

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));
const INSIDE = 'STRATAFS_BENCH_INSIDE';
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

function progress(line: string): void {
  const terminal = process.stderr.isTTY === true;
  process.stderr.write(terminal ? `\r\x1b[K${line}` : `${line}\n`);
}

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

function chosenCompetitors(options: Options): Competitor[] {
  const all = competitors(PROJECT, options.extra);
  const unknown = options.only.find((id) => all.every((competitor) => competitor.id !== id));
  if (unknown !== undefined)
    throw new Error(`--only: no competitor "${unknown}" (there is ${all.map(({ id }) => id).join(', ')})`);
  return options.only.length === 0 ? all : all.filter(({ id }) => options.only.includes(id));
}

function chosenCases(options: Options): Case[] {
  const chosen = cases.filter(({ name }) => options.cases.test(name));
  if (chosen.length === 0) throw new Error(`--case: no case matches ${options.cases.source}`);
  return chosen;
}

/** Tries every competitor once; the map says who is left out and why. */
async function whoMounts(ground: Ground, wanted: readonly Competitor[]): Promise<Map<string, string>> {
  const leftOut = new Map<string, string>();
  for (const competitor of wanted) {
    progress(`trying ${competitor.id}`);
    const why = absence(competitor) ?? (competitor.mount === undefined ? undefined : await trial(ground, competitor));
    if (why !== undefined) leftOut.set(competitor.id, why);
  }
  return leftOut;
}

async function versionOf(competitor: Competitor): Promise<string> {
  if (competitor.version === undefined || competitor.program === undefined) return '';
  const output = await run({ file: competitor.program, args: competitor.version }, 10_000).catch(() => '');
  return output.split('\n').find((line) => line.includes(competitor.id)) ?? '';
}

async function settingOf(
  options: Options,
  ground: Ground,
  able: readonly Competitor[],
): Promise<Record<string, unknown>> {
  const versions = await Promise.all(able.map(async (one) => [one.id, await versionOf(one)] as const));
  const filesystem = await run({ file: 'stat', args: ['-f', '-c', '%T', options.directory] }, 10_000);
  return {
    date: new Date().toISOString(),
    host: {
      kernel: release(),
      node: process.version,
      cpu: cpus()[0]?.model,
      cores: cpus().length,
      memory: totalmem(),
      filesystem: filesystem.trim(),
    },
    root: process.getuid?.() === 0,
    layers: options.layers,
    repeat: options.repeat,
    quick: options.quick,
    scale: ground.scale,
    versions: Object.fromEntries(versions.filter(([, version]) => version !== '')),
  };
}

async function compare(options: Options, scratch: string): Promise<void> {
  const rows = chosenCases(options);
  const wanted = chosenCompetitors(options);
  const scale = options.quick ? QUICK : FULL;
  progress('compiling the client');
  const client = await buildClient(PROJECT);
  progress(`making layers in ${scratch}`);
  const needs = new Set<Need>(rows.flatMap((row) => row.needs));
  const ground = { client, scale, trees: makeTrees(join(scratch, 'trees'), options.layers, scale, needs) };
  const leftOut = await whoMounts(ground, wanted);
  const able = wanted.filter(({ id }) => !leftOut.has(id));
  const cells = await measure(ground, rows, able, options.repeat, progress);
  if (process.stderr.isTTY) progress('');
  const outcome = { rows, competitors: able, leftOut, cells };
  publish(outcome, await settingOf(options, ground, able), options.json);
}

function publish(outcome: Outcome, setting: Record<string, unknown>, file: string | undefined): void {
  const stamp = String(setting.date).replace(/[:.]/g, '-');
  const target = file ?? join(PROJECT, 'benchmarks/results', `${stamp}.json`);
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, `${JSON.stringify(json(outcome, setting), null, 2)}\n`);
  process.stdout.write(text(outcome));
  process.stdout.write(`\nresults: ${target}\n`);
}

function listEverything(options: Options): void {
  const caseLines = cases.map((row) => `  ${row.family.padEnd(10)} ${row.name} [${row.unit}]`);
  const who = competitors(PROJECT, options.extra).map((one) => `  ${one.id.padEnd(14)} ${absence(one) ?? one.about}`);
  process.stdout.write(`cases\n${caseLines.join('\n')}\ncompetitors\n${who.join('\n')}\n`);
}

async function inScratch(options: Options): Promise<void> {
  const scratch = mkdtempSync(join(options.directory, 'stratafs-bench-'));
  const cleanUp = (): void => {
    killRunning();
    unmountAll();
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
    await compare(options, scratch);
  } finally {
    cleanUp();
  }
}

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) process.stdout.write(`${USAGE}\n`);
  else if (options.list) listEverything(options);
  else if (process.getuid?.() === 0 && process.env[INSIDE] === undefined) reexecute();
  else await inScratch(options);
}

main().catch((error: unknown) => {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
