// kill -9 at every step of one operation: the server dies right before each call that changes the
// disk, and once right after the last. After a remount the tree is as before the operation or as
// after it, the workdir is empty, and kernel overlayfs shows the same tree of the same layers.

import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { type Agent, hostAgent } from './agent.js';
import { kernel, missing, native } from './configs.js';
import { type Mounted, withMount } from './mounts.js';
import { mountReadOnly, startServer, unmountBelow } from './server.js';
import { differences, dir, hardlink, readTree, type TreeSpec } from './tree.js';

/** More steps than any operation has. */
const MOST = 32;
const program = join(dirname(fileURLToPath(import.meta.url)), 'killed-server.js');
const config = { ...native, program };

type View = Record<string, string>;
export type Act = (a: Agent, at: string) => Promise<number>;

export interface Case {
  readonly lower?: TreeSpec;
  /** Beneath `lower`. */
  readonly deeper?: TreeSpec;
  readonly upper?: TreeSpec;
  /** Calls in their order; each one is wholly done or not done at all. */
  readonly acts: readonly Act[];
  /** The index tells what the names are: a kernel mount without it cannot show them. */
  readonly indexed?: boolean;
  /** Paths made anew: their times differ at each run. */
  readonly fresh?: readonly string[];
}

/** `spec` once for each step, and once for the run that nothing disturbs. */
function copies(spec: TreeSpec | undefined): TreeSpec {
  if (spec === undefined) return {};
  const named = (name: string): TreeSpec =>
    Object.fromEntries(
      Object.entries(spec).map(([key, node]) => [
        key,
        typeof node === 'object' && node.kind === 'hardlink' ? hardlink(`${name}/${node.to}`) : node,
      ]),
    );
  const names = ['whole', ...Array.from({ length: MOST }, (_v, step) => `s${step + 1}`)];
  return Object.fromEntries(names.map((name) => [name, dir(named(name))]));
}

/** Times of directories and of what is made anew are left out. */
function comparable(one: Case, view: View): View {
  const lines: View = {};
  for (const [path, line] of Object.entries(view)) {
    const free = line.startsWith('4') || one.fresh?.includes(path.replace(/^\.\//, '')) === true;
    lines[path] = free ? line.replace(/ mtime \d+/, '') : line;
  }
  return lines;
}

const seen = async (one: Case, m: Mounted, at: string): Promise<View> =>
  comparable(one, await m.tree({ mtime: true }, at));

/** The views before the first call and after each. */
async function stages(one: Case, m: Mounted): Promise<View[]> {
  const views = [await seen(one, m, 'whole')];
  for (const act of one.acts) {
    const result = await act(m.client, 'whole');
    if (result < 0) throw new Error(`the operation answered ${result}`);
    views.push(await seen(one, m, 'whole'));
  }
  return views;
}

/** Runs the calls until one is not answered; whether all were. */
async function run(one: Case, m: Mounted, at: string): Promise<boolean> {
  for (const act of one.acts) {
    const result = await act(m.client, at).catch(() => -107);
    if (result < 0) return false;
  }
  return true;
}

/** What kernel overlayfs shows of `at`. */
async function kernelView(one: Case, m: Mounted, at: string): Promise<View> {
  const path = join(m.base, 'kernel-view');
  await (await hostAgent()).mkdir(path);
  await mountReadOnly(m.layers, path);
  try {
    return comparable(one, await readTree(join(path, at), { mtime: true }));
  } finally {
    await unmountBelow(path);
  }
}

/** Everything that must hold of `at` after a kill and a remount. */
async function complaints(one: Case, m: Mounted, at: string, allowed: readonly View[]): Promise<string[]> {
  const found: string[] = [];
  const { work } = m.layers;
  for (const name of readdirSync(join(work as string, 'work'))) found.push(`left in the workdir: ${name}`);
  for (const name of readdirSync(work as string)) if (name !== 'work' && name !== 'index') found.push(`new: ${name}`);
  const view = await seen(one, m, at);
  if (!allowed.some((each) => differences(view, each).length === 0)) {
    for (const each of allowed) found.push(`against a whole state: ${differences(view, each).join('; ')}`);
  }
  if (one.indexed !== true)
    for (const line of differences(view, await kernelView(one, m, at))) found.push(`kernel overlayfs: ${line}`);
  return found;
}

/** Runs on the copy `at` until the server's kill, and mounts again with `next`; false when no kill came. */
async function killed(one: Case, m: Mounted, at: string, next: Readonly<Record<string, string>>): Promise<boolean> {
  if (await run(one, m, at)) return false;
  await m.server.ended;
  await m.crash();
  await m.mount(next);
  return true;
}

const atStep = (moment: string, step: number): Record<string, string> => ({ STRATAFS_KILL: `${moment}:${step}` });

async function sweep(t: Test, one: Case, m: Mounted): Promise<void> {
  const views = await stages(one, m);
  await m.crash();
  await m.mount(atStep('before', 1));
  let step = 1;
  while (step < MOST && (await killed(one, m, `s${step}`, atStep('before', step + 1)))) {
    t.same(await complaints(one, m, `s${step}`, views), [], `killed before change ${step}`);
    step += 1;
  }
  t.ok(step > 1 && step < MOST, `${step - 1} changes`);
  await m.crash();
  await m.mount(atStep('after', step - 1));
  t.ok(await killed(one, m, `s${step + 1}`, {}), 'killed after the last change');
  t.same(await complaints(one, m, `s${step + 1}`, views.slice(-1)), []);
  if (one.indexed === true) await compareIndexed(t, m);
}

/** A writable kernel mount, which reads the index, shows what this one shows. */
async function compareIndexed(t: Test, m: Mounted): Promise<void> {
  const view = await m.tree();
  await m.crash();
  const inKernel = await startServer(kernel, m.layers);
  const found = await readTree(m.root);
  await inKernel.stop();
  await m.mount();
  t.same(differences(found, view), [], 'a writable mount of kernel overlayfs shows the same');
}

/** Each case in a mount of its own. */
export async function killAtEachStep(t: Test, cases: Readonly<Record<string, Case>>): Promise<void> {
  t.setTimeout(390_000);
  const reason = missing(config);
  for (const [name, one] of Object.entries(cases)) {
    await t.test(name, reason === undefined ? {} : { skip: reason }, (t) =>
      withMount(t, { config, lowers: [copies(one.lower), copies(one.deeper)], upper: copies(one.upper ?? {}) }, (m) =>
        sweep(t, one, m),
      ),
    );
  }
}
