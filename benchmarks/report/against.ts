// What changed since an older run: the rows whose ranges no longer overlap. Pure.

import type { Result, Results } from './document.js';
import { align, factor, spreadText } from './format.js';
import { costRatio } from './statistics.js';

/** A single sample says nothing of the spread; it is taken to be this wide, either way. */
const ASSUMED_SPREAD = 0.2;

export interface Change {
  readonly row: string;
  readonly unit: string;
  readonly id: string;
  readonly before: Result;
  readonly now: Result;
  /** New cost over old cost: above 1 is worse. */
  readonly ratio: number;
}

interface Range {
  readonly min: number;
  readonly max: number;
}

function rangeOf(result: Result): Range | undefined {
  const { median, min, max, samples } = result;
  if (median === undefined || min === undefined || max === undefined) return undefined;
  if (samples.length > 1) return { min, max };
  return { min: median * (1 - ASSUMED_SPREAD), max: median * (1 + ASSUMED_SPREAD) };
}

function isApart(before: Result, now: Result): boolean {
  const [a, b] = [rangeOf(before), rangeOf(now)];
  return a !== undefined && b !== undefined && (a.max < b.min || b.max < a.min);
}

/** Worst first. */
export function changes(old: Results, fresh: Results): Change[] {
  const rows = new Map(old.rows.map((row) => [row.name, row]));
  const found = fresh.rows.flatMap((row) =>
    Object.entries(row.results).flatMap(([id, now]): Change[] => {
      const before = rows.get(row.name)?.results[id];
      if (before?.median === undefined || now.median === undefined || !isApart(before, now)) return [];
      const ratio = costRatio(row.better, now.median, before.median);
      return [{ row: row.name, unit: row.unit, id, before, now, ratio }];
    }),
  );
  return found.sort((a, b) => b.ratio - a.ratio);
}

/** Cells that failed in one run and not in the other. */
export function turned(old: Results, fresh: Results): string[] {
  const rows = new Map(old.rows.map((row) => [row.name, row]));
  return fresh.rows.flatMap((row) =>
    Object.entries(row.results).flatMap(([id, now]) => {
      const before = rows.get(row.name)?.results[id];
      if (before === undefined || (before.error === undefined) === (now.error === undefined)) return [];
      const what = now.error === undefined ? `works now (it failed: ${before.error})` : `fails now: ${now.error}`;
      return [`${row.name} on ${id} ${what}`];
    }),
  );
}

/** In what the two runs differ beside their figures. */
export function differences(old: Results, fresh: Results): string[] {
  const facts = ({ setting, competitors }: Results): Record<string, string> => ({
    cpu: `${setting.host.cpu} x ${setting.host.cores}`,
    kernel: setting.host.kernel,
    Node: setting.host.node,
    filesystem: setting.host.filesystem,
    quick: String(setting.options.quick),
    layers: String(setting.options.layers),
    ...Object.fromEntries(competitors.map(({ id, version }) => [`version of ${id}`, version ?? 'unknown'])),
  });
  const [before, now] = [facts(old), facts(fresh)];
  return Object.keys(now)
    .filter((name) => before[name] !== undefined && before[name] !== now[name])
    .map((name) => `${name}: ${before[name]} then, ${now[name]} now`);
}

/** The comparison for a terminal. */
export function against(old: Results, fresh: Results): string {
  const found = changes(old, fresh);
  const known = new Set(old.rows.map(({ name }) => name));
  const shared = fresh.rows.filter(({ name }) => known.has(name)).length;
  const table = align(
    [
      ['case', 'competitor', 'unit', old.setting.date.slice(0, 10), fresh.setting.date.slice(0, 10), 'cost'],
      ...found.map(({ row, id, unit, before, now, ratio }) => [
        row,
        id,
        unit,
        spreadText(before),
        spreadText(now),
        factor(ratio),
      ]),
    ],
    3,
  );
  const head = found.length === 0 ? ['No range left the one it had before.'] : table;
  return [
    `Rows whose ranges no longer overlap (${shared} rows in both runs; cost above 1x is worse; one sample counts as ±20 %)`,
    '',
    ...head,
    '',
    ...turned(old, fresh),
    ...differences(old, fresh).map((line) => `not alike: ${line}`),
    '',
  ].join('\n');
}
