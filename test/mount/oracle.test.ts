// Random operation sequences on a mount and on a plain directory: the same answers, the same trees,
// after a remount and a sealing too, and in kernel overlayfs over the same layers.
// STRATAFS_ORACLE_SEED=s starts elsewhere, STRATAFS_ORACLE_SEQUENCES=n runs more,
// STRATAFS_ORACLE_OPERATIONS=n longer ones, STRATAFS_ORACLE_STEPWISE=1 compares the trees after each
// operation, STRATAFS_ORACLE_MINIMISE=1 cuts a sequence that fails down, STRATAFS_ORACLE_LIVE=1 seals
// uppers while they are mounted in every sequence.

import t from 'tap';
import { missing, native } from '../support/configs.js';
import { Bench } from '../support/oracle/bench.js';
import { minimise } from '../support/oracle/minimise.js';
import { type Plan, planOf, planText } from '../support/oracle/plan.js';
import { Divergence, runPlan } from '../support/oracle/sequence.js';

const SEQUENCES = Number(process.env.STRATAFS_ORACLE_SEQUENCES ?? 60);
const OPERATIONS = Number(process.env.STRATAFS_ORACLE_OPERATIONS ?? 300);
const FIRST = Number(process.env.STRATAFS_ORACLE_SEED ?? 1);
const stepwise = process.env.STRATAFS_ORACLE_STEPWISE !== undefined;
const MINIMISES = process.env.STRATAFS_ORACLE_MINIMISE !== undefined;

async function divergenceOf(bench: Bench, plan: Plan): Promise<Divergence | undefined> {
  try {
    await runPlan(bench, plan);
    return undefined;
  } catch (error) {
    if (error instanceof Divergence) return error;
    throw error;
  }
}

/** The same failure with as few operations as can be found. */
async function cutDown(bench: Bench, first: Divergence): Promise<Divergence> {
  let last = first;
  await minimise(first.plan, async (smaller) => {
    const found = await divergenceOf(bench, smaller);
    if (found?.what !== first.what) return false;
    last = found;
    return true;
  });
  return last;
}

/** How to see the failure of one seed again. */
function again(seed: number): string {
  const settings = `STRATAFS_ORACLE_SEED=${seed} STRATAFS_ORACLE_SEQUENCES=1 STRATAFS_ORACLE_OPERATIONS=${OPERATIONS}`;
  return `${settings} STRATAFS_ORACLE_MINIMISE=1 scripts/test mount/oracle`;
}

const reason = missing(native);
t.setTimeout(0);
t.test('random sequences', reason === undefined ? {} : { skip: reason }, async (t) => {
  t.setTimeout(0);
  const bench = await Bench.start();
  t.teardown(() => bench.stop());
  for (let seed = FIRST; seed < FIRST + SEQUENCES; seed += 1) {
    const plan = planOf(seed, { operations: OPERATIONS, stepwise });
    const started = Date.now();
    const found = await divergenceOf(bench, plan);
    if (found === undefined) t.pass(`${planText(plan)} (${Date.now() - started} ms)`);
    else {
      const story = MINIMISES ? await cutDown(bench, found) : found;
      t.fail(`seed ${seed}: ${found.what}`, { again: again(seed), story: story.message });
    }
  }
});
