// Where results go: the files, the terminal, the published page. Takes the value of a run and measures nothing.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Options } from './options.js';
import { against } from './report/against.js';
import { loadCharts } from './report/charts.js';
import { parseResults, type Results } from './report/document.js';
import { html } from './report/html.js';
import { publish } from './report/publish.js';
import { text } from './report/text.js';

/** The JSON file's path; the page has the same name. In an installed package results are put where the user is. */
export function outputPath(options: Options, project: string, started: Date): string {
  const isCheckout = existsSync(join(project, 'benchmarks/README.md'));
  const standard = isCheckout ? join(project, 'benchmarks/results') : join(process.cwd(), 'stratafs-bench');
  const name = started.toISOString().slice(0, 19).replaceAll(':', '-');
  return join(options.output ?? standard, `${name}.json`);
}

export function readResults(file: string): Results {
  return parseResults(readFileSync(file, 'utf8'), file);
}

export function save(results: Results, file: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(results, null, 1)}\n`);
}

/** Everything that is made of results. `file` is absent when they come from a file. */
export async function tell(results: Results, options: Options, file: string | undefined): Promise<void> {
  const draw = await loadCharts();
  process.stdout.write(text(results));
  const target = file ?? (options.from as string);
  if (file !== undefined) save(results, file);
  const page = target.replace(/(?:\.json)?$/, '.html');
  writeFileSync(page, html(results, draw));
  process.stdout.write(`results: ${target}\npage:    ${page}\n`);
  if (draw === undefined) process.stdout.write('The page has no charts: the package echarts was not found.\n');
  if (options.publish !== undefined) {
    if (draw === undefined) throw new Error('--publish needs the package echarts');
    publish(results, draw, options.publish);
    process.stdout.write(`published: ${options.publish}\n`);
  }
  if (options.against !== undefined) process.stdout.write(`\n${against(readResults(options.against), results)}`);
}
