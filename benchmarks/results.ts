// Figures: samples to median and spread, medians to ratios. Pure.

import type { Case } from './cases/case.js';
import type { Competitor } from './competitors.js';

export interface Cell {
  samples: number[];
  /** The first failure; a cell with one has no median even if other repetitions went through. */
  error?: string;
}

/** Cells by case name, then by competitor id; no cell where a case does not apply. */
export type Cells = Map<string, Map<string, Cell>>;

export interface Figure {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export function figure(cell: Cell | undefined): Figure | undefined {
  if (cell === undefined || cell.error !== undefined || cell.samples.length === 0) return undefined;
  const sorted = [...cell.samples].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] as number;
  const median = sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2;
  return { median, min: sorted[0] as number, max: sorted.at(-1) as number };
}

/** How many times the reference's cost: above 1 is worse, whatever the unit. */
function ratio(row: Case, own: Figure | undefined, reference: Figure | undefined): number | undefined {
  if (own === undefined || reference === undefined) return undefined;
  return row.better === 'lower' ? own.median / reference.median : reference.median / own.median;
}

export interface Ratios {
  readonly toKernel: number | undefined;
  readonly toBestPeer: number | undefined;
}

/** Ratios of one competitor on one row; a peer is compared with the other peers too. */
export function ratios(
  row: Case,
  own: Competitor,
  all: readonly Competitor[],
  cells: ReadonlyMap<string, Cell>,
): Ratios {
  const mine = figure(cells.get(own.id));
  const against = (role: Competitor['role']): number[] =>
    all
      .filter((other) => other.role === role && other.id !== own.id)
      .map((other) => ratio(row, mine, figure(cells.get(other.id))))
      .filter((value) => value !== undefined);
  const peers = against('peer');
  return { toKernel: against('kernel')[0], toBestPeer: peers.length === 0 ? undefined : Math.max(...peers) };
}
