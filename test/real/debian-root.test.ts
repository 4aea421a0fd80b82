// A whole Debian system at work in a mount: packages, git, a compiler, tar, a database, removal. What it leaves in the
// upper is the same tree in kernel overlayfs, and what kernel overlayfs leaves is the same tree here. Needs the mirror of
// the host's apt. The root filesystem is made once by scripts/example-debian and kept.

import { lstatSync, readdirSync } from 'node:fs';
import { chmod, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { Agent } from '../support/agent.js';
import { type Config, kernel, missing, native, nativeCached } from '../support/configs.js';
import { eventually } from '../support/expect.js';
import { Mounted, nothingOpen } from '../support/mounts.js';
import { freshDirectory } from '../support/paths.js';
import { type Layers, unmountBelow } from '../support/server.js';
import { checksumTree, differences, readTree } from '../support/tree.js';
import { type Step, shortWork, wholeWork } from './steps.js';
import { debianRoot, overlayers, perform } from './system.js';

const LIMIT_S = 350;
const TREE_LIMIT_S = 30;

type Tree = Record<string, string>;

// Before anything that takes long: the runner's own limit is shorter.
t.setTimeout(LIMIT_S * 1000);

const root = missing(native) === undefined ? await debianRoot() : { missing: missing(native) as string };

/** Names, types, modes, owners, sizes, contents, link targets and counts, times, and every xattr that is shown. */
async function treeOf(m: Mounted): Promise<Tree> {
  const agent = await Agent.start(m.root);
  const late = setTimeout(() => agent.kill(), TREE_LIMIT_S * 1000);
  try {
    return await readTree('.', { mtime: true, xattrs: 'all' }, agent);
  } finally {
    clearTimeout(late);
    await agent.stop();
  }
}

/** A new upper and workdir `name` over `lowers`. */
async function newUpper(base: string, name: string, lowers: readonly string[]): Promise<Layers> {
  const [upper, work] = [join(base, name), join(base, `${name}.work`)];
  for (const path of [upper, work]) await mkdir(path, { mode: 0o755 });
  return { lowers, upper, work, mountpoint: join(base, 'mnt') };
}

/** Mounts, lets `body` work, unmounts. A body that throws or a mount that hangs ends with the driver killed. */
async function mounted<T>(base: string, config: Config, layers: Layers, body: (m: Mounted) => Promise<T>): Promise<T> {
  const m = new Mounted({ config, lowers: [], options: config.kind === 'stratafs' ? 'suid' : '' }, base, layers);
  await m.mount();
  const { server } = m;
  try {
    const result = await body(m);
    const code = await m.unmount();
    if (code !== 0) throw new Error(`${config.name}: the driver ended with ${code}`);
    return result;
  } catch (error) {
    if (m.alive) await m.crash();
    else await server.kill();
    throw error;
  }
}

/** Runs the steps until one fails. */
async function work(t: Test, m: Mounted, steps: readonly Step[]): Promise<void> {
  for (const step of steps) {
    const { code, stdout, stderr, seconds } = await perform(step, m.root);
    const end = code === null ? `killed after ${step.limit} s` : `exit code ${code}`;
    const passed = t.equal(code, 0, `${m.config.name}: ${step.name} (${seconds.toFixed(1)} s)`, {
      diag: { end, stdout: stdout.slice(-1500), stderr: stderr.slice(-2500) },
    });
    if (!passed) throw new Error(`${step.name}: ${end}`);
  }
}

async function checkLeaks(t: Test, m: Mounted): Promise<void> {
  let last = await m.stats();
  const settled = await eventually(async () => {
    last = await m.stats();
    return nothingOpen(last);
  });
  t.ok(settled, 'no handle and no backing id is left', { stats: last });
  t.equal(last.assertions, 0, 'no assertion failed in the driver');
}

/** Only the first: a tree of this size that is wrong is wrong in many places. */
function same(t: Test, found: Tree, wanted: Tree, message: string): void {
  t.same(differences(found, wanted).slice(0, 20), [], `${message} (${Object.keys(wanted).length} files)`);
}

/** The steps under stratafs; then the tree, which is the same after a remount and in kernel overlayfs. */
async function workHere(t: Test, base: string, config: Config, layers: Layers, steps: readonly Step[]): Promise<void> {
  const ours = await mounted(base, config, layers, async (m) => {
    await work(t, m, steps);
    await m.stopClients();
    await checkLeaks(t, m);
    return treeOf(m);
  });
  same(t, await mounted(base, kernel, layers, treeOf), ours, 'kernel overlayfs shows the same tree');
  same(t, await mounted(base, config, layers, treeOf), ours, 'and so does a second mount');
}

function checkRemoval(t: Test, layer: string, upper: string): void {
  const doc = lstatSync(join(upper, 'usr/share/doc'));
  t.ok(doc.isCharacterDevice() && doc.rdev === 0, 'the upper has a whiteout for /usr/share/doc');
  t.ok(readdirSync(join(layer, 'usr/share/doc')).length > 50, 'the layer still has /usr/share/doc');
  const america = readdirSync(join(upper, 'usr/share/zoneinfo/America'), { withFileTypes: true });
  t.ok(america.filter((entry) => entry.isCharacterDevice()).length > 5, 'and one for each file that was deleted');
}

/** Shorter work, here and under kernel overlayfs, over the first upper as a layer. */
async function overTheFirst(t: Test, base: string, stack: readonly string[]): Promise<void> {
  const sum = await checksumTree(stack[0] as string);
  await t.test('passthrough=off: some of it again, over the upper of the first as a layer', async (t) =>
    workHere(t, base, nativeCached, await newUpper(base, 'cached', stack), shortWork),
  );
  await t.test('kernel overlayfs does it, and its upper is the same tree here', async (t) => {
    const layers = await newUpper(base, 'kernel', stack);
    const theirs = await mounted(base, kernel, layers, async (m) => {
      await work(t, m, shortWork);
      return treeOf(m);
    });
    same(t, await mounted(base, native, layers, treeOf), theirs, 'passthrough=auto');
    same(t, await mounted(base, nativeCached, layers, treeOf), theirs, 'passthrough=off');
  });
  t.equal(await checksumTree(stack[0] as string), sum, 'the first upper, as a layer, is what it was');
}

async function everything(t: Test, base: string, bottom: string): Promise<void> {
  await chmod(base, 0o755);
  await mkdir(join(base, 'mnt'));
  const lowers = [...(await overlayers(base)), bottom];
  const sums = await Promise.all(lowers.map(checksumTree));
  const whole = await newUpper(base, 'whole', lowers);
  const upper = whole.upper as string;

  await t.test('passthrough=auto: the whole work', async (t) => {
    await workHere(t, base, native, whole, wholeWork);
    checkRemoval(t, bottom, upper);
  });
  if (t.passing()) await overTheFirst(t, base, [upper, ...lowers]);
  const kept = t.same(await Promise.all(lowers.map(checksumTree)), sums, 'the lower layers are what they were');
  // The next run must not start from a root filesystem that this one has spoilt.
  if (!kept) await rm(bottom, { recursive: true, force: true });
}

await t.test('a Debian system', 'missing' in root ? { skip: root.missing } : {}, async (t) => {
  if ('missing' in root) return;
  const base = freshDirectory('debian');
  try {
    await everything(t, base, root.path);
  } finally {
    await unmountBelow(base);
    await rm(base, { recursive: true, force: true });
  }
});
