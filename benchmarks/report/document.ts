// The results of one run as one value: what the JSON file holds, and all that the reports are made from. `format` goes up when a
// reader of older files would misread a newer one.

import { type Axis, type Case, type Family, type Unit, units } from '../cases/case.js';
import type { Competitor, Role } from '../competitors.js';
import { type Cell, type Cells, type Figure, figure, ratios } from './statistics.js';

export const FORMAT = 2;

export interface Contestant {
  readonly id: string;
  readonly role: Role;
  readonly about: string;
  readonly version?: string;
}

/** What the file keeps of one cell; figures are absent when it failed. */
export interface Result extends Partial<Figure> {
  readonly samples: readonly number[];
  readonly error?: string;
  readonly toKernel?: number;
  readonly toBestPeer?: number;
}

export interface Row {
  readonly name: string;
  readonly family: Family;
  readonly unit: Unit;
  readonly better: 'lower' | 'higher';
  readonly axis?: Axis;
  readonly filesystem?: string;
  /** Of the run that it comes from, where that is an earlier one: its date, ISO 8601, and the version of `stratafs` in it. */
  readonly measured?: { readonly date: string; readonly version: string };
  readonly results: Readonly<Record<string, Result>>;
}

export interface Setting {
  /** ISO 8601. */
  readonly date: string;
  readonly host: {
    readonly kernel: string;
    readonly node: string;
    readonly cpu: string;
    readonly cores: number;
    readonly memory: number;
    readonly filesystem: string;
  };
  readonly root: boolean;
  readonly options: {
    readonly quick: boolean;
    readonly layers: number;
    readonly repeat: number;
    readonly arguments: readonly string[];
  };
  /** How long it took. */
  readonly seconds: number;
}

export interface Results {
  readonly format: typeof FORMAT;
  readonly setting: Setting;
  readonly competitors: readonly Contestant[];
  /** Competitors that take no part, and why. */
  readonly leftOut: Readonly<Record<string, string>>;
  /** Rows that were not measured, and why. */
  readonly skipped: Readonly<Record<string, string>>;
  readonly rows: readonly Row[];
}

/** What a run found out. */
export interface Outcome {
  readonly rows: readonly Case[];
  readonly competitors: readonly Competitor[];
  readonly versions: ReadonlyMap<string, string>;
  readonly leftOut: ReadonlyMap<string, string>;
  readonly skipped: ReadonlyMap<string, string>;
  readonly cells: Cells;
}

function resultOf(row: Case, own: Competitor, outcome: Outcome, cell: Cell): Result {
  const cells = outcome.cells.get(row.name) ?? new Map<string, Cell>();
  return {
    samples: cell.samples,
    ...(cell.error === undefined ? {} : { error: cell.error }),
    ...figure(cell),
    ...ratios(units[row.unit], own, outcome.competitors, cells),
  };
}

function rowOf(row: Case, outcome: Outcome): Row {
  const cells = outcome.cells.get(row.name);
  const measured = outcome.competitors.flatMap((one): [string, Result][] => {
    const cell = cells?.get(one.id);
    return cell === undefined ? [] : [[one.id, resultOf(row, one, outcome, cell)]];
  });
  return {
    name: row.name,
    family: row.family,
    unit: row.unit,
    better: units[row.unit],
    ...(row.axis === undefined ? {} : { axis: row.axis }),
    ...(row.filesystem === undefined ? {} : { filesystem: row.filesystem }),
    results: Object.fromEntries(measured),
  };
}

/** Rows without any cell are left to `skipped`. */
export function resultsOf(outcome: Outcome, setting: Setting): Results {
  return {
    format: FORMAT,
    setting,
    competitors: outcome.competitors.map(({ id, role, about }) => {
      const version = outcome.versions.get(id);
      return { id, role, about, ...(version === undefined ? {} : { version }) };
    }),
    leftOut: Object.fromEntries(outcome.leftOut),
    skipped: Object.fromEntries(outcome.skipped),
    rows: outcome.rows.filter(({ name }) => (outcome.cells.get(name)?.size ?? 0) > 0).map((row) => rowOf(row, outcome)),
  };
}

/** The file's text to a value; throws a readable line when it is something else. */
export function parseResults(text: string, name: string): Results {
  const value = JSON.parse(text) as Partial<Results>;
  if (value.format !== FORMAT || !Array.isArray(value.rows)) {
    throw new Error(
      `${name}: format ${String(value.format)}, not ${FORMAT}: written by another version of this program`,
    );
  }
  return value as Results;
}
