// The order of a run: repetitions outermost, then cases, then competitors in an order that turns by one each
// time, so that drift of the machine falls on everybody alike.

import type { Case } from './cases/case.js';
import type { Competitor } from './competitors.js';
import type { Cell, Cells } from './report/statistics.js';
import { applies, obstacle, type Rig, sample } from './sample.js';

/** One sample to take. */
export interface Step {
  readonly row: Case;
  readonly competitor: Competitor;
  readonly repetition: number;
}

function turned<T>(items: readonly T[], by: number): T[] {
  const start = items.length === 0 ? 0 : by % items.length;
  return [...items.slice(start), ...items.slice(0, start)];
}

/** Every sample of a run, in its order. */
export function plan(rows: readonly Case[], competitors: readonly Competitor[], repeat: number): Step[] {
  return Array.from({ length: repeat }, (_, repetition) =>
    rows.flatMap((row, index) => {
      if (row.once === true && repetition > 0) return [];
      const able = competitors.filter((competitor) => applies(competitor, row));
      return turned(able, repetition + index).map((competitor) => ({ row, competitor, repetition }));
    }),
  ).flat();
}

export interface Course {
  readonly rows: readonly Case[];
  readonly competitors: readonly Competitor[];
  readonly repeat: number;
  /** performance.now() after which no sample is begun. */
  readonly deadline: number;
  progress(text: string): void;
  /** Called when a repetition of all rows is done. */
  afterRound(): void;
}

/** Measures, and keeps what it finds in `cells` and `skipped`, where it can be read at any time. */
export class Measurement {
  readonly cells: Cells = new Map();
  readonly skipped = new Map<string, string>();

  constructor(
    private readonly rig: Rig,
    private readonly course: Course,
  ) {}

  async run(): Promise<void> {
    const { rows, competitors, repeat } = this.course;
    const steps = plan(rows, competitors, repeat);
    const started = performance.now();
    let round = 0;
    for (const [index, step] of steps.entries()) {
      if (step.repetition > round) this.course.afterRound();
      round = step.repetition;
      this.tell(step, index, steps.length, started);
      if (await this.isPossible(step)) await this.take(step);
    }
  }

  private tell({ row, competitor, repetition }: Step, index: number, all: number, started: number): void {
    const seconds = Math.round((performance.now() - started) / 1000);
    const left = index === 0 ? '' : `, about ${Math.round((seconds / index) * (all - index))} s left`;
    const round = `${repetition + 1}/${this.course.repeat}`;
    this.course.progress(`[${index + 1}/${all}] round ${round}: ${row.name} on ${competitor.id} (${seconds} s${left})`);
  }

  /** A case that cannot be set up is skipped as a whole; one that time ran out for is, too. */
  private async isPossible({ row }: Step): Promise<boolean> {
    if (this.skipped.has(row.name)) return false;
    if (performance.now() > this.course.deadline) this.skipped.set(row.name, 'no time was left');
    else {
      const why = await obstacle(this.rig, row);
      if (why !== undefined) this.skipped.set(row.name, why);
    }
    return !this.skipped.has(row.name);
  }

  private cellOf({ row, competitor }: Step): Cell {
    const cells = this.cells.get(row.name) ?? new Map<string, Cell>();
    this.cells.set(row.name, cells);
    const cell = cells.get(competitor.id) ?? { samples: [] };
    cells.set(competitor.id, cell);
    return cell;
  }

  private async take(step: Step): Promise<void> {
    const cell = this.cellOf(step);
    // Who cannot do a case need not fail at it again.
    if (cell.error !== undefined) return;
    try {
      cell.samples.push(await sample(this.rig, step.competitor, step.row));
    } catch (error) {
      cell.error = error instanceof Error ? error.message : String(error);
    }
  }
}
