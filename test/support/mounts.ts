// One mount for one test: makes the layers, mounts, lends clients, unmounts, and proves that
// nothing leaked and that no lower layer changed. A watchdog ends a mount that hangs.

import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Test } from 'tap';
import { Agent } from './agent.js';
import { type Config, missing } from './configs.js';
import { eventually, sleep } from './expect.js';
import { type Ground, makeGround } from './ground.js';
import { freshDirectory } from './paths.js';
import {
  dropCaches,
  forceUnmount,
  isMounted,
  type Layers,
  mountReadOnly,
  type Server,
  startServer,
  unmountBelow,
} from './server.js';
import { type Comparison, checksumTree, readTree, type TreeSpec } from './tree.js';

/** A server has long heard by then what the kernel forgot, milliseconds. */
const FORGETTING = 100;

export interface Setup {
  readonly config: Config;
  /** Top first. */
  readonly lowers: readonly TreeSpec[];
  /** What the upper holds at the start; null for a read-only mount without one. */
  readonly upper?: TreeSpec | null;
  readonly options?: string;
  /** Directories that stand there already, below the other lowers. */
  readonly extraLowers?: readonly string[];
  /** Indices of the lowers that get a filesystem (tmpfs) of their own. */
  readonly tmpfs?: readonly number[];
  /** The test itself changes the lowers beneath the mount. */
  readonly changesLowers?: true;
  /** Mounts the filesystem that upper and workdir lie on. */
  readonly filesystem?: (path: string) => Promise<void>;
  /** When the watchdog ends the mount, ms. */
  readonly timeout?: number;
}

/** What the server says of itself on SIGUSR1. */
export interface Stats {
  readonly nodes: number;
  readonly handles: number;
  readonly backingIds: number;
  readonly fds: number;
  readonly attached: number;
  /** Handles that nobody has open. */
  readonly idle?: number;
  /** LOOKUPs that the data plane answered: there is no such name. */
  readonly missed?: number;
  /** LOOKUPs that the data plane answered, and names that it listed with their attributes: files of lowers. */
  readonly found?: number;
  /** Names that the data plane made, and that it removed. */
  readonly created?: number;
  readonly removed?: number;
  /** Directories that the data plane entered. */
  readonly entered?: number;
  /** First OPENs that the data plane answered. */
  readonly opened?: number;
  readonly assertions: number;
}

/** A plain user has no clients that are somebody else. */
export class NoOtherUser extends Error {}

/** A mount and its clients, as a test sees it. */
export class Mounted {
  readonly layers: Layers;
  readonly config: Config;
  readonly base: string;
  #server: Server | undefined;
  readonly #clients: Agent[] = [];
  #client: Agent | undefined;
  readonly #setup: Setup;

  constructor(setup: Setup, base: string, layers: Layers) {
    this.#setup = setup;
    this.config = setup.config;
    this.base = base;
    this.layers = layers;
  }

  /** The mountpoint. */
  get root(): string {
    return this.layers.mountpoint;
  }

  get expects(): 'union' | 'plain' {
    return this.config.kind === 'host' ? 'plain' : 'union';
  }

  /** The upper on the host. */
  get upper(): string {
    if (this.layers.upper === undefined) throw new Error('this mount has no upper');
    return this.layers.upper;
  }

  get lower(): string {
    return this.layers.lowers[0] as string;
  }

  get server(): Server {
    if (this.#server === undefined) throw new Error('not mounted');
    return this.#server;
  }

  /** The first client, root, in the mount's root. */
  get client(): Agent {
    if (this.#client === undefined) throw new Error('not mounted');
    return this.#client;
  }

  /** One more client, in `path` below the root. */
  async newClient(path = '.', uid = 0, gid = uid): Promise<Agent> {
    const agent = await Agent.start(join(this.root, path));
    this.#clients.push(agent);
    if (uid !== 0 && (await agent.setids(uid, gid)) < 0) throw new NoOtherUser(`no client may be user ${uid} here`);
    return agent;
  }

  /** `env` is added to the server's environment. */
  async mount(env: Readonly<Record<string, string>> = {}): Promise<void> {
    const { config, options } = this.#setup;
    const joined = [config.options, options].filter(Boolean).join(',');
    const all = { STRATAFS_STATS: this.#statsFile, ...env };
    this.#server = await startServer({ ...config, options: joined }, this.layers, all);
    this.#client = await this.newClient();
  }

  async stopClients(): Promise<void> {
    await Promise.all(this.#clients.splice(0).map((agent) => agent.stop()));
    this.#client = undefined;
  }

  /** Unmounts; the server's exit code, null when it was killed. */
  async unmount(): Promise<number | null> {
    await this.stopClients();
    const server = this.server;
    this.#server = undefined;
    const ending = await server.stop();
    return ending.code;
  }

  async remount(): Promise<void> {
    if (this.config.kind === 'host') {
      await this.stopClients();
      this.#client = await this.newClient();
      return;
    }
    const code = await this.unmount();
    if (code !== 0) throw new Error(`server ended with ${code} at a remount`);
    await this.mount();
  }

  /** kill -9 to the server, the dead mount detached, the clients ended. */
  async crash(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    for (const agent of this.#clients) agent.kill();
    await server?.kill();
    await this.stopClients();
  }

  get alive(): boolean {
    return this.#server !== undefined;
  }

  /** The kernel drops its inodes of this mount, and of those beneath what it lies on, which are held from above until then. */
  async forget(): Promise<void> {
    await dropCaches();
    for (let ground = this.config.on?.config.on; ground !== undefined; ground = ground.config.on) {
      await sleep(FORGETTING);
      await dropCaches();
    }
  }

  get #statsFile(): string {
    return join(this.base, 'stats');
  }

  /** A fresh line of the server's numbers. */
  async stats(): Promise<Stats> {
    const lines = (): string[] =>
      existsSync(this.#statsFile) ? readFileSync(this.#statsFile, 'utf8').split('\n').filter(Boolean) : [];
    const before = lines().length;
    process.kill(this.server.pid as number, 'SIGUSR1');
    if (!(await eventually(() => lines().length > before))) throw new Error('the server wrote no statistics');
    return JSON.parse(lines().at(-1) as string) as Stats;
  }

  /** What kernel overlayfs shows of the same layers; only sound while the mount is idle or ended. */
  async kernelTree(how: Comparison = {}): Promise<Record<string, string>> {
    const path = join(this.base, 'kernel-view');
    await mkdir(path, { recursive: true });
    await mountReadOnly(this.layers, path);
    try {
      return await readTree(path, how);
    } finally {
      await forceUnmount(path);
    }
  }

  /** The mount's own tree. */
  tree(how: Comparison = {}, path = '.'): Promise<Record<string, string>> {
    return readTree(path, how, this.client);
  }
}

/** Nobody has a file open: what there is stays idle for further opens. */
export function nothingOpen({ handles, backingIds, attached, idle = 0 }: Stats): boolean {
  return handles === idle && backingIds <= idle && attached === idle;
}

/** Handles and backing ids go with the last close, which the kernel sends later. */
async function checkLeaks(t: Test, m: Mounted): Promise<void> {
  if (m.config.kind !== 'stratafs') return;
  let last = await m.stats();
  const settled = await eventually(async () => {
    last = await m.stats();
    return nothingOpen(last);
  }, 3000);
  t.ok(settled, 'no handle, backing id or descriptor is left', { stats: last });
  t.equal(last.assertions, 0, 'no assertion failed in the server');
}

async function finish(t: Test, m: Mounted, ground: Ground, sums: readonly string[] | null): Promise<void> {
  if (m.alive) {
    await m.stopClients();
    await checkLeaks(t, m);
    const noise = m.config.kind === 'stratafs' ? m.server.stderr() : '';
    const code = await m.unmount();
    t.equal(code, 0, 'the server ends with 0');
    if (/error:/.test(noise)) t.comment(`server said: ${noise.slice(0, 2000)}`);
  }
  t.notOk(isMounted(m.root), 'nothing is mounted any more');
  const now = sums && (await Promise.all(m.layers.lowers.map(checksumTree)));
  t.same(now, sums, 'the lower layers are what they were');
  for (const code of await ground.end()) t.equal(code, 0, 'the server beneath ends with 0');
}

/** Runs `body` on a fresh mount; skips when this host lacks what the configuration needs. */
export async function withMount(t: Test, setup: Setup, body: (m: Mounted) => Promise<void>): Promise<void> {
  const reason = missing(setup.config);
  if (reason !== undefined) return t.comment(`${setup.config.name}: ${reason}`);
  const base = freshDirectory(setup.config.name);
  await chmod(base, 0o755);
  const { lowers, upper = {}, tmpfs = [], extraLowers = [], filesystem } = setup;
  const ground = await makeGround(setup.config, { lowers, upper, tmpfs, extraLowers, filesystem }, base);
  const m = new Mounted(setup, base, ground.layers);
  const sums = await Promise.all(m.layers.lowers.map(checksumTree));
  const watchdog = setTimeout(() => {
    t.fail(`${setup.config.name}: the watchdog ended the mount`);
    void m.crash();
  }, setup.timeout ?? 50_000);
  try {
    await m.mount();
    await body(m);
    await finish(t, m, ground, setup.changesLowers === true ? null : sums);
  } finally {
    clearTimeout(watchdog);
    if (m.alive) await m.crash();
    await m.stopClients();
    await ground.kill();
    await unmountBelow(base);
    await rm(base, { recursive: true, force: true });
  }
}

/** `body` on each configuration, each a subtest of its own. */
export async function onEach(
  t: Test,
  configs: readonly Config[],
  setup: Omit<Setup, 'config'>,
  body: (m: Mounted, t: Test) => Promise<void>,
): Promise<void> {
  for (const config of configs) {
    const reason = missing(config);
    await t.test(config.name, reason === undefined ? {} : { skip: reason }, (t) =>
      withMount(t, { ...setup, config }, (m) => body(m, t)),
    );
  }
}
