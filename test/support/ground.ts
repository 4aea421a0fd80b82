// What a test's layers lie on: the host's own filesystem, or a mount of another filesystem under test,
// which may lie on yet another. Knows nothing of the mount that uses the layers.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from './configs.js';
import { forceUnmount, type Layers, mountTmpfs, type Server, startServer } from './server.js';
import { makeTree, type TreeSpec } from './tree.js';

/** The layers before they are made. */
export interface Plot {
  /** Top first. */
  readonly lowers: readonly TreeSpec[];
  readonly upper: TreeSpec | null;
  /** Indices of the lowers that get a filesystem (tmpfs) of their own. */
  readonly tmpfs: readonly number[];
  /** Layers that stand already, beneath the others. */
  readonly extraLowers?: readonly string[];
  /** Mounts what upper and workdir lie on. */
  readonly filesystem?: ((path: string) => Promise<void>) | undefined;
}

/** Layers that stand, and how what they lie on is taken away again. */
export interface Ground {
  readonly layers: Layers;
  /** Ends the mounts beneath; their servers' exit codes, the uppermost first. */
  end(): Promise<(number | null)[]>;
  /** Ends them without asking. */
  kill(): Promise<void>;
}

interface Site {
  readonly lower: string;
  readonly upper: string;
}

async function makeLayers(plot: Plot, site: Site, base: string): Promise<Layers> {
  const lowers: string[] = [];
  for (const [index, spec] of plot.lowers.entries()) {
    const path = join(site.lower, `lower${index}`);
    await mkdir(path);
    if (plot.tmpfs.includes(index)) await mountTmpfs(path);
    await makeTree(path, spec);
    lowers.push(path);
  }
  lowers.push(...(plot.extraLowers ?? []));
  const mountpoint = join(base, 'merged');
  await mkdir(mountpoint);
  if (plot.upper === null) return { lowers, mountpoint };
  const writable = join(site.upper, 'writable');
  await mkdir(writable);
  await plot.filesystem?.(writable);
  const upper = join(writable, 'upper');
  const work = join(writable, 'work');
  await mkdir(upper);
  await mkdir(work);
  await makeTree(upper, plot.upper);
  return { lowers, upper, work, mountpoint };
}

/** `path` as it is seen through the mount of a stack whose only lower is `beneath`. */
const seenThrough = (path: string, beneath: string, mountpoint: string): string =>
  path.startsWith(`${beneath}/`) ? mountpoint + path.slice(beneath.length) : path;

/** Makes the layers of `config` below `base`, on whatever they are to lie on. */
export async function makeGround(config: Config, plot: Plot, base: string): Promise<Ground> {
  const { on } = config;
  if (on === undefined) {
    const layers = await makeLayers(plot, { lower: base, upper: base }, base);
    return { layers, end: async () => [], kill: async () => undefined };
  }
  const room = join(base, 'ground');
  await mkdir(room);
  const under = await makeGround(on.config, { lowers: [{}], upper: {}, tmpfs: [] }, room);
  const beneath = under.layers.lowers[0] as string;
  const inside = on.prepared === 'inside';
  const there = inside ? under.layers.mountpoint : beneath;
  const site = { lower: on.layers === 'upper' ? base : there, upper: on.layers === 'lower' ? base : there };
  const mounting = (): Promise<Server> => startServer(on.config, under.layers);
  let server = inside ? await mounting() : undefined;
  const made = await makeLayers(plot, site, base);
  server ??= await mounting();
  const seen = (path: string): string => seenThrough(path, beneath, under.layers.mountpoint);
  const { upper, work } = made;
  return {
    layers: {
      lowers: made.lowers.map(seen),
      mountpoint: made.mountpoint,
      ...(upper !== undefined && work !== undefined && { upper: seen(upper), work: seen(work) }),
    },
    end: async () => [(await server.stop()).code, ...(await under.end())],
    kill: async () => {
      await server.kill();
      await forceUnmount(under.layers.mountpoint);
      await under.kill();
    },
  };
}
