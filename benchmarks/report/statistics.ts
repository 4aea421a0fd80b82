// Figures: samples to median and spread, medians to ratios. Pure.

import type { Role } from '../competitors.js';

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

export type Better = 'lower' | 'higher';

/** How many times the reference's cost: above 1 is worse, whatever the unit. */
export function costRatio(better: Better, own: number, reference: number): number {
  return better === 'lower' ? own / reference : reference / own;
}

interface Player {
  readonly id: string;
  readonly role: Role;
}

export interface Ratios {
  readonly toKernel?: number;
  readonly toBestPeer?: number;
}

/** Ratios of one competitor on one row; a peer is compared with the other peers too. */
export function ratios(better: Better, own: Player, all: readonly Player[], cells: ReadonlyMap<string, Cell>): Ratios {
  const mine = figure(cells.get(own.id));
  if (mine === undefined) return {};
  const against = (role: Role): number[] =>
    all
      .filter((other) => other.role === role && other.id !== own.id)
      .map((other) => figure(cells.get(other.id)))
      .filter((theirs) => theirs !== undefined)
      .map((theirs) => costRatio(better, mine.median, theirs.median));
  const [toKernel] = against('kernel');
  const peers = against('peer');
  return {
    ...(toKernel === undefined ? {} : { toKernel }),
    ...(peers.length === 0 ? {} : { toBestPeer: Math.max(...peers) }),
  };
}
