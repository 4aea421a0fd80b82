// Results as text for a terminal and as JSON for a file. Pure: takes figures, returns strings and values.

import type { Case } from './cases/case.js';
import type { Competitor } from './competitors.js';
import { type Cells, type Figure, figure, ratios } from './results.js';

export interface Outcome {
  readonly rows: readonly Case[];
  readonly competitors: readonly Competitor[];
  readonly leftOut: ReadonlyMap<string, string>;
  readonly cells: Cells;
}

/** Three significant digits, no exponent. */
function short(value: number): string {
  if (value >= 100) return Math.round(value).toString();
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

function spread({ median, min, max }: Figure): string {
  return min === max ? short(median) : `${short(median)} (${short(min)}–${short(max)})`;
}

function cellText(outcome: Outcome, row: Case, competitor: Competitor): string {
  const cell = outcome.cells.get(row.name)?.get(competitor.id);
  if (cell === undefined) return '-';
  if (cell.error !== undefined) return 'failed';
  const value = figure(cell);
  return value === undefined ? '-' : spread(value);
}

function factor(value: number | undefined): string {
  return value === undefined ? '-' : `${short(value)}x`;
}

function align(lines: readonly (readonly string[])[]): string[] {
  const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines.map((line) =>
    line
      .map((text, column) => (column < 2 ? text.padEnd(widths[column] ?? 0) : text.padStart(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}

function mediansTable(outcome: Outcome): string[] {
  const head = ['case', 'unit', ...outcome.competitors.map(({ id }) => id)];
  const body = outcome.rows.map((row) => [
    row.name,
    row.unit,
    ...outcome.competitors.map((competitor) => cellText(outcome, row, competitor)),
  ]);
  return align([head, ...body]);
}

function ratioLine(outcome: Outcome, row: Case, shown: readonly Competitor[]): string[] {
  const cells = outcome.cells.get(row.name) ?? new Map();
  const texts = shown.map((competitor) => {
    const { toKernel, toBestPeer } = ratios(row, competitor, outcome.competitors, cells);
    return `${factor(toKernel)} ${factor(toBestPeer).padStart(6)}`;
  });
  return [row.name, '', ...texts];
}

function ratioTable(outcome: Outcome): string[] {
  const shown = outcome.competitors.filter(({ role }) => role !== 'host' && role !== 'kernel');
  const head = ['case', '', ...shown.map(({ id }) => id)];
  return align([head, ...outcome.rows.map((row) => ratioLine(outcome, row, shown))]);
}

function failures(outcome: Outcome): string[] {
  return [...outcome.cells].flatMap(([name, cells]) =>
    [...cells]
      .filter(([, cell]) => cell.error !== undefined)
      .map(([id, cell]) => `failed: ${name} on ${id}: ${cell.error}`),
  );
}

/** The whole report for a terminal. */
export function text(outcome: Outcome): string {
  const leftOut = [...outcome.leftOut].map(([id, why]) => `left out: ${id}: ${why}`);
  return [
    'Medians (min–max); us/op, ms and MB: less is better; MB/s: more is better',
    '',
    ...mediansTable(outcome),
    '',
    'Cost against kernel overlayfs, then against the best other FUSE peer (fuse-overlayfs, unionfs); above 1x is worse',
    '',
    ...ratioTable(outcome),
    '',
    ...failures(outcome),
    ...leftOut,
    '',
  ].join('\n');
}

function jsonCell(outcome: Outcome, row: Case, competitor: Competitor): unknown {
  const cells = outcome.cells.get(row.name) ?? new Map();
  const cell = cells.get(competitor.id);
  if (cell === undefined) return null;
  return { ...cell, ...figure(cell), ...ratios(row, competitor, outcome.competitors, cells) };
}

/** The same as a value for JSON; `setting` says where and how it was measured. */
export function json(outcome: Outcome, setting: Readonly<Record<string, unknown>>): unknown {
  return {
    format: 1,
    ...setting,
    competitors: outcome.competitors.map(({ id, role, about }) => ({ id, role, about })),
    leftOut: Object.fromEntries(outcome.leftOut),
    cases: outcome.rows.map((row) => ({
      name: row.name,
      family: row.family,
      unit: row.unit,
      better: row.better,
      results: Object.fromEntries(outcome.competitors.map((one) => [one.id, jsonCell(outcome, row, one)])),
    })),
  };
}
