// One sequence from its plan: fresh layers, a plain copy of their merged tree, the same operations on
// both, and what kernel overlayfs shows of the layers afterwards. Throws Divergence where they part.

import { execFile } from 'node:child_process';
import { chmodSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual, promisify } from 'node:util';
import { hostAgent } from '../agent.js';
import { S, shownResult } from '../linux.js';
import { freshDirectory } from '../paths.js';
import { isMounted, type Layers, layerOptions } from '../server.js';
import { type Comparison, checksumTree, differences, type Entry, makeTree, readTree, walkTree } from '../tree.js';
import type { Bench } from './bench.js';
import type { Known } from './names.js';
import { brief, noticeable, timeless } from './noticed.js';
import type { Operation } from './operation.js';
import { FORGET, type Phase, type Plan, planText, SEAL } from './plan.js';
import { World } from './world.js';

const run = promisify(execFile);
const MS_RDONLY = 1;
const MS_REMOUNT = 32;
const MS_NOATIME = 1024;
const MNT_DETACH = 2;
const TIMEOUT_MS = 60_000;

/** A walk of the tree serves so many operations. */
const SEEN_FOR = 6;

/** Where two worlds went apart: the plan, the operations up to there, and both answers. */
export class Divergence extends Error {
  override readonly name = 'Divergence';
  /** What it is about, without the numbers of this run. */
  readonly what: string;
  /** The plan with the operations that it ran. */
  readonly plan: Plan;

  constructor(plan: Plan, log: readonly string[], what: string, found: unknown, wanted: unknown) {
    const history = log.slice(-40).join('\n  ');
    const lines = [planText(plan), `  ${history}`, what, `found  ${brief(found)}`, `wanted ${brief(wanted)}`];
    super(lines.join('\n'));
    this.what = what;
    this.plan = plan;
  }
}

/** Runs `plan` from layers to the last comparison. */
export async function runPlan(bench: Bench, plan: Plan): Promise<void> {
  const sequence = new Sequence(bench, plan, freshDirectory('oracle'));
  try {
    await sequence.run();
  } finally {
    await sequence.clean();
  }
}

class Sequence {
  readonly #bench: Bench;
  readonly #plan: Plan;
  readonly #base: string;
  readonly #log: string[] = [];
  readonly #mount: World;
  readonly #plain: World;
  readonly #sums = new Map<string, string>();
  #lowers: string[] = [];
  #uppers = 0;
  #upperName = 'upper';
  /** How many of the first lowers were sealed while they were mounted. */
  #sealed = 0;
  /** Whether anything has been mounted with this upper. */
  #upperUsed = false;
  /** What the layers must show; undefined when only kernel overlayfs can tell. */
  #shown: Record<string, string> | undefined;
  #late = false;
  /** What each phase ran. */
  readonly #ran: Operation[][] = [];
  #known: Known | undefined;

  constructor(bench: Bench, plan: Plan, base: string) {
    this.#bench = bench;
    this.#plan = plan;
    this.#base = base;
    this.#mount = new World(bench.mount);
    this.#plain = new World(bench.plain);
  }

  async run(): Promise<void> {
    const watchdog = setTimeout(() => {
      this.#late = true;
      this.#bench.server.kill();
    }, TIMEOUT_MS);
    try {
      await this.#makeLayers();
      for (const phase of this.#plan.phases) await this.#phase(phase);
      await this.#last();
    } catch (error) {
      if (this.#late) this.#apart(`no end within ${TIMEOUT_MS} ms`, String(error), '');
      if (error instanceof Divergence) throw error;
      this.#apart(`an exception: ${String(error).replaceAll(this.#base, '…')}`, '', '');
    } finally {
      clearTimeout(watchdog);
    }
  }

  #apart(what: string, found: unknown, wanted: unknown): never {
    const phases = this.#plan.phases.map((phase, i) => ({ ...phase, operations: this.#ran[i] ?? [] }));
    throw new Divergence({ ...this.#plan, phases }, this.#log, what, found, wanted);
  }

  get #layers(): Layers {
    const at = join(this.#base, `u${this.#uppers}`);
    return {
      lowers: this.#lowers,
      upper: join(at, this.#upperName),
      work: join(at, 'work'),
      mountpoint: this.#at('merged'),
    };
  }

  #at(name: string): string {
    return join(this.#base, name);
  }

  /** Times after this moment are no longer compared to the nanosecond. */
  get #how(): Comparison {
    return { xattrs: 'all', since: this.#plain.since };
  }

  async #makeLayers(): Promise<void> {
    chmodSync(this.#base, 0o755);
    for (const name of ['merged', 'plain', 'kernel', 'empty']) mkdirSync(this.#at(name));
    utimesSync(this.#at('empty'), 1, 1);
    this.#lowers = this.#plan.layers.map((_spec, i) => this.#at(`l${i}`));
    for (const [i, spec] of this.#plan.layers.entries()) {
      const path = this.#lowers[i] as string;
      mkdirSync(path);
      await makeTree(path, spec);
      this.#sums.set(path, await checksumTree(path));
    }
    this.#newUpper();
  }

  #newUpper(): void {
    this.#uppers += 1;
    this.#upperName = 'upper';
    this.#sealed = 0;
    mkdirSync(this.#layers.upper as string, { recursive: true });
    mkdirSync(this.#layers.work as string);
    // The root as the empty layer shows it.
    utimesSync(this.#layers.upper as string, 1, 1);
    this.#upperUsed = false;
  }

  async #seal(): Promise<void> {
    const upper = this.#layers.upper as string;
    await (await hostAgent()).rmtree(this.#layers.work as string);
    this.#lowers = [upper, ...this.#lowers];
    this.#sums.set(upper, await checksumTree(upper));
    this.#newUpper();
    this.#log.push('seal');
  }

  async #phase(phase: Phase): Promise<void> {
    this.#ran.push([]);
    if (phase.seal) await this.#seal();
    if (phase.by === 'kernel') await this.#byKernel(phase);
    else await this.#byStratafs(phase);
  }

  /** The operations of a phase one after the other; those still to be drawn are drawn on what `world` shows. */
  async #operations(phase: Phase, world: World, run: (operation: Operation) => Promise<void>): Promise<void> {
    const ran = this.#ran.at(-1) as Operation[];
    const { operations } = phase;
    const count = typeof operations === 'number' ? operations : operations.length;
    for (let i = 0; i < count; i += 1) {
      const drawn = typeof operations === 'number' ? await this.#draw(world, i) : operations[i];
      ran.push(drawn as Operation);
      await run(drawn as Operation);
    }
  }

  async #draw(world: World, count: number): Promise<Operation> {
    if (count % SEEN_FOR === 0 || this.#known === undefined) {
      const entries = (await walkTree(world.agent)).filter((entry) => entry.path !== '.' && entry.path.length < 1000);
      const isDirectory = ({ mode }: { mode: number }): boolean => (mode & S.IFMT) === S.IFDIR;
      const paths = (some: readonly Entry[]): string[] => some.map((entry) => entry.path.slice(2));
      const [dirs, files] = [entries.filter(isDirectory), entries.filter((entry) => !isDirectory(entry))];
      this.#known = { dirs: paths(dirs), files: paths(files), slots: [], streams: [], maps: [] };
    }
    const held = { slots: [...world.slots.keys()], streams: [...world.streams.keys()], maps: [...world.maps.keys()] };
    return this.#plan.draw({ ...this.#known, ...held });
  }

  // --- kernel overlayfs

  /** A kernel overlay of the layers at `kernel`. The upper stays untouched if nothing used it yet. */
  async #mountKernel(flags: number): Promise<void> {
    const { redirectDir, index, metacopy } = this.#plan;
    const onOff = (value: boolean): string => (value ? 'on' : 'off');
    const features = `redirect_dir=${onOff(redirectDir)},index=${onOff(index)},metacopy=${onOff(metacopy)}`;
    const idle = flags === MS_RDONLY && !this.#upperUsed;
    const data = idle
      ? `lowerdir=${[this.#at('empty'), ...this.#lowers].join(':')}${metacopy ? ',redirect_dir=follow,metacopy=on' : ''}`
      : `${layerOptions(this.#layers)},${features}`;
    if (!idle) this.#upperUsed = true;
    const mounted = await (await hostAgent()).mount('overlay', this.#at('kernel'), 'overlay', flags, data);
    if (mounted < 0) this.#apart(`kernel overlayfs refuses the layers: ${data}`, mounted, 0);
  }

  async #unmountKernel(): Promise<void> {
    const gone = await (await hostAgent()).umount(this.#at('kernel'));
    if (gone < 0) throw new Error(`umount of the kernel's view: ${gone}`);
  }

  async #byKernel(phase: Phase): Promise<void> {
    await this.#mountKernel(0);
    await this.#compareShown('kernel overlayfs shows', await readTree(this.#at('kernel'), this.#how));
    const world = this.#mount;
    await world.agent.chdir(this.#at('kernel'));
    await this.#operations(phase, world, async (operation) => {
      this.#log.push(`kernel: ${operation.text} -> ${brief(await operation.run(world))}`);
    });
    await world.closeAll();
    await world.agent.chdir('/');
    await this.#unmountKernel();
    this.#shown = undefined;
  }

  /** Copies what kernel overlayfs shows, and remembers it. */
  async #copy(): Promise<void> {
    const host = await hostAgent();
    const before = this.#shown;
    const [since, plain] = [this.#at('since'), this.#at('plain')];
    writeFileSync(since, '');
    const st = await host.lstat(since);
    if (typeof st !== 'number') {
      this.#mount.since = st.mtime;
      this.#plain.since = st.mtime;
    }
    await host.rmtree(plain);
    mkdirSync(plain);
    await this.#mountKernel(MS_RDONLY);
    try {
      await run('cp', ['-a', `${this.#at('kernel')}/.`, plain], { timeout: 20_000 });
      const kernel = await readTree(this.#at('kernel'), this.#how);
      const apart = differences(await readTree(plain, this.#how), kernel);
      if (apart.length > 0) this.#apart('the plain copy is no copy', apart, []);
      this.#shown = kernel;
    } finally {
      await this.#unmountKernel();
    }
    if (before === undefined) return;
    const now = await readTree(plain, { xattrs: 'all' });
    const sealed = timeless(before, now);
    if (sealed.length > 0) this.#apart('kernel overlayfs shows, after sealing', sealed, []);
  }

  // --- stratafs

  #options(): string {
    const { redirectDir, index, metacopy, passthrough } = this.#plan;
    const onOff = (value: boolean): string => (value ? 'on' : 'off');
    return [
      layerOptions(this.#layers),
      `redirect_dir=${onOff(redirectDir)},index=${onOff(index)},metacopy=${onOff(metacopy)},passthrough=${passthrough}`,
      // Device nodes open here as they do in the plain copy.
      'dev,suid',
      ...(this.#plan.liveSeals ? [`sealed=${this.#sealed}`] : []),
    ].join(',');
  }

  async #mountStratafs(options: string): Promise<void> {
    await this.#bench.server.mount(this.#layers.mountpoint, options);
    this.#upperUsed = true;
    await this.#mount.agent.chdir(this.#layers.mountpoint);
  }

  async #unmountStratafs(): Promise<void> {
    await this.#mount.closeAll();
    await this.#mount.agent.chdir('/');
    const complaints = await this.#bench.server.unmount();
    if (complaints.length > 0) this.#apart('the server complains', complaints, []);
  }

  async #byStratafs(phase: Phase): Promise<void> {
    if (this.#shown === undefined || phase.seal) await this.#copy();
    await this.#mountStratafs(this.#options());
    await this.#plain.agent.chdir(this.#at('plain'));
    this.#log.push('mount');
    await this.#compareShown('the mount shows', await this.#tree(this.#mount));
    await this.#operations(phase, this.#plain, (operation) => this.#step(operation));
    await Promise.all([this.#mount.closeAll(), this.#plain.closeAll()]);
    await this.#compareTrees('the tree at the end');
    this.#log.push('unmount');
    await this.#unmountStratafs();
  }

  async #step(operation: Operation): Promise<void> {
    if (operation === FORGET) return this.#forget();
    if (operation === SEAL) return this.#sealLive();
    const refusal = this.#refusal(operation);
    if (refusal !== undefined) return this.#perhapsRefused(operation, refusal);
    const [found, wanted] = await Promise.all([operation.run(this.#mount), operation.run(this.#plain)]);
    await this.#judge(operation, found, wanted);
  }

  /** A remount drops every name of this filesystem that nobody holds, and no other's. */
  async #forget(): Promise<void> {
    await this.#mount.agent.mount('', this.#layers.mountpoint, '', MS_REMOUNT | MS_NOATIME, '');
    this.#log.push(FORGET.text);
  }

  /** Nobody notices: the tree stays, numbers too, and so does what was sealed from then on. */
  async #sealLive(): Promise<void> {
    const upper = this.#layers.upper as string;
    const before = await noticeable(this.#mount.agent);
    const name = this.#upperName;
    const sealed = await this.#mount.agent.setxattr(this.#layers.mountpoint, 'trusted.stratafs.upper', name);
    this.#log.push(`${SEAL.text} ${name} -> ${brief(shownResult(sealed))}`);
    if (sealed < 0) {
      if (!['EBUSY', 'EXDEV'].includes(String(shownResult(sealed)))) this.#apart(SEAL.text, shownResult(sealed), 0);
      return;
    }
    this.#sealed += 1;
    this.#upperName = `upper-${this.#sealed}`;
    this.#lowers = [upper, ...this.#lowers];
    this.#sums.set(upper, await checksumTree(upper));
    const warm = differences(await noticeable(this.#mount.agent), before);
    if (warm.length > 0) this.#apart('the tree after sealing', warm, []);
    await this.#forget();
    const cold = differences(await noticeable(this.#mount.agent), before);
    if (cold.length > 0) this.#apart('the tree after sealing and forgetting', cold, []);
  }

  async #judge(operation: Operation, found: unknown, wanted: unknown): Promise<void> {
    this.#log.push(`${operation.text} -> ${brief(wanted)}`);
    if (!isDeepStrictEqual(found, wanted)) this.#apart(operation.text, found, wanted);
    if (this.#plan.stepwise) await this.#compareTrees(`the tree after ${operation.text}`);
  }

  /** The errors with which a union may refuse what a plain directory does; nothing has happened then. */
  #refusal(operation: Operation): string | undefined {
    // Without redirects a directory that is not all of the upper does not move.
    if (!this.#plan.redirectDir && operation.moves !== undefined) return 'EXDEV';
    // Who holds a file open for writing in passthrough could write it without its setuid bit going.
    return this.#plan.passthrough !== 'off' && operation.privileges ? 'ETXTBSY' : undefined;
  }

  async #perhapsRefused(operation: Operation, refusal: string): Promise<void> {
    const found = await operation.run(this.#mount);
    const moves = operation.moves ?? [];
    const stats = await Promise.all(moves.map((path) => this.#plain.agent.lstat(this.#plain.at(path))));
    const directory = stats.some((st) => typeof st !== 'number' && (st.mode & S.IFMT) === S.IFDIR);
    const refused = found === refusal && (moves.length === 0 || directory);
    if (!refused) return this.#judge(operation, found, await operation.run(this.#plain));
    this.#log.push(`${operation.text} -> ${refusal}, refused`);
  }

  /** The layers once more: read-only, and by kernel overlayfs for writing; no lower has changed. */
  async #last(): Promise<void> {
    await this.#mountStratafs(`${this.#options()},ro`);
    this.#log.push('mount read-only');
    await this.#compareShown('the read-only mount shows', await this.#tree(this.#mount));
    await this.#unmountStratafs();
    await this.#mountKernel(0);
    await this.#compareShown('kernel overlayfs shows', await readTree(this.#at('kernel'), this.#how));
    await this.#unmountKernel();
    for (const [path, sum] of this.#sums) {
      if ((await checksumTree(path)) !== sum) this.#apart('a lower layer changed', path, '');
    }
  }

  #tree(world: World): Promise<Record<string, string>> {
    return readTree('.', this.#how, world.agent);
  }

  async #compareShown(what: string, found: Record<string, string>): Promise<void> {
    if (this.#shown === undefined) return;
    const apart = differences(found, this.#shown);
    if (apart.length > 0) this.#apart(what, apart, []);
  }

  async #compareTrees(what: string): Promise<void> {
    this.#shown = await this.#tree(this.#plain);
    await this.#compareShown(what, await this.#tree(this.#mount));
  }

  /** Leaves nothing behind, however it ended. */
  async clean(): Promise<void> {
    for (const world of [this.#mount, this.#plain]) {
      await world.agent.fsids(0, 0);
      await world.closeAll();
      await world.agent.chdir('/');
    }
    const host = await hostAgent();
    if (isMounted(this.#at('merged'))) {
      await this.#bench.server.unmount();
      await host.umount(this.#at('merged'), MNT_DETACH);
    }
    if (isMounted(this.#at('kernel'))) await host.umount(this.#at('kernel'), MNT_DETACH);
    if (process.env.STRATAFS_ORACLE_KEEP === undefined) await host.rmtree(this.#base);
  }
}
