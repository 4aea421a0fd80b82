// One sample: a fresh upper and a fresh mount of one competitor, the body of one case, and everything it mounted
// taken down again whatever happened. Knows no order and keeps no results.

import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AnotherMount, Bench, Case } from './cases/case.js';
import { holdClient, runClient } from './client.js';
import type { Competitor, Stack } from './competitors.js';
import { type Mount, mount, serverMemory, unmount } from './mounting.js';
import { isInstalled, run } from './process.js';
import { type Shelf, type Stacks, scriptEnvironment } from './stacks.js';
import { type ImageJob, runTool, type ToolRun } from './tools.js';

const LIMIT_MS = 300_000;
const root = process.getuid?.() === 0;

/** What every sample of a run shares. */
export interface Rig {
  readonly stacks: Stacks;
  /** The native client's program. */
  readonly client: string;
}

let counter = 0;

async function settleDisk(directory: string): Promise<void> {
  await run({ file: 'sync', args: ['-f', directory] }, LIMIT_MS);
}

/** One place of the run: where its uppers and mountpoints are, and what is mounted. */
class Site {
  readonly mounts: Mount[] = [];
  root = '';

  constructor(
    readonly rig: Rig,
    readonly competitor: Competitor,
    readonly shelf: Shelf,
    readonly place: string,
    readonly writable: boolean,
  ) {}

  /** Makes a stack with an upper of its own. */
  private stack(name: string): Stack {
    const { layersDirectory, layers, options } = this.shelf;
    const place = join(this.place, name);
    const [upper, work, mountpoint] = ['upper', 'work', 'mnt'].map((part) => join(place, part)) as [
      string,
      string,
      string,
    ];
    for (const directory of [upper, work, mountpoint]) mkdirSync(directory, { recursive: true });
    return { layersDirectory, layers, upper, work, writable: this.writable, mountpoint, options };
  }

  private async mountOne(stack: Stack): Promise<Mount> {
    const command = this.competitor.mount?.(stack);
    if (command === undefined) throw new Error(`${this.competitor.id} has no mount command`);
    const mounted = await mount(command, stack.mountpoint, join(this.place, 'log'));
    this.mounts.push(mounted);
    return mounted;
  }

  async openUnion(): Promise<void> {
    const stack = this.stack('first');
    takePlaced(this.shelf, stack.upper);
    await settleDisk(this.place);
    this.root = (await this.mountOne(stack)).mountpoint;
  }

  /** The host's directory: the layers as plain files, a copy of them for a case that writes. */
  async openHost(writes: boolean): Promise<void> {
    const flat = await this.shelf.flat();
    this.root = flat;
    if (!writes) return;
    this.root = join(this.place, 'first/upper');
    mkdirSync(this.root, { recursive: true });
    await run({ file: 'cp', args: ['-a', '--reflink=auto', `${flat}/.`, this.root] }, LIMIT_MS);
    takePlaced(this.shelf, this.root);
    await settleDisk(this.place);
  }

  private async another(): Promise<AnotherMount> {
    const stack = this.stack(`more-${this.mounts.length}`);
    const mounted = await this.mountOne(stack);
    await runClient(this.rig.client, mounted.mountpoint, ['list', 'warm/d000']);
    const end = async (): Promise<number> => {
      const ending = performance.now();
      await unmount(mounted);
      this.mounts.splice(this.mounts.indexOf(mounted), 1);
      return performance.now() - ending;
    };
    return { ms: mounted.readyMs, end };
  }

  bench(): Bench {
    const { rig, shelf, root } = this;
    const environment = scriptEnvironment(shelf.inputs);
    return {
      root,
      client: (...words) => runClient(rig.client, root, words),
      hold: (...words) => holdClient(rig.client, root, words),
      script: (text) => runClient(rig.client, root, ['run', 'bash', '-euc', text], environment),
      tool: (job, environment) => this.tool(job, environment),
      inputs: shelf.inputs,
      list: (name) => join(shelf.lists, name),
      cold: () => this.cold(),
      memory: () => this.mounts.reduce((sum, mounted) => sum + serverMemory(mounted), 0),
      another: () => this.another(),
    };
  }

  private async tool(job: ImageJob, environment: Readonly<Record<string, string>> = {}): Promise<ToolRun> {
    const script = this.competitor.jobs?.[job];
    if (script === undefined) throw new Error(`${this.competitor.id} does not ${job}`);
    const output = join(this.place, job);
    mkdirSync(output);
    await settleDisk(this.place);
    return runTool(script, { ...scriptEnvironment(this.shelf.inputs), ...environment, OUT: output });
  }

  private async cold(): Promise<void> {
    await settleDisk(this.place);
    if (root) writeFileSync('/proc/sys/vm/drop_caches', '2');
  }

  /** Takes everything down. Placed files go back to where the next sample takes them from. */
  async close(): Promise<void> {
    for (const mounted of [...this.mounts].reverse()) await unmount(mounted);
    const upper = join(this.place, 'first/upper');
    for (const name of placedNames(this.shelf, upper)) renameSync(join(upper, name), join(this.shelf.placed, name));
    await giveBackSpace(this.place);
  }
}

/** Only one sample has the placed files at a time, so what is missing on the shelf is in its upper. */
const PLACED = ['data'] as const;

function placedNames(shelf: Shelf, upper: string): string[] {
  return PLACED.filter((name) => existsSync(join(upper, name)) && !existsSync(join(shelf.placed, name)));
}

/** They are read once on the way: whatever dropped their pages since, a first read finds them in the host's cache. */
function takePlaced({ placed }: Shelf, to: string): void {
  for (const name of readdirSync(placed)) {
    renameSync(join(placed, name), join(to, name));
    readThrough(join(to, name));
  }
}

function readThrough(path: string): void {
  const block = Buffer.allocUnsafe(1 << 20);
  const fd = openSync(path, 'r');
  while (readSync(fd, block) > 0);
  closeSync(fd);
}

/**
 * Frees the blocks of big files and deletes nothing before the end of the run: ext4 passes over inodes deleted
 * in the last seconds one by one, so deleting one sample's files would slow down the next sample's creates.
 */
async function giveBackSpace(place: string): Promise<void> {
  const args = [place, '-xdev', '-type', 'f', '-size', '+512k', '-exec', 'truncate', '-s', '0', '{}', '+'];
  await run({ file: 'find', args }, LIMIT_MS);
}

async function inFreshSite<T>(
  rig: Rig,
  competitor: Competitor,
  row: Case,
  body: (site: Site) => Promise<T>,
): Promise<T> {
  const shelf = await rig.stacks.of(row);
  counter += 1;
  const place = join(shelf.ground, `run-${counter}`);
  mkdirSync(place);
  const site = new Site(rig, competitor, shelf, place, row.upperless !== true);
  try {
    if (row.job !== undefined) site.root = place;
    else if (competitor.mount === undefined) await site.openHost(row.writes === true);
    else await site.openUnion();
    return await body(site);
  } finally {
    await site.close();
  }
}

/** One figure of one case for one competitor. */
export async function sample(rig: Rig, competitor: Competitor, row: Case): Promise<number> {
  return inFreshSite(rig, competitor, row, async (site) => {
    const unserved = site.mounts.some(({ servers }) => servers.length === 0);
    if (row.of === 'server' && unserved) throw new Error('its server process was not found');
    return row.run(site.bench());
  });
}

/** Mounts once and lists the top: undefined when it works, else why it does not. */
export async function trial(rig: Rig, competitor: Competitor, row: Case): Promise<string | undefined> {
  try {
    await inFreshSite(rig, competitor, row, (site) => site.bench().client('walk', 'warm'));
    return undefined;
  } catch (error) {
    return `does not mount: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** Whether the case means anything for the competitor. */
export function applies(competitor: Competitor, row: Case): boolean {
  if (row.job !== undefined) return competitor.jobs?.[row.job] !== undefined;
  if (competitor.jobs !== undefined && competitor.mount === undefined) return false;
  if (row.of === 'server') return competitor.role !== 'host' && competitor.role !== 'kernel';
  if (row.of === 'union' && competitor.role === 'host') return false;
  if (row.writes === true && competitor.readsOnly === true) return false;
  if (competitor.families?.includes(row.family) === false) return false;
  return row.redirects !== true || competitor.redirects === true;
}

/** Why nobody can do this case here, or undefined: a missing tool, a filesystem that cannot be made. */
export async function obstacle(rig: Rig, row: Case): Promise<string | undefined> {
  const missing = (row.tools ?? []).filter((tool) => !isInstalled(tool));
  if (missing.length > 0) return `not installed: ${missing.join(', ')}`;
  try {
    await rig.stacks.of(row);
    return undefined;
  } catch (error) {
    return `cannot be set up: ${error instanceof Error ? error.message : String(error)}`;
  }
}
