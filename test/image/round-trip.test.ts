// An upper as a layer tar, unpacked again: over the same lowers kernel overlayfs shows the same tree.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { applyLayer } from '../../lib/image/apply.js';
import { layerTar } from '../../lib/image/layer-tar.js';
import { syscalls } from '../../lib/sys/syscalls.js';
import { randomLayers } from '../support/oracle/layers.js';
import { freshDirectory } from '../support/paths.js';
import { plant } from '../support/plant.js';
import { Random } from '../support/random.js';
import { differences, readTree, type TreeSpec } from '../support/tree.js';

const SEEDS = Number(process.env.STRATAFS_SEEDS ?? 40);

function planted(base: string, name: string, spec: TreeSpec): string {
  const path = join(base, name);
  mkdirSync(path);
  plant(path, spec);
  return path;
}

/** What kernel overlayfs shows of `layers`. */
async function seen(base: string, layers: readonly string[]): Promise<Record<string, string>> {
  const at = join(base, 'seen');
  mkdirSync(at, { recursive: true });
  const options = `ro,metacopy=on,redirect_dir=follow,lowerdir=${layers.join(':')}`;
  execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', options, at]);
  try {
    return await readTree(at, { mtime: true, xattrs: 'all' });
  } finally {
    execFileSync('umount', [at]);
  }
}

async function digestOf(stream: AsyncIterable<Buffer>): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of stream) hash.update(chunk);
  return hash.digest('hex');
}

for (let seed = 1; seed <= SEEDS; seed += 1) {
  void t.test(`seed ${seed}`, async (t) => {
    const base = freshDirectory('round-trip');
    t.teardown(() => rmSync(base, { recursive: true, force: true }));
    const [top = {}, ...below] = randomLayers(new Random(seed), 3, seed % 3 === 0);
    const upper = planted(base, 'upper', top);
    const lowers = below.map((spec, index) => planted(base, `lower${index}`, spec));
    const source = { upper, lowers };
    const into = join(base, 'applied');
    mkdirSync(into);
    await applyLayer(syscalls, layerTar(syscalls, source), into);
    t.same(differences(await seen(base, [into, ...lowers]), await seen(base, [upper, ...lowers])), []);
    t.equal(await digestOf(layerTar(syscalls, source)), await digestOf(layerTar(syscalls, source)), 'reproducible');
  });
}
