// Results as one page that needs nothing else: charts as inline SVG, no script, light and dark, wide and narrow.

import { type Family, families } from '../cases/case.js';
import { barChart, colorOf, type Draw, inline, lineChart, ratioChart } from './charts.js';
import type { Contestant, Results, Row } from './document.js';
import { familyTexts } from './families.js';
import { complaints, factor, settingLines, spreadText } from './format.js';

export function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

const STYLE = `
:root { color-scheme: light dark; --back: #fff; --text: #1c1f23; --soft: #5b626b; --line: #d9dde2; --card: #f6f7f9; }
@media (prefers-color-scheme: dark) {
  :root { --back: #14171a; --text: #e4e7eb; --soft: #9aa3ad; --line: #343a41; --card: #1c2024; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1280px; padding: 1rem; background: var(--back); color: var(--text);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: .5rem 0; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .25rem; }
h3 { font-size: .95rem; margin: 0 0 .35rem; }
h3 small, p.about, dd, .note { color: var(--soft); }
h3 small { font-weight: normal; }
p.about { margin: .25rem 0 1rem; max-width: 48rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: 1rem 0; font-size: .9rem; }
dt { font-weight: 600; }
dd { margin: 0; overflow-wrap: anywhere; }
nav a { display: inline-block; margin-right: 1rem; color: inherit; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 340px), 1fr)); gap: .75rem; }
.cards + .cards { margin-top: .75rem; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .75rem; min-width: 0; }
.wide { margin-bottom: .75rem; overflow-x: auto; }
.wide svg { min-width: 560px; }
svg { display: block; height: auto; color: var(--text); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: var(--back); }
details { margin: .75rem 0; }
summary { cursor: pointer; }
.dot { display: inline-block; width: .7em; height: .7em; border-radius: 50%; margin-right: .35em; }
ul { font-size: .85rem; overflow-wrap: anywhere; }
`;

function table(head: readonly string[], body: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[], tag: string): string =>
    `<tr>${cells.map((cell) => `<${tag}>${cell}</${tag}>`).join('')}</tr>`;
  const rows = body.map((cells) => line(cells.map(escaped), 'td')).join('\n');
  return `<div class="scroll"><table><thead>${line(head, 'th')}</thead><tbody>\n${rows}\n</tbody></table></div>`;
}

function heads(shown: readonly Contestant[], all: readonly Contestant[]): string[] {
  return shown.map(({ id }) => `<span class="dot" style="background:${colorOf(id, all)}"></span>${escaped(id)}`);
}

function tables(rows: readonly Row[], all: readonly Contestant[]): string {
  const medians = rows.map((row) => [row.name, row.unit, ...all.map(({ id }) => spreadText(row.results[id]))]);
  const others = all.filter(({ role }) => role !== 'host' && role !== 'kernel');
  const ratios = rows.map((row) => [
    row.name,
    ...others.map(({ id }) => {
      const { toKernel, toBestPeer } = row.results[id] ?? {};
      return `${factor(toKernel)} · ${factor(toBestPeer)}`;
    }),
  ]);
  return [
    '<details><summary>Figures: median (min–max)</summary>',
    table(['case', 'unit', ...heads(all, all)], medians),
    '</details>',
    '<details><summary>Cost against kernel overlayfs · the best other FUSE peer (above 1x is worse)</summary>',
    table(['case', ...heads(others, all)], ratios),
    '</details>',
  ].join('\n');
}

/** Rows by the line they belong to; lines of one point are no lines. */
export function linesOf(rows: readonly Row[]): Map<string, Row[]> {
  const lines = new Map<string, Row[]>();
  for (const row of rows) {
    if (row.axis !== undefined) lines.set(row.axis.line, [...(lines.get(row.axis.line) ?? []), row]);
  }
  return new Map([...lines].filter(([, members]) => members.length > 1));
}

function card(title: string, note: string, svg: string): string {
  return `<div class="card"><h3>${escaped(title)} <small>${escaped(note)}</small></h3>\n${inline(svg)}\n</div>`;
}

function isBetter(row: Row): string {
  return `${row.unit}, ${row.better === 'lower' ? 'less' : 'more'} is better`;
}

function charts(draw: Draw, rows: readonly Row[], all: readonly Contestant[]): string {
  const lines = linesOf(rows);
  const single = rows.filter((row) => row.axis === undefined || !lines.has(row.axis.line));
  const ratio = ratioChart(draw, single, all);
  const overview =
    ratio === undefined
      ? ''
      : `<div class="card wide"><h3>Cost against kernel overlayfs</h3>\n${inline(ratio)}\n</div>`;
  const bars = single.map((row) => card(row.name, isBetter(row), barChart(draw, row, all)));
  const grown = [...lines].map(([name, members]) => {
    const [first] = members as [Row];
    return card(name, isBetter(first), lineChart(draw, members, all));
  });
  const grids = [bars, grown].filter((cards) => cards.length > 0);
  return [overview, ...grids.map((cards) => `<div class="cards">\n${cards.join('\n')}\n</div>`)].join('\n');
}

function section(family: Family, results: Results, draw: Draw | undefined): string {
  const rows = results.rows.filter((row) => row.family === family);
  if (rows.length === 0) return '';
  const { title, about } = familyTexts[family];
  return [
    `<h2 id="${family}">${escaped(title)}</h2>`,
    `<p class="about">${escaped(about)}</p>`,
    draw === undefined ? '' : charts(draw, rows, results.competitors),
    tables(rows, results.competitors),
  ].join('\n');
}

/** The page. Without `draw` it has tables and says why there are no charts. */
export function html(results: Results, draw: Draw | undefined): string {
  const present = families.filter((family) => results.rows.some((row) => row.family === family));
  const facts = settingLines(results).map(([name, value]) => `<dt>${escaped(name)}</dt><dd>${escaped(value)}</dd>`);
  const notes = complaints(results).map((line) => `<li>${escaped(line)}</li>`);
  const noCharts = '<p class="note">There are no charts: the package echarts was not found.</p>';
  return [
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>stratafs bench, ${escaped(results.setting.date.slice(0, 10))}</title>`,
    `<style>${STYLE}</style></head><body>`,
    '<h1>Union filesystems side by side</h1>',
    '<p class="about">Every case ran in fresh mounts, competitors in turn. Bars are medians, whiskers the smallest and the largest sample. Where whiskers overlap, call neither faster.</p>',
    `<dl>${facts.join('\n')}</dl>`,
    `<nav>${present.map((family) => `<a href="#${family}">${escaped(familyTexts[family].title)}</a>`).join('\n')}</nav>`,
    draw === undefined ? noCharts : '',
    ...families.map((family) => section(family, results, draw)),
    notes.length === 0 ? '' : `<h2 id="missing">What is not here</h2><ul>${notes.join('\n')}</ul>`,
    '</body></html>',
    '',
  ].join('\n');
}
