// Random operation sequences on a mount and on a plain directory: the same answers, the same trees,
// after a remount too, and in kernel overlayfs over the same layers.
// STRATAFS_ORACLE_SEQUENCES=n runs more, STRATAFS_ORACLE_SEED=s starts elsewhere,
// STRATAFS_ORACLE_STEPWISE=1 compares the trees after each operation.

import { join } from 'node:path';
import t, { type Test } from 'tap';
import { Agent } from '../support/agent.js';
import { chosen, native, nativeCached } from '../support/configs.js';
import { Divergence, hasHardLinks, plainCopy, randomLayers, runSequence, worldOf } from '../support/model.js';
import { type Mounted, onEach } from '../support/mounts.js';
import { differences, dir, readTree, type TreeSpec } from '../support/tree.js';

const SEQUENCES = Number(process.env.STRATAFS_ORACLE_SEQUENCES ?? 20);
const OPERATIONS = Number(process.env.STRATAFS_ORACLE_OPERATIONS ?? 150);
const STEPWISE = process.env.STRATAFS_ORACLE_STEPWISE !== undefined;
const FIRST = Number(process.env.STRATAFS_ORACLE_SEED ?? 1);
const configs = chosen([native, nativeCached]);

const seeds = Array.from({ length: SEQUENCES }, (_v, i) => FIRST + i);

/** Each sequence has a directory of its own, `s<seed>`, in each of three layers. */
function layers(): TreeSpec[] {
  const stacks = seeds.map((seed) => ({ name: `s${seed}`, layers: randomLayers(seed, `s${seed}`) }));
  return [0, 1, 2].map((i) =>
    Object.fromEntries(stacks.map((stack) => [stack.name, dir(stack.layers[i] as TreeSpec)])),
  );
}

async function sequence(t: Test, m: Mounted, copy: string, seed: number, dirRenames: boolean): Promise<boolean> {
  const mount = worldOf(await m.newClient(`s${seed}`));
  const oracle = worldOf(await Agent.start(join(copy, `s${seed}`)));
  try {
    await runSequence(mount, oracle, { seed, operations: OPERATIONS, dirRenames, stepwise: STEPWISE }, () =>
      m.forget(),
    );
    const [found, wanted] = [await readTree('.', {}, mount.agent), await readTree('.', {}, oracle.agent)];
    t.same(differences(found, wanted), [], `seed ${seed}: every answer and the tree`);
    return true;
  } catch (error) {
    t.fail(`seed ${seed}: the answers differ`, { story: error instanceof Divergence ? error.message : String(error) });
    return false;
  } finally {
    await Promise.all([mount.agent.stop(), oracle.agent.stop()]);
  }
}

for (const dirRenames of [true, false]) {
  await t.test(`random sequences, ${dirRenames ? 'with' : 'without'} renames of directories`, (t) =>
    onEach(t, configs, { lowers: layers() }, async (m, t) => {
      const copy = await plainCopy(m);
      const sound: number[] = [];
      for (const seed of seeds) if (await sequence(t, m, copy, seed, dirRenames)) sound.push(seed);
      await m.remount();
      for (const seed of sound) {
        const wanted = await readTree(join(copy, `s${seed}`));
        t.same(differences(await m.tree({}, `s${seed}`), wanted), [], `seed ${seed}: the tree after a remount`);
      }
      await m.unmount();
      const comparable = sound.filter((seed) => !hasHardLinks(seed));
      const found = only(await m.kernelTree(), comparable);
      t.same(differences(found, only(await readTree(copy), comparable)), [], 'kernel overlayfs shows it too');
      await m.mount();
    }),
  );
}

/** The lines of the sequences that went well, by their seeds. */
function only(tree: Record<string, string>, sound: readonly number[]): Record<string, string> {
  const names = new Set(sound.map((seed) => `s${seed}`));
  return Object.fromEntries(Object.entries(tree).filter(([path]) => names.has(path.split('/')[1] ?? '')));
}
