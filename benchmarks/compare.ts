// One run: who takes part, which rows, the measurement, and the setting that is written down with it.

import { readFileSync, symlinkSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { type Case, scaleFor } from './cases/case.js';
import { allCases } from './cases/index.js';
import { buildClient } from './client.js';
import { absence, type Competitor, competitors } from './competitors.js';
import { Grounds } from './ground.js';
import type { Options } from './options.js';
import { outputPath, readResults, save, tell } from './output.js';
import { run } from './process.js';
import { warmOnly } from './recipes/trees.js';
import { type Outcome, type Results, resultsOf, type Setting } from './report/document.js';
import { applies, type Rig, trial } from './sample.js';
import { Measurement } from './schedule.js';
import { Stacks } from './stacks.js';

/** --quick by itself begins no sample after this; what is left to do then takes a few seconds. */
const QUICK_MS = 100_000;
const INODES = { quick: 500_000, full: 8_000_000 };

function progress(line: string): void {
  const terminal = process.stderr.isTTY === true;
  const width = process.stderr.columns ?? 80;
  process.stderr.write(terminal ? `\r\x1b[K${line.slice(0, width - 1)}` : `${line}\n`);
}

/** What package.json calls `stratafs`. */
export function commandOf(project: string): string {
  return join(project, 'lib/cli/launch.sh');
}

/** The command behaves by the name it is called by, so it gets the one it is installed with. */
function install(project: string, scratch: string): string {
  const program = join(scratch, 'stratafs');
  symlinkSync(commandOf(project), program);
  return program;
}

function chosenCompetitors(options: Options, program: string): Competitor[] {
  const all = competitors(program, options.extra);
  const unknown = options.only.find((id) => all.every((competitor) => competitor.id !== id));
  if (unknown !== undefined)
    throw new Error(`--only: no competitor "${unknown}" (there is ${all.map(({ id }) => id).join(', ')})`);
  return options.only.length === 0 ? all : all.filter(({ id }) => options.only.includes(id));
}

function isSelection(options: Options): boolean {
  return options.cases.source !== '(?:)' || options.families.length > 0;
}

/** --quick has its own selection; with --case or --family it only makes the chosen rows smaller. */
export function chosenCases(options: Options): Case[] {
  const named = isSelection(options);
  const chosen = allCases(scaleFor(options.quick, options.layers))
    .filter((row) => options.cases.test(row.name))
    .filter((row) => options.families.length === 0 || options.families.includes(row.family))
    .filter((row) => named || !options.quick || row.quick === true);
  if (chosen.length === 0) throw new Error('no case is both in --family and matched by --case; --list names them');
  return chosen;
}

/** The first row of each family, then the second of each: when time runs out, every family has something. */
export function inTurn(rows: readonly Case[]): Case[] {
  const seen = new Map<string, number>();
  const ranked = rows.map((row) => {
    const rank = seen.get(row.family) ?? 0;
    seen.set(row.family, rank + 1);
    return { row, rank };
  });
  return ranked.sort((a, b) => a.rank - b.rank).map(({ row }) => row);
}

/** Tries every competitor once; the map says who is left out and why. */
async function whoMounts(rig: Rig, wanted: readonly Competitor[]): Promise<Map<string, string>> {
  const leftOut = new Map<string, string>();
  const row: Case = { name: 'trial', family: 'start', unit: 'ms', recipe: warmOnly(2), run: async () => 0 };
  for (const competitor of wanted) {
    progress(`trying ${competitor.id}`);
    const why = absence(competitor) ?? (competitor.mount === undefined ? undefined : await trial(rig, competitor, row));
    if (why !== undefined) leftOut.set(competitor.id, why);
  }
  return leftOut;
}

async function said(file: string, args: readonly string[], cwd?: string): Promise<string> {
  return run({ file, args, ...(cwd === undefined ? {} : { cwd }) }, 10_000).catch(() => '');
}

async function ownVersion(project: string): Promise<string> {
  const { version } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')) as { version: string };
  const top = (await said('git', ['rev-parse', '--show-toplevel'], project)).trim();
  if (top === '' || join(top, '/') !== join(project, '/')) return version;
  return `${version} (${(await said('git', ['describe', '--always', '--dirty'], project)).trim()})`;
}

async function versionOf(competitor: Competitor, project: string): Promise<string | undefined> {
  if (competitor.role === 'host' || competitor.role === 'kernel') return release();
  if (competitor.version === undefined) return competitor.role === 'extra' ? undefined : ownVersion(project);
  const lines = (await said(competitor.program ?? '', competitor.version)).split('\n');
  const line = lines.find((text) => text.includes(competitor.id)) ?? lines[0] ?? '';
  return /\d+(?:\.\d+)+\S*/.exec(line)?.[0];
}

async function versionsOf(able: readonly Competitor[], project: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const one of able) {
    const version = await versionOf(one, project);
    if (version !== undefined) found.set(one.id, version);
  }
  return found;
}

async function settingOf(options: Options, grounds: Grounds, started: Date): Promise<Setting> {
  const place = await grounds.place();
  const kind = (await said('df', ['--output=fstype', place])).split('\n')[1]?.trim() ?? 'unknown';
  return {
    date: started.toISOString(),
    host: {
      kernel: release(),
      node: process.version,
      cpu: cpus()[0]?.model ?? 'unknown',
      cores: cpus().length,
      memory: totalmem(),
      filesystem: grounds.usesImage ? `${kind}, an image of its own` : kind,
    },
    root: process.getuid?.() === 0,
    options: { quick: options.quick, layers: options.layers, repeat: options.repeat, arguments: options.words },
    seconds: 0,
  };
}

/** Measures, writes the files, prints the report. */
export async function compare(options: Options, project: string, scratch: string): Promise<void> {
  const started = new Date();
  const clock = performance.now();
  const rows = chosenCases(options);
  const players = chosenCompetitors(options, install(project, scratch));
  const wanted = players.filter((one) => rows.some((row) => applies(one, row)));
  // A wrong name is found out before the hours of measuring, not after them.
  if (options.against !== undefined) readResults(options.against);
  progress('compiling the client');
  const client = await buildClient(project, scratch);
  const grounds = new Grounds(scratch, options.directory !== undefined, options.quick ? INODES.quick : INODES.full);
  const rig: Rig = { client, stacks: new Stacks(grounds, client) };
  const leftOut = await whoMounts(rig, wanted);
  const able = wanted.filter(({ id }) => !leftOut.has(id));
  const versions = await versionsOf(able, project);
  const setting = await settingOf(options, grounds, started);
  const file = outputPath(options, project, started);
  const results = (): Results => {
    const outcome: Outcome = { rows, competitors: able, versions, leftOut, ...found(measurement) };
    return resultsOf(outcome, { ...setting, seconds: (performance.now() - clock) / 1000 });
  };
  const measurement = new Measurement(rig, {
    rows: options.quick ? inTurn(rows) : rows,
    competitors: able,
    repeat: options.repeat,
    deadline: options.quick && !isSelection(options) ? clock + QUICK_MS : Number.POSITIVE_INFINITY,
    progress,
    afterRound: () => save(results(), file),
  });
  await measurement.run();
  if (process.stderr.isTTY) progress('');
  await tell(results(), options, file);
}

function found({ cells, skipped }: Measurement): Pick<Outcome, 'cells' | 'skipped'> {
  return { cells, skipped };
}
