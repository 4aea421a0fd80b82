// Cuts a plan that fails down to operations that it still fails with, by running it again and again.

import type { Operation } from './operation.js';
import type { Plan } from './plan.js';

/** Whether this plan still shows the same failure. */
export type Fails = (plan: Plan) => Promise<boolean>;

const operationsOf = (plan: Plan, phase: number): readonly Operation[] => {
  const operations = plan.phases[phase]?.operations;
  return operations === undefined || typeof operations === 'number' ? [] : operations;
};

function withOperations(plan: Plan, phase: number, operations: readonly Operation[]): Plan {
  return { ...plan, phases: plan.phases.map((each, i) => (i === phase ? { ...each, operations } : each)) };
}

/** Takes operations away in ever smaller runs, from the last to the first. */
async function fewerOperations(plan: Plan, phase: number, fails: Fails): Promise<Plan> {
  let best = plan;
  const count = (): number => operationsOf(best, phase).length;
  for (let size = Math.ceil(count() / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let end = count(); end > 0; end -= size) {
      const operations = operationsOf(best, phase);
      const kept = [...operations.slice(0, Math.max(0, end - size)), ...operations.slice(end)];
      const candidate = withOperations(best, phase, kept);
      if (await fails(candidate)) best = candidate;
    }
  }
  return best;
}

async function fewerPhases(plan: Plan, fails: Fails): Promise<Plan> {
  let best = plan;
  for (let at = plan.phases.length - 1; at >= 0 && best.phases.length > 1; at -= 1) {
    const candidate = { ...best, phases: best.phases.filter((_phase, i) => i !== at) };
    if (await fails(candidate)) best = candidate;
  }
  return best;
}

/** The layers one top-level name at a time. */
async function fewerNames(plan: Plan, fails: Fails): Promise<Plan> {
  let best = plan;
  const names = new Set(plan.layers.flatMap((layer) => Object.keys(layer)));
  for (const name of names) {
    const layers = best.layers.map((layer) =>
      Object.fromEntries(Object.entries(layer).filter(([key]) => key !== name)),
    );
    if (await fails({ ...best, layers })) best = { ...best, layers };
  }
  return best;
}

/** The smallest plan found that still fails; `plan` is one that has run. */
export async function minimise(plan: Plan, fails: Fails): Promise<Plan> {
  let best = await fewerPhases(plan, fails);
  for (let phase = best.phases.length - 1; phase >= 0; phase -= 1) best = await fewerOperations(best, phase, fails);
  best = await fewerNames(best, fails);
  return fewerPhases(best, fails);
}
