// kill -9 at every step of one operation: the server dies right before each call that changes the
// disk, and once right after the last. After a remount the tree is as before the operation or as
// after it, the workdir is empty, and kernel overlayfs shows the same tree of the same layers.

import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { type Agent, hostAgent } from '../support/agent.js';
import { kernel, missing, native } from '../support/configs.js';
import { O } from '../support/linux.js';
import { type Mounted, withMount } from '../support/mounts.js';
import { mountReadOnly, startServer, unmountBelow } from '../support/server.js';
import {
  device,
  differences,
  dir,
  fifo,
  file,
  hardlink,
  readTree,
  symlink,
  type TreeSpec,
  whiteout,
} from '../support/tree.js';

const EXCHANGE = 2;
/** More steps than any operation has. */
const MOST = 32;
const program = join(dirname(fileURLToPath(import.meta.url)), '..', 'support', 'killed-server.js');
const config = { ...native, program };

type View = Record<string, string>;
type Act = (a: Agent, at: string) => Promise<number>;

interface Case {
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

const write: Act = async (a, at) => {
  const fd = await a.open(`${at}/f`, O.WRONLY);
  return fd < 0 ? fd : a.close(fd);
};
const rich = { mode: 0o4751, uid: 7, gid: 8, xattrs: { 'user.a': 'one', 'user.b': 'two' } };
const tree = dir({ in: 'in', sub: dir({ deep: 'deep' }, { mode: 0o1770 }) }, { mode: 0o2775, gid: 9 });

const cases: Readonly<Record<string, Case>> = {
  'copy-up of a small file': { lower: { f: file('small', rich) }, acts: [write] },
  'copy-up of a large file': { lower: { f: file('large'.repeat(500_000), rich) }, acts: [write] },
  'copy-up for a chmod': { lower: { f: file('small', rich) }, acts: [(a, at) => a.chmod(`${at}/f`, 0o600)] },
  'copy-up of a chain of directories': {
    lower: { a: dir({ b: dir({ f: file('deep', rich) }, { mode: 0o700 }) }, rich) },
    acts: [(a, at) => a.chmod(`${at}/a/b/f`, 0o600)],
  },
  'copy-up of a symlink': {
    lower: { l: symlink('there', { uid: 7 }) },
    acts: [(a, at) => a.rename(`${at}/l`, `${at}/k`)],
  },
  'copy-up of a device': {
    lower: { d: device(1, 3, { mode: 0o620, uid: 7 }) },
    acts: [(a, at) => a.chmod(`${at}/d`, 0o600)],
  },
  'copy-up of a fifo': { lower: { p: fifo({ mode: 0o620, uid: 7 }) }, acts: [(a, at) => a.chmod(`${at}/p`, 0o600)] },
  'copy-up of a hard link': {
    lower: { f: file('linked', rich), g: hardlink('f') },
    acts: [(a, at) => a.chmod(`${at}/f`, 0o600)],
    indexed: true,
  },
  'removing a file': { lower: { f: 'f', stays: 'stays' }, acts: [(a, at) => a.unlink(`${at}/f`)] },
  'removing a copied-up file': {
    lower: { f: 'old', stays: 's' },
    upper: { f: 'new' },
    acts: [(a, at) => a.unlink(`${at}/f`)],
  },
  'removing a hard link': {
    lower: { f: 'f', g: hardlink('f'), h: hardlink('f') },
    acts: [(a, at) => a.unlink(`${at}/f`), (a, at) => a.unlink(`${at}/h`)],
    indexed: true,
  },
  'removing a merged directory of whiteouts': {
    lower: { d: dir({ a: 'a', b: 'b' }) },
    upper: { d: dir({ a: whiteout(), b: whiteout() }) },
    acts: [(a, at) => a.rmdir(`${at}/d`)],
  },
  'a directory removed and made again': {
    lower: { d: dir({}) },
    deeper: { d: dir({}, { mode: 0o700 }) },
    acts: [(a, at) => a.rmdir(`${at}/d`), (a, at) => a.mkdir(`${at}/d`, 0o750)],
    fresh: ['d'],
  },
  'a file over a whiteout': {
    lower: { f: 'old' },
    upper: { f: whiteout() },
    acts: [(a, at) => a.mknod(`${at}/f`, 0o100640)],
    fresh: ['f'],
  },
  'a directory over a whiteout': {
    lower: { d: dir({ hidden: 'hidden' }) },
    upper: { d: whiteout() },
    acts: [(a, at) => a.mkdir(`${at}/d`, 0o750)],
    fresh: ['d'],
  },
  'a symlink over a whiteout': {
    lower: { l: 'old' },
    upper: { l: whiteout() },
    acts: [(a, at) => a.symlink('there', `${at}/l`)],
    fresh: ['l'],
  },
  'a new file in a lower directory': {
    lower: { d: dir({ old: 'old' }) },
    acts: [(a, at) => a.mknod(`${at}/d/new`, 0o100640)],
    fresh: ['d/new'],
  },
  'renaming a lower file': { lower: { f: file('f', rich) }, acts: [(a, at) => a.rename(`${at}/f`, `${at}/g`)] },
  'renaming a file over a file': {
    lower: { f: file('f', rich), g: file('g', { mode: 0o600 }) },
    acts: [(a, at) => a.rename(`${at}/f`, `${at}/g`)],
  },
  'renaming a file over a whiteout': {
    lower: { f: file('f', rich), g: 'g' },
    upper: { g: whiteout() },
    acts: [(a, at) => a.rename(`${at}/f`, `${at}/g`)],
  },
  'renaming a merged directory': {
    // Not empty: to list an empty directory that is marked impure is a change too, and would be counted with the rename's.
    lower: { d: tree, other: dir({ o: 'o' }) },
    deeper: { d: dir({ more: 'more' }) },
    acts: [(a, at) => a.rename(`${at}/d`, `${at}/other/e`)],
  },
  'renaming a new directory over a whiteout': {
    lower: { e: dir({ hidden: 'h' }) },
    upper: { d: dir({ mine: 'mine' }), e: whiteout() },
    acts: [(a, at) => a.rename(`${at}/d`, `${at}/e`)],
  },
  'renaming over an empty merged directory': {
    lower: { d: tree, e: dir({ a: 'a' }) },
    upper: { e: dir({ a: whiteout() }) },
    acts: [(a, at) => a.rename(`${at}/d`, `${at}/e`)],
  },
  'exchanging a file and a directory': {
    lower: { f: file('f', rich), d: tree },
    acts: [(a, at) => a.rename(`${at}/f`, `${at}/d`, EXCHANGE)],
  },
  'exchanging two merged directories': {
    lower: { d: tree, e: dir({ other: 'other' }) },
    acts: [(a, at) => a.rename(`${at}/d`, `${at}/e`, EXCHANGE)],
  },
  'a hard link to a lower file': {
    lower: { f: file('f', rich) },
    acts: [(a, at) => a.link(`${at}/f`, `${at}/g`)],
  },
  'a hard link over a whiteout': {
    lower: { f: file('f', rich), g: 'g' },
    upper: { g: whiteout() },
    acts: [(a, at) => a.link(`${at}/f`, `${at}/g`)],
  },
};

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

t.setTimeout(300_000);
const reason = missing(config);
for (const [name, one] of Object.entries(cases)) {
  await t.test(name, reason === undefined ? {} : { skip: reason }, (t) =>
    withMount(t, { config, lowers: [copies(one.lower), copies(one.deeper)], upper: copies(one.upper ?? {}) }, (m) =>
      sweep(t, one, m),
    ),
  );
}
