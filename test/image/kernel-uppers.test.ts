// Uppers that kernel overlayfs made, with redirects, metadata-only copies and its index, as layer tars: unpacked over the
// same lowers they show what the mount showed.

import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { applyLayer } from '../../lib/image/apply.js';
import { changesOf } from '../../lib/image/changes.js';
import { layerTar } from '../../lib/image/layer-tar.js';
import { syscalls } from '../../lib/sys/syscalls.js';
import { randomLayers } from '../support/oracle/layers.js';
import { freshDirectory } from '../support/paths.js';
import { plant } from '../support/plant.js';
import { Random } from '../support/random.js';
import { differences, readTree, type TreeSpec } from '../support/tree.js';

const SEEDS = Number(process.env.STRATAFS_SEEDS ?? 25);
const how = { mtime: true, xattrs: 'user', links: false } as const;

function planted(base: string, name: string, spec: TreeSpec): string {
  const path = join(base, name);
  mkdirSync(path);
  plant(path, spec);
  return path;
}

function within<T>(at: string, options: string, body: () => T): T {
  execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', options, at]);
  const end = (): void => void execFileSync('umount', [at]);
  try {
    const result = body();
    if (result instanceof Promise) return result.finally(end) as T;
    end();
    return result;
  } catch (error) {
    end();
    throw error;
  }
}

const commands: readonly ((a: string, b: string, n: number) => string)[] = [
  (a, b) => `mv -T ${a} ${b}`,
  (a, b) => `mv ${a} ${b}/`,
  (a) => `rm -rf ${a}`,
  (a) => `mkdir ${a}`,
  (a, _b, n) => `echo ${n} >> ${a}`,
  (a, _b, n) => `chmod ${['700', '755', '600'][n % 3]} ${a}`,
  (a) => `setfattr -n user.t -v v ${a}`,
  (a) => `touch -hd 2001-02-03T04:05:06.789 ${a}`,
  (a, b) => `ln ${a} ${b}`,
  (a, b) => `ln -s ${a} ${b}`,
  (a) => `chown -h 7:8 ${a}`,
];

/** Commands that may fail, on names and names below names. */
function script(r: Random, paths: readonly string[]): string {
  const path = (): string => (r.once(3) ? `new${r.below(4)}` : r.pick(paths));
  return Array.from({ length: 40 }, () => `${r.pick(commands)(path(), path(), r.below(9))} 2>/dev/null || :`).join(
    '\n',
  );
}

for (let seed = 1; seed <= SEEDS; seed += 1) {
  void t.test(`seed ${seed}`, async (t) => {
    const base = freshDirectory('kernel-uppers');
    t.teardown(() => rmSync(base, { recursive: true, force: true }));
    const r = new Random(seed * 77);
    const lowers = randomLayers(r, 2, true).map((spec, index) => planted(base, `lower${index}`, spec));
    const [upper, work, at, into] = ['upper', 'work', 'at', 'into'].map((name) => planted(base, name, {})) as [
      string,
      string,
      string,
      string,
    ];
    const layers = `lowerdir=${lowers.join(':')}`;
    const paths = Object.keys(await within(at, `${layers},ro`, () => readTree(at)))
      .map((path) => path.slice(2))
      .filter((path) => /^[\w/]+$/.test(path));
    const writable = `${layers},upperdir=${upper},workdir=${work},redirect_dir=on,metacopy=on,index=on`;
    within(at, writable, () => execFileSync('sh', ['-c', script(r, paths)], { cwd: at, stdio: 'ignore' }));
    const wanted = await within(at, writable, () => readTree(at, how));
    const source = { upper, lowers, workdir: work };
    await applyLayer(syscalls, layerTar(syscalls, source), into);
    const found = await within(at, `lowerdir=${into}:${lowers.join(':')},ro`, () => readTree(at, how));
    t.same(differences(found, wanted), []);
    t.same(await changedPaths(source), await differing(at, layers, wanted));
  });
}

async function changedPaths(source: Parameters<typeof changesOf>[1]): Promise<string[]> {
  const { changes, untold } = await changesOf(syscalls, source);
  const told = changes.filter(({ type, what, kind }) => kind !== 'C' || type !== 'directory' || what.length > 0);
  return [...untold.map(({ path }) => `untold ${path}`), ...told.map(({ path }) => path)];
}

/** Paths whose lines differ, without those below a path that is gone. */
async function differing(at: string, layers: string, now: Record<string, string>): Promise<string[]> {
  const before = await within(at, `${layers},ro`, () => readTree(at, how));
  const paths = [...new Set([...Object.keys(before), ...Object.keys(now)])].filter(
    (path) => before[path] !== now[path],
  );
  const isGone = (path: string): boolean => now[path] === undefined;
  const top = paths.filter((path) => !isGone(path) || !isGoneAbove(path, now));
  return top
    .filter((path) => path !== '.')
    .map((path) => path.slice(1))
    .sort();
}

/** Whether the directory above `path` is gone, or is no directory any more: then the name below says nothing of its own. */
function isGoneAbove(path: string, now: Record<string, string>): boolean {
  const above = now[path.slice(0, path.lastIndexOf('/'))];
  return above === undefined || !above.startsWith('4');
}
