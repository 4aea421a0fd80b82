// Results of runs that never happened, for tests of what is made from results.

import { type Axis, type Family, type Unit, units } from '../../../benchmarks/cases/case.js';
import type { Result, Results, Row } from '../../../benchmarks/report/document.js';
import { type Cell, figure, ratios } from '../../../benchmarks/report/statistics.js';

export const competitors = [
  { id: 'host', role: 'host', about: 'the floor' },
  { id: 'overlayfs', role: 'kernel', about: 'the kernel', version: '6.18' },
  { id: 'fuse-overlayfs', role: 'peer', about: 'a peer' },
  { id: 'stratafs', role: 'subject', about: 'the subject', version: '0.1.0' },
] as const;

type Samples = Readonly<Record<string, readonly number[] | string>>;

/** A row from samples by competitor; a text is a failure. */
export function row(name: string, unit: Unit, samples: Samples, more: { axis?: Axis; family?: Family } = {}): Row {
  const cells = new Map(
    Object.entries(samples).map(([id, value]): [string, Cell] => [
      id,
      typeof value === 'string' ? { samples: [], error: value } : { samples: [...value] },
    ]),
  );
  const better = units[unit];
  const results = [...cells].map(([id, cell]): [string, Result] => {
    const own = competitors.find((one) => one.id === id);
    if (own === undefined) throw new Error(`no competitor ${id}`);
    return [id, { ...cell, ...figure(cell), ...ratios(better, own, competitors, cells) }];
  });
  return { name, family: 'lookup', unit, better, ...more, results: Object.fromEntries(results) };
}

export function results(rows: readonly Row[], more: Partial<Results> = {}): Results {
  return {
    format: 2,
    setting: {
      date: '2026-01-02T03:04:05.000Z',
      host: { kernel: '6.18', node: 'v20', cpu: 'a cpu', cores: 2, memory: 2 ** 32, filesystem: 'ext4' },
      root: true,
      options: { quick: false, layers: 2, repeat: 3, arguments: ['--case', '<b>'] },
      seconds: 12,
    },
    competitors,
    leftOut: { unionfs: 'not installed: unionfs' },
    skipped: { 'npm ci': 'not installed: npm' },
    rows,
    ...more,
  };
}
