// How figures are written, everywhere the same. Pure.

import type { Result, Results } from './document.js';

/** Three significant digits, no exponent. */
export function short(value: number): string {
  if (value >= 100) return Math.round(value).toString();
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

export function factor(value: number | undefined): string {
  return value === undefined ? '-' : `${short(value)}x`;
}

/** `12.3`, or `-` when there is none, or `failed`. */
export function medianText(result: Result | undefined): string {
  if (result === undefined) return '-';
  if (result.error !== undefined) return 'failed';
  return result.median === undefined ? '-' : short(result.median);
}

/** `12.3 (11.9–13.0)`. */
export function spreadText(result: Result | undefined): string {
  const median = medianText(result);
  const { min, max } = result ?? {};
  if (min === undefined || max === undefined || min === max) return median;
  return `${median} (${short(min)}–${short(max)})`;
}

/** An ISO date to the minute. */
export function dateText(date: string): string {
  return date.slice(0, 16).replace('T', ' ');
}

/** Columns padded to their widest cell; the first `left` are aligned to the left. */
export function align(lines: readonly (readonly string[])[], left = 2): string[] {
  const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines.map((line) =>
    line
      .map((text, column) => {
        const width = widths[column] ?? 0;
        return column < left ? text.padEnd(width) : text.padStart(width);
      })
      .join('  ')
      .trimEnd(),
  );
}

/** How often each case was measured; a run that was broken off has less than was asked for. */
function repetitions({ rows, setting }: Results): string {
  const cells = rows.flatMap((row) => Object.values(row.results));
  const made = cells.reduce((most, { samples }) => Math.max(most, samples.length), 0);
  const { repeat } = setting.options;
  return made === repeat ? `${repeat}` : `${made} of ${repeat}`;
}

/** A label and its value for everything a reader must know before the figures. */
export function settingLines(results: Results): [string, string][] {
  const { setting, competitors } = results;
  const { host, options } = setting;
  const versions = competitors.map(({ id, version }) => (version === undefined ? id : `${id}: ${version}`));
  return [
    ['date', dateText(setting.date)],
    ['machine', `${host.cpu}, ${host.cores} cores, ${Math.round(host.memory / 2 ** 30)} GiB`],
    ['kernel', host.kernel],
    ['Node', host.node],
    ['filesystem', host.filesystem],
    ['competitors', versions.join(' · ')],
    ['options', options.arguments.length === 0 ? 'none' : options.arguments.join(' ')],
    ['repetitions', `${repetitions(results)}, ${options.layers} lowers where a row does not say how many`],
    ['took', `${Math.round(setting.seconds)} s`],
  ];
}

/** What was not measured, and why; a line each. */
export function complaints(results: Results): string[] {
  const failed = results.rows.flatMap(({ name, results: cells }) =>
    Object.entries(cells)
      .filter(([, cell]) => cell.error !== undefined)
      .map(([id, cell]) => `failed: ${name} on ${id}: ${cell.error}`),
  );
  const skipped = Object.entries(results.skipped).map(([name, why]) => `not measured: ${name}: ${why}`);
  const leftOut = Object.entries(results.leftOut).map(([id, why]) => `left out: ${id}: ${why}`);
  return [...failed, ...skipped, ...leftOut];
}
