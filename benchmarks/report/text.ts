// Results as text for a terminal. Pure.

import type { Contestant, Results, Row } from './document.js';
import { align, complaints, factor, spreadText } from './format.js';

function mediansTable({ competitors, rows }: Results): string[] {
  const head = ['case', 'unit', ...competitors.map(({ id }) => id)];
  const body = rows.map((row) => [row.name, row.unit, ...competitors.map(({ id }) => spreadText(row.results[id]))]);
  return align([head, ...body]);
}

function ratioLine(row: Row, shown: readonly Contestant[]): string[] {
  const texts = shown.map(({ id }) => {
    const { toKernel, toBestPeer } = row.results[id] ?? {};
    return `${factor(toKernel)} ${factor(toBestPeer).padStart(6)}`;
  });
  return [row.name, '', ...texts];
}

function ratioTable({ competitors, rows }: Results): string[] {
  const shown = competitors.filter(({ role }) => role !== 'host' && role !== 'kernel');
  const head = ['case', '', ...shown.map(({ id }) => id)];
  return align([head, ...rows.map((row) => ratioLine(row, shown))]);
}

/** The whole report for a terminal. */
export function text(results: Results): string {
  return [
    'Medians (min–max); us, ms, s and MB: less is better; MB/s and ops/s: more is better',
    '',
    ...mediansTable(results),
    '',
    'Cost against kernel overlayfs, then against the best other FUSE peer; above 1x is worse',
    '',
    ...ratioTable(results),
    '',
    ...complaints(results),
    '',
  ].join('\n');
}
