// What is made for readers: the text, the page, the published figures.

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { loadCharts } from '../../../benchmarks/report/charts.js';
import { parseResults } from '../../../benchmarks/report/document.js';
import { settingLines } from '../../../benchmarks/report/format.js';
import { html, linesOf } from '../../../benchmarks/report/html.js';
import { BEGIN, completed, END, figuresText, publish, replaceFigures } from '../../../benchmarks/report/publish.js';
import { text } from '../../../benchmarks/report/text.js';
import { freshDirectory } from '../../support/paths.js';
import { results, row } from './made.js';

const layers = (value: number) =>
  row(
    `stat, ${value} layers`,
    'us/op',
    { overlayfs: [value], stratafs: [2 * value] },
    {
      axis: { line: 'stat, by layers', of: 'layers', value },
    },
  );
const sample = results([
  row('stat & <more>', 'us/op', { host: [1], overlayfs: [2, 3, 4], 'fuse-overlayfs': 'EXDEV', stratafs: [5, 6, 7] }),
  layers(1),
  layers(10),
]);

t.test('the text has figures, ratios and what is not there', async (t) => {
  const lines = text(sample);
  t.match(lines, /stat & <more> +us\/op +1\.00 +3\.00 \(2\.00–4\.00\) +failed +6\.00 \(5\.00–7\.00\)/);
  t.match(lines, /stat & <more> +- +- +2\.00x/);
  t.match(lines, 'failed: stat & <more> on fuse-overlayfs: EXDEV');
  t.match(lines, 'not measured: npm ci: not installed: npm');
  t.match(lines, 'left out: unionfs: not installed: unionfs');
});

t.test('a run that was broken off says so', async (t) => {
  const repetitions = (rows: typeof sample.rows) => new Map(settingLines(results(rows))).get('repetitions');
  t.match(repetitions(sample.rows), /^3, /);
  t.match(repetitions([layers(1)]), /^1 of 3, /);
  t.match(repetitions([]), /^0 of 3, /);
});

t.test('rows of one line are drawn together, a line of one point is none', async (t) => {
  t.same(
    [...linesOf(sample.rows)].map(([name, rows]) => [name, rows.length]),
    [['stat, by layers', 2]],
  );
  t.same([...linesOf([layers(1)])], []);
});

t.test('the page needs nothing else and takes no name for markup', async (t) => {
  const page = html(sample, undefined);
  t.match(page, 'stat &amp; &lt;more&gt;');
  t.notMatch(page, '<more>');
  t.notMatch(page, /<script|<link|src=/);
  t.match(page, 'There are no charts');
  t.match(page, 'prefers-color-scheme: dark');
});

t.test('charts', async (t) => {
  t.equal(await loadCharts(['no-such-package']), undefined);
  const draw = await loadCharts();
  if (draw === undefined) throw new Error('the development package echarts is not installed');
  const page = html(sample, draw);
  t.equal(page.match(/<svg/g)?.length, 3, 'ratios, one bar chart, one line chart');
  t.match(page, 'fill="currentColor"');
  for (const words of ['6.00', '3.00', 'failed']) t.match(page, `>${words}<`, 'in a chart, all digits');
  t.notMatch(page, /<script|href="http|NaN|undefined/);

  const base = freshDirectory('publish');
  t.teardown(() => rmSync(base, { recursive: true }));
  const [readme, folder] = [join(base, 'README.md'), join(base, 'figures')];
  t.throws(() => publish(sample, draw, folder), { message: /there is no .*README\.md/ });
  writeFileSync(readme, `before\n${BEGIN}\nold\n${END}\nafter\n`);
  mkdirSync(folder);
  writeFileSync(join(folder, 'stale.svg'), '');
  publish(sample, draw, folder);
  t.same(readdirSync(folder).sort(), ['lookup-ratios.svg', 'lookup-stat-by-layers.svg', 'results.json']);
  const made = readFileSync(readme, 'utf8');
  t.match(made, /^before\n[\s\S]*!\[stat, by layers\]\(figures\/lookup-stat-by-layers\.svg\)[\s\S]*\nafter\n$/);
  t.notMatch(made, 'old');
  const kept = parseResults(readFileSync(join(folder, 'results.json'), 'utf8'), 'results.json');
  t.match(kept.rows[0]?.results, { stratafs: { median: 6, min: 5, max: 7 } });
});

t.test('what a run did not measure stays published, and says of which run it is', async (t) => {
  const of = (family: 'open' | 'lookup', value: number) =>
    row(`${family} ${value}`, 'us/op', { overlayfs: [1], stratafs: [value] }, { family });
  const first = results([of('open', 2), of('lookup', 3)]);
  const { setting } = first;
  const later = (rows: typeof first.rows, day: number, host = setting.host) =>
    results(rows, {
      setting: { ...setting, host, date: `2026-02-0${day}T00:00:00.000Z` },
      competitors: first.competitors.map((one) => ({ ...one, version: `day ${day}` })).slice(1),
    });
  const rowsOf = ({ rows }: typeof first) =>
    Object.fromEntries(rows.map(({ name, measured }) => [name, measured?.version ?? 'now']));
  const second = completed(later([of('lookup', 4)], 2), first);
  t.same(rowsOf(second), { 'lookup 4': 'now', 'open 2': '0.1.0' });
  t.same(
    second.competitors.map(({ id, version }) => [id, version]),
    [
      ['overlayfs', 'day 2'],
      ['fuse-overlayfs', 'day 2'],
      ['stratafs', 'day 2'],
      ['host', undefined],
    ],
  );
  const page = figuresText(second, new Map(), 'figures');
  t.match(page, /### Opening files.*\n\nMeasured 2026-01-02 03:04, with stratafs 0\.1\.0\.\n/);
  t.equal(page.match(/^Measured/gm)?.length, 1);
  t.same(rowsOf(completed(later([of('lookup', 5)], 3), second)), { 'lookup 5': 'now', 'open 2': '0.1.0' });
  t.same(rowsOf(completed(later([of('open', 5)], 3), second)), { 'open 5': 'now', 'lookup 4': 'day 2' });
  const other = { ...setting.host, kernel: '7.0' };
  t.throws(() => completed(later([of('open', 5)], 3, other), second), { message: /kernel was 6\.18 and is 7\.0/ });
  t.same(rowsOf(completed(later([of('open', 5), of('lookup', 5)], 3, other), second)), {
    'open 5': 'now',
    'lookup 5': 'now',
  });
});

t.test('a page without marks is left alone', async (t) => {
  t.throws(() => replaceFigures('text', 'x'), { message: /has no/ });
  t.throws(() => replaceFigures(`${END}${BEGIN}`, 'x'), { message: /has no/ });
});
