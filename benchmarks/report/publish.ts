// The figures of benchmarks/README.md: charts as SVG files, the results as JSON for --against, and the part of the page between two
// marks. All of it is written at once, so that text and charts of a family cannot come from different runs. Families that a run did not
// measure stay as they were published, and say of which run they are.

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { families } from '../cases/case.js';
import { type Draw, lineChart, ratioChart } from './charts.js';
import { type Contestant, parseResults, type Results, type Row } from './document.js';
import { familyTexts } from './families.js';
import { complaints, dateText, factor, medianText, settingLines } from './format.js';
import { linesOf } from './html.js';

export const BEGIN = '<!-- figures: begin -->';
export const END = '<!-- figures: end -->';

const RECORD = 'results.json';

/** As a file an SVG has no page to take its text colour from. */
const STANDALONE = '<style>svg{color:#24292f}@media(prefers-color-scheme:dark){svg{color:#d0d7de}}</style>';

export interface Picture {
  readonly file: string;
  readonly title: string;
  readonly svg: string;
}

function fileName(text: string): string {
  const name = text.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
  return `${name.replace(/^-|-$/g, '')}.svg`;
}

function picture(name: string, title: string, svg: string): Picture {
  return { file: fileName(name), title, svg: svg.replace(/(<svg[^>]*>)/, `$1${STANDALONE}`) };
}

/** The charts of one family: ratios of its rows, and its lines. */
function picturesOf(draw: Draw, rows: readonly Row[], all: readonly Contestant[]): Picture[] {
  const lines = linesOf(rows);
  const single = rows.filter((row) => row.axis === undefined || !lines.has(row.axis.line));
  const family = rows[0]?.family ?? '';
  const ratio = ratioChart(draw, single, all);
  const ratios =
    ratio === undefined ? [] : [picture(`${family} ratios`, `${family}: cost against kernel overlayfs`, ratio)];
  const grown = [...lines].map(([name, members]) =>
    picture(`${family} ${name}`, name, lineChart(draw, members, all, name)),
  );
  return [...ratios, ...grown];
}

function markdownTable(rows: readonly Row[], all: readonly Contestant[]): string[] {
  const subject = all.find(({ role }) => role === 'subject');
  const head = ['row', 'unit', ...all.map(({ id }) => id), 'to kernel', 'to best peer'];
  const body = rows.map((row) => {
    const { toKernel, toBestPeer } = row.results[subject?.id ?? ''] ?? {};
    return [
      row.name,
      row.unit,
      ...all.map(({ id }) => medianText(row.results[id])),
      factor(toKernel),
      factor(toBestPeer),
    ];
  });
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, column) => (column < 2 ? '---' : '--:'))), ...body.map(line)];
}

/** Where rows of an earlier run come from. */
function measuredText(rows: readonly Row[]): string[] {
  const measured = rows[0]?.measured;
  if (measured === undefined) return [];
  return ['', `Measured ${dateText(measured.date)}, with stratafs ${measured.version}.`];
}

/** The text between the marks. */
export function figuresText(
  results: Results,
  pictures: ReadonlyMap<string, readonly Picture[]>,
  folder: string,
): string {
  const setting = settingLines(results).map(([name, value]) => `- ${name}: ${value}`);
  const sections = families.flatMap((family) => {
    const rows = results.rows.filter((row) => row.family === family);
    if (rows.length === 0) return [];
    const images = (pictures.get(family) ?? []).map(({ title, file }) => `![${title}](${folder}/${file})`);
    const title = [`### ${familyTexts[family].title}`, ...measuredText(rows)];
    return ['', ...title, '', ...images, '', ...markdownTable(rows, results.competitors)];
  });
  const notes = complaints(results).map((line) => `- ${line}`);
  return [
    '',
    ...setting,
    '',
    'Medians; the last two columns are the cost of `stratafs` against kernel overlayfs and against the best other FUSE peer.',
    ...sections,
    ...(notes.length === 0 ? [] : ['', '### What is not here', '', ...notes]),
    '',
  ].join('\n');
}

/** The page with what stands between its marks replaced. */
export function replaceFigures(page: string, figures: string): string {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`the page has no ${BEGIN} before an ${END}`);
  return `${page.slice(0, begin + BEGIN.length)}\n${figures}\n${page.slice(end)}`;
}

/** A line for each row and four digits: the file is for --against, and for the eyes of whoever reads its changes. */
function compact(results: Results): string {
  const digits = (key: string, value: unknown): unknown => {
    if (typeof value !== 'number' || key === 'value' || key === 'memory') return value;
    return Number(value.toPrecision(4));
  };
  const lines = results.rows.map((row) => JSON.stringify(row, digits));
  const head = JSON.stringify({ ...results, rows: [] }, digits).slice(0, -3);
  return `${head}[\n${lines.join(',\n')}\n]}\n`;
}

/** `results`, and what `published` has of families that it has no row of. Both must be of one machine. */
export function completed(results: Results, published: Results): Results {
  const measured = new Set(results.rows.map(({ family }) => family));
  const version = published.competitors.find(({ role }) => role === 'subject')?.version ?? '';
  const earlier = { date: published.setting.date, version };
  const kept = published.rows
    .filter(({ family }) => !measured.has(family))
    .map((row): Row => ({ ...row, measured: row.measured ?? earlier }));
  for (const key of ['kernel', 'cpu', 'cores'] as const) {
    const [now, then] = [results.setting.host[key], published.setting.host[key]];
    if (kept.length === 0 || now === then) continue;
    throw new Error(`--publish: ${key} was ${then} and is ${now}: measure every family`);
  }
  const others = published.competitors.filter(({ id }) => !results.competitors.some((one) => one.id === id));
  return { ...results, competitors: [...results.competitors, ...others], rows: [...results.rows, ...kept] };
}

/** Writes everything below `directory` and into the README beside it; what an older run wrote there goes. */
export function publish(run: Results, draw: Draw, directory: string): void {
  const before = join(directory, RECORD);
  const results = existsSync(before) ? completed(run, parseResults(readFileSync(before, 'utf8'), before)) : run;
  const page = join(dirname(directory), 'README.md');
  if (!existsSync(page)) throw new Error(`--publish: there is no ${page}`);
  const old = readFileSync(page, 'utf8');
  const pictures = new Map(
    families.map((family) => {
      const rows = results.rows.filter((row) => row.family === family);
      return [family, picturesOf(draw, rows, results.competitors)];
    }),
  );
  const fresh = replaceFigures(old, figuresText(results, pictures, basename(directory)));
  mkdirSync(directory, { recursive: true });
  for (const name of readdirSync(directory)) if (/\.(?:svg|json)$/.test(name)) rmSync(join(directory, name));
  for (const { file, svg } of [...pictures.values()].flat()) writeFileSync(join(directory, file), `${svg}\n`);
  writeFileSync(before, compact(results));
  writeFileSync(page, fresh);
}
