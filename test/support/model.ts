// The oracle: a plain host directory that holds what a union of the layers should show. The same
// operations run on it and on the mount; every answer and the trees at the end must agree.

import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual, promisify } from 'node:util';
import type { Agent } from './agent.js';
import { S } from './linux.js';
import type { Mounted } from './mounts.js';
import { closeSlots, nextOperation, type Operation, type World } from './operations.js';
import { Random } from './random.js';
import { forceUnmount, mountReadOnly } from './server.js';
import { differences, dir, file, hardlink, readTree, symlink, type TreeNode, type TreeSpec, whiteout } from './tree.js';

const run = promisify(execFile);

export interface SequenceOptions {
  readonly seed: number;
  readonly operations: number;
  /** False leaves every rename of a directory out. */
  readonly dirRenames: boolean;
  /** Compares the whole trees after each operation: slow, and names the operation. */
  readonly stepwise?: boolean;
}

const NAMES = ['a', 'b', 'c', 'd', 'e'];

function randomFile(r: Random): TreeNode {
  const xattrs = r.once(4) ? { 'user.k': 'from a layer' } : {};
  return file('lower '.repeat(r.below(900)), { mode: r.pick([0o644, 0o600, 0o755, 0o4711]), uid: r.below(3), xattrs });
}

type Children = Record<string, TreeNode>;

/** The directories of the layers below that a directory called `name` merges with, top first. */
function mergedBelow(below: readonly TreeSpec[], name: string): TreeSpec[] {
  const found: TreeSpec[] = [];
  for (const layer of below) {
    const node = layer[name];
    if (node === undefined) continue;
    if (typeof node !== 'object' || node.kind !== 'dir') return found;
    found.push(node.children);
    if (node.opaque) return found;
  }
  return found;
}

/** Whether the layers below show `name`. */
function shownBelow(below: readonly TreeSpec[], name: string): boolean {
  const first = below.find((layer) => layer[name] !== undefined)?.[name];
  return first !== undefined && !(typeof first === 'object' && first.kind === 'whiteout');
}

/**
 * A random directory of one layer over those below. Whiteouts stand only where they hide something:
 * kernel overlayfs, which makes the plain copy, lists any other.
 */
function randomDir(r: Random, depth: number, below: readonly TreeSpec[]): Children {
  const children: Children = {};
  for (const name of NAMES) {
    const kind = r.below(10);
    if (kind < 3 && depth > 0) {
      const merged = mergedBelow(below, name);
      const opaque = merged.length > 0 && r.once(4);
      const inside = randomDir(r, depth - 1, opaque ? [] : merged);
      children[name] = dir(inside, { mode: r.pick([0o755, 0o700]), ...(opaque && { opaque: 'trusted' }) });
    } else if (kind < 5) children[name] = randomFile(r);
    else if (kind === 5) children[name] = symlink(r.pick(NAMES));
    else if (kind === 6 && shownBelow(below, name)) children[name] = whiteout();
  }
  return children;
}

/**
 * Whether a sequence's lowers hold hard links. Kernel overlayfs without its index shows the other
 * name of a copied-up one as it was, so it is not asked about those.
 */
export function hasHardLinks(seed: number): boolean {
  return seed % 3 === 0;
}

/** Three layers of random trees for one sequence; its directory is `at`, for hard links. */
export function randomLayers(seed: number, at: string): TreeSpec[] {
  const r = new Random(seed ^ 0x5eed);
  const bottom = randomDir(r, 2, []);
  if (hasHardLinks(seed)) {
    bottom.h1 = file('linked\n', { mode: 0o644 });
    bottom.h2 = hardlink(`${at}/h1`);
  }
  const middle = randomDir(r, 2, [bottom]);
  return [randomDir(r, 2, [middle, bottom]), middle, bottom];
}

/** A plain copy of what kernel overlayfs shows of the mount's layers, at `base/oracle`. */
export async function plainCopy(m: Mounted): Promise<string> {
  const [seen, copy] = [join(m.base, 'oracle-view'), join(m.base, 'oracle')];
  await mkdir(seen);
  await mkdir(copy);
  await mountReadOnly(m.layers, seen);
  await run('cp', ['-a', `${seen}/.`, copy]);
  await forceUnmount(seen);
  return copy;
}

async function movesDirectory(oracle: World, operation: Operation): Promise<boolean> {
  for (const path of operation.moves ?? []) {
    const st = await oracle.agent.lstat(path);
    if (typeof st !== 'number' && (st.mode & S.IFMT) === S.IFDIR) return true;
  }
  return false;
}

function brief(value: unknown): string {
  const text = JSON.stringify(value) ?? 'undefined';
  return text.length > 300 ? `${text.slice(0, 300)}… (${text.length})` : text;
}

/** What went apart in a sequence: the operations up to there and the two answers. */
export class Divergence extends Error {
  override readonly name = 'Divergence';

  constructor(options: SequenceOptions, log: readonly string[], found: unknown, wanted: unknown) {
    const history = log.slice(-25).join('\n  ');
    super(
      `seed ${options.seed}, operation ${log.length}\n  ${history}\nfound  ${brief(found)}\nwanted ${brief(wanted)}`,
    );
  }
}

async function compareTrees(mount: World, oracle: World, options: SequenceOptions, log: string[]): Promise<void> {
  const [found, wanted] = [await readTree('.', {}, mount.agent), await readTree('.', {}, oracle.agent)];
  const apart = differences(found, wanted);
  if (apart.length > 0) throw new Divergence(options, log, apart, []);
}

/** Runs one sequence in both worlds; throws Divergence at the first answer that differs. */
export async function runSequence(
  mount: World,
  oracle: World,
  options: SequenceOptions,
  forget: () => Promise<void>,
): Promise<string[]> {
  const random = new Random(options.seed);
  const log: string[] = [];
  while (log.length < options.operations) {
    if (random.once(60)) {
      await forget();
      log.push('forget');
    }
    const operation = nextOperation(random);
    if (!options.dirRenames && (await movesDirectory(oracle, operation))) continue;
    const wanted = await operation.run(oracle);
    const found = await operation.run(mount);
    log.push(`${operation.text} -> ${brief(wanted)}`);
    if (!isDeepStrictEqual(found, wanted)) throw new Divergence(options, log, found, wanted);
    if (options.stepwise) await compareTrees(mount, oracle, options, log);
  }
  await closeSlots(mount);
  await closeSlots(oracle);
  return log;
}

/** A world in a client's directory. */
export function worldOf(agent: Agent): World {
  return { agent, slots: [] };
}
