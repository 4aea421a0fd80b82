// Runs the conformance map on one configuration: one mount, each case in a directory of its own,
// once with its files in the lower layer and once with them in the upper.

import type { Test } from 'tap';
import type { Agent } from '../../support/agent.js';
import { type Config, missing } from '../../support/configs.js';
import { type Mounted, NoOtherUser, withMount } from '../../support/mounts.js';
import { dir, type TreeNode, type TreeSpec } from '../../support/tree.js';
import { type Case, type Context, commonTree, fullCase, type Need } from './case.js';
import { conformanceMap } from './map.js';

export type Variant = 'lower' | 'upper';

interface Item {
  /** `family: case`. */
  readonly name: string;
  readonly directory: string;
  readonly variant: Variant;
  readonly each: Case;
}

/** Cases that a configuration cannot pass, `family: case` -> reason; a passing one is a failure. */
export type Known = Readonly<Record<string, string>>;

export interface Plan {
  readonly config: Config;
  readonly lacks?: readonly Need[];
  readonly known?: Known;
}

const CASE_LIMIT_MS = 15_000;

function items(variant: Variant): Item[] {
  const list: Item[] = [];
  for (const [family, cases] of Object.entries(conformanceMap)) {
    for (const [name, given] of Object.entries(cases)) {
      list.push({ name: `${family}: ${name}`, directory: `${variant}-${list.length}`, variant, each: fullCase(given) });
    }
  }
  return list;
}

/** Hard links in a case's tree name their target from the case's own directory, as `@/name`. */
function placed(directory: string, spec: TreeSpec): TreeSpec {
  const settle = (node: TreeNode): TreeNode =>
    typeof node === 'object' && node.kind === 'hardlink' ? { ...node, to: node.to.replace('@', directory) } : node;
  return Object.fromEntries(Object.entries(spec).map(([name, node]) => [name, settle(node)]));
}

function layerOf(list: readonly Item[]): TreeSpec {
  const entries = list.map((item): [string, TreeNode] => [
    item.directory,
    dir(placed(item.directory, { ...commonTree, ...item.each.tree })),
  ]);
  return Object.fromEntries(entries);
}

async function limited(work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not done within ${CASE_LIMIT_MS} ms`)), CASE_LIMIT_MS);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Runs one case; the error that ended it, or undefined. */
async function attempt(m: Mounted, item: Item): Promise<Error | undefined> {
  const clients: Agent[] = [];
  const client = async (uid = 0, gid = uid): Promise<Agent> => {
    const agent = await m.newClient(item.directory, uid, gid);
    clients.push(agent);
    return agent;
  };
  try {
    const context: Context = {
      a: await client(),
      client,
      expects: m.expects,
      variant: item.variant,
      path: `${m.root}/${item.directory}`,
      forget: () => m.forget(),
    };
    await limited(item.each.run(context));
    return undefined;
  } catch (error) {
    return error as Error;
  } finally {
    for (const agent of clients) agent.kill();
  }
}

/** A server that a case killed is started again, so that the next case has its chance. */
async function revive(t: Test, m: Mounted): Promise<void> {
  const late = new Promise<number>((resolve) => setTimeout(resolve, 3000, -110));
  const answer = await Promise.race([m.client.statfs('.').catch(() => -107), late]);
  if (typeof answer === 'object') return;
  t.fail('the server died; started again');
  await m.crash();
  await m.mount();
}

async function runItem(t: Test, m: Mounted, item: Item, plan: Plan): Promise<void> {
  const title = `${item.name} (${item.variant})`;
  const lacking = item.each.needs?.find((need) => plan.lacks?.includes(need));
  if (lacking !== undefined) {
    t.pass(title, { skip: `no ${lacking} here` });
    return;
  }
  const reason = plan.known?.[`${item.name} (${item.variant})`] ?? plan.known?.[item.name];
  const error = await attempt(m, item);
  if (error instanceof NoOtherUser && plan.lacks?.includes('other-users')) {
    t.pass(title, { skip: error.message });
    return;
  }
  if (error === undefined && reason !== undefined) t.fail(`${title}: listed as known (${reason}), but it passes`);
  else if (error === undefined) t.pass(title);
  else if (reason !== undefined) t.fail(title, { todo: reason, found: error.message });
  else t.fail(title, { error: error.message, stack: error.stack ?? '' });
  if (error !== undefined) await revive(t, m);
}

/** The whole map on one configuration, as one subtest. */
export async function runConformance(t: Test, plan: Plan): Promise<void> {
  const lower = items('lower');
  const upper = items('upper');
  const reason = missing(plan.config);
  await t.test(plan.config.name, { timeout: 110_000, ...(reason && { skip: reason }) }, async (t) => {
    const setup = { config: plan.config, lowers: [layerOf(lower)], upper: layerOf(upper), timeout: 100_000 };
    await withMount(t, setup, async (m) => {
      for (const item of [...lower, ...upper]) await runItem(t, m, item, plan);
    });
  });
}
