// The order of a run: repetitions outermost, then cases, then competitors in an order that turns by one each
// time, so that drift of the machine falls on everybody alike.

import type { Case } from './cases/case.js';
import type { Competitor } from './competitors.js';
import type { Cell, Cells } from './results.js';
import { applies, type Ground, sample } from './sample.js';

/** One sample to take. */
interface Step {
  readonly row: Case;
  readonly competitor: Competitor;
  readonly repetition: number;
}

function turned<T>(items: readonly T[], by: number): T[] {
  const start = items.length === 0 ? 0 : by % items.length;
  return [...items.slice(start), ...items.slice(0, start)];
}

function steps(rows: readonly Case[], competitors: readonly Competitor[], repeat: number): Step[] {
  return Array.from({ length: repeat }, (_, repetition) =>
    rows.flatMap((row, index) => {
      const able = competitors.filter((competitor) => applies(competitor, row));
      return turned(able, repetition + index).map((competitor) => ({ row, competitor, repetition }));
    }),
  ).flat();
}

function cellOf(cells: Cells, step: Step): Cell {
  const row = cells.get(step.row.name) ?? new Map<string, Cell>();
  cells.set(step.row.name, row);
  const cell = row.get(step.competitor.id) ?? { samples: [] };
  row.set(step.competitor.id, cell);
  return cell;
}

async function take(ground: Ground, step: Step, cell: Cell): Promise<void> {
  try {
    cell.samples.push(await sample(ground, step.competitor, step.row));
  } catch (error) {
    cell.error ??= error instanceof Error ? error.message : String(error);
  }
}

/** Takes every sample; `progress` is told before each one. */
export async function measure(
  ground: Ground,
  rows: readonly Case[],
  competitors: readonly Competitor[],
  repeat: number,
  progress: (text: string) => void,
): Promise<Cells> {
  const cells: Cells = new Map();
  const plan = steps(rows, competitors, repeat);
  const started = Date.now();
  for (const [index, step] of plan.entries()) {
    const seconds = Math.round((Date.now() - started) / 1000);
    const left = index === 0 ? '' : `, about ${Math.round((seconds / index) * (plan.length - index))} s left`;
    const round = `${step.repetition + 1}/${repeat}`;
    progress(
      `[${index + 1}/${plan.length}] round ${round}: ${step.row.name} on ${step.competitor.id} (${seconds} s${left})`,
    );
    await take(ground, step, cellOf(cells, step));
  }
  return cells;
}
