// One sample: a fresh upper and a fresh mount of one competitor, the body of one case, and the mount
// taken down again whatever happened. Knows no order and keeps no results.

import { existsSync, mkdirSync, renameSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Bench, Case, Need, Scale } from './cases/case.js';
import { runClient } from './client.js';
import type { Competitor, Stack } from './competitors.js';
import { type Mount, mount, serverMemory, unmount } from './mounting.js';
import { run } from './process.js';
import { makeHostCopy, type Trees } from './tree.js';

const SYNC_LIMIT_MS = 120_000;
const root = process.getuid?.() === 0;

/** What every sample of a run shares. */
export interface Ground {
  readonly trees: Trees;
  readonly scale: Scale;
  readonly client: string;
}

/** Where one sample happens. `mounted` is absent on the host filesystem. */
interface Site {
  readonly root: string;
  readonly upper: string;
  readonly mounted: Mount | undefined;
}

let counter = 0;

async function settleDisk(directory: string): Promise<void> {
  await run({ file: 'sync', args: ['-f', directory] }, SYNC_LIMIT_MS);
}

function dropNamesAndInodes(): void {
  if (root) writeFileSync('/proc/sys/vm/drop_caches', '2');
}

function benchOf(ground: Ground, site: Site): Bench {
  return {
    scale: ground.scale,
    client: (command, ...args) => runClient(ground.client, site.root, [command, ...args.map(String)]),
    list: (name) => join(ground.trees.lists, name),
    cold: async () => {
      await settleDisk(ground.trees.scratch);
      dropNamesAndInodes();
    },
    memory: () => (site.mounted === undefined ? 0 : serverMemory(site.mounted)),
  };
}

function stackIn(place: string, trees: Trees): Stack {
  const [upper, work, mountpoint] = ['upper', 'work', 'mnt'].map((name) => join(place, name)) as [
    string,
    string,
    string,
  ];
  for (const directory of [upper, work, mountpoint]) mkdirSync(directory, { recursive: true });
  return { layersDirectory: trees.layersDirectory, layers: trees.layers, upper, work, mountpoint };
}

async function hostSite(ground: Ground, place: string, needs: ReadonlySet<Need>): Promise<Site> {
  if (!needs.has('upper')) return { root: ground.trees.flat, upper: place, mounted: undefined };
  const copy = join(place, 'host');
  makeHostCopy(ground.trees, copy, needs);
  if (needs.has('data')) renameSync(ground.trees.data, join(copy, 'data'));
  await settleDisk(copy);
  return { root: copy, upper: copy, mounted: undefined };
}

async function unionSite(
  ground: Ground,
  competitor: Competitor,
  place: string,
  needs: ReadonlySet<Need>,
): Promise<Site> {
  const stack = stackIn(place, ground.trees);
  if (needs.has('data')) renameSync(ground.trees.data, join(stack.upper, 'data'));
  await settleDisk(place);
  const command = competitor.mount?.(stack);
  if (command === undefined) throw new Error(`${competitor.id} has no mount command`);
  const mounted = await mount(command, stack.mountpoint, join(place, 'log'));
  return { root: stack.mountpoint, upper: stack.upper, mounted };
}

/** The data file goes back to where the next sample takes it from. */
function returnData(ground: Ground, place: string): void {
  for (const name of ['upper', 'host']) {
    try {
      renameSync(join(place, name, 'data'), ground.trees.data);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
}

/**
 * Frees the blocks of the big files and deletes nothing before the end of the run: ext4 passes over inodes deleted
 * in the last seconds one by one, so deleting one sample's files would slow down the next sample's creates.
 */
function giveBackSpace(place: string): void {
  for (const path of ['upper/written', 'upper/big', 'host/written'].map((name) => join(place, name))) {
    if (existsSync(path)) truncateSync(path);
  }
}

/** Runs a body in a fresh mount; throws what the mount or the body threw. */
async function inFreshSite<T>(
  ground: Ground,
  competitor: Competitor,
  needs: ReadonlySet<Need>,
  body: (bench: Bench, site: Site) => Promise<T>,
): Promise<T> {
  counter += 1;
  const place = join(ground.trees.scratch, `run-${counter}`);
  mkdirSync(place);
  let site: Site | undefined;
  try {
    const making =
      competitor.mount === undefined ? hostSite(ground, place, needs) : unionSite(ground, competitor, place, needs);
    site = await making;
    return await body(benchOf(ground, site), site);
  } finally {
    if (site?.mounted !== undefined) await unmount(site.mounted);
    if (needs.has('data')) returnData(ground, place);
    giveBackSpace(place);
  }
}

/** One figure of one case for one competitor. */
export async function sample(ground: Ground, competitor: Competitor, row: Case): Promise<number> {
  const needs = new Set(row.needs);
  return inFreshSite(ground, competitor, needs, async (bench, site) => {
    if (needs.has('server') && site.mounted?.servers.length === 0) throw new Error('its server process was not found');
    return row.run(bench);
  });
}

/** Mounts once and lists the top: undefined when it works, else why it does not. */
export async function trial(ground: Ground, competitor: Competitor): Promise<string | undefined> {
  try {
    await inFreshSite(ground, competitor, new Set<Need>(), (bench) => bench.client('walk', 'warm'));
    return undefined;
  } catch (error) {
    return `does not mount: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** Whether the case means anything for the competitor. */
export function applies(competitor: Competitor, row: Case): boolean {
  if (row.needs.includes('server')) return competitor.role !== 'host' && competitor.role !== 'kernel';
  return !(row.needs.includes('union') && competitor.role === 'host');
}
