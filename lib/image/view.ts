// An upper seen twice: merged with its lowers, and the lowers alone. Both are read-only unions in this process; nothing
// is mounted, and nothing in a layer is changed.

import { check } from '../sys/check.js';
import { O_DIRECTORY, O_RDONLY } from '../sys/constants.js';
import { jobs, type Syscalls } from '../sys/syscalls.js';
import { assembleUnion, dissolveUnion } from '../union/assemble.js';
import type { LayerDir } from '../union/dir-fds.js';
import type { DirNode } from '../union/inode.js';
import type { Layer } from '../union/layers.js';
import { defaultOptions, type MountOptions } from '../union/options.js';
import type { DataPlane, Staleness, Union } from '../union/union.js';

/** What an upper and its lowers are: paths as byte strings. */
export interface LayerSource {
  readonly upper: string;
  /** Top first; empty where they are not known, or there are none. */
  readonly lowers: readonly string[];
  /** Lowers below those that hold only data. */
  readonly dataLowers?: readonly string[];
  /** Where WORK/index tells which lower files with several names have changed. */
  readonly workdir?: string | null;
}

/** Nothing is opened for users, so no data goes anywhere. */
const noPlane: DataPlane = {
  attach: () => 0,
  swap: () => 0,
  detach: () => 0,
  stand: () => undefined,
  withdraw: () => false,
  reclaim: () => 0,
  mirror: () => 0,
  mirrorDirectory: () => undefined,
  unmirror: () => undefined,
  hide: () => undefined,
  serveRows: () => undefined,
  endRows: () => undefined,
  dropRows: () => undefined,
  putRows: () => 0,
  allowRows: () => undefined,
  rowsIn: () => 0,
  takeRows: () => null,
  liveRows: () => 0,
  allowLinks: () => undefined,
  ownLinks: () => undefined,
  linkedNode: () => 0,
  ledTo: () => 0,
  takeLinks: () => null,
  takeOpen: () => null,
  nodeOfOpen: () => 0,
  openRows: () => new Float64Array(0),
  beginListing: () => true,
  fillsListing: () => true,
  askedIn: () => undefined,
  listed: () => undefined,
  backingOpen: () => 0,
  backingClose: () => 0,
};
const nobodyCaches: Staleness = { attributes: () => undefined };

/** What a union that reads is made of. */
type Layers = Partial<Pick<MountOptions, 'upper' | 'workdir' | 'lowers' | 'dataLowers'>>;

/** A union that only reads. */
export function openReadOnly(sys: Syscalls, layers: Layers): Promise<Union> {
  const index = layers.workdir != null;
  const options = { ...defaultOptions(), ...layers, index, readOnly: true, passthrough: 'off' as const };
  return assembleUnion(sys, jobs, options, noPlane, nobodyCaches);
}

export interface View {
  readonly merged: Union;
  /** The lowers alone; null where none are known. */
  readonly lower: Union | null;
  readonly upper: Layer;
}

export async function openView(sys: Syscalls, source: LayerSource): Promise<View> {
  const lowers = [...source.lowers];
  const dataLowers = [...(source.dataLowers ?? [])];
  const { upper, workdir = null } = source;
  const merged = await openReadOnly(sys, { upper, workdir, lowers, dataLowers });
  try {
    const lower = lowers.length === 0 ? null : await openReadOnly(sys, { lowers, dataLowers });
    return { merged, lower, upper: merged.layers[0] as Layer };
  } catch (error) {
    dissolveUnion(merged);
    throw error;
  }
}

export function closeView({ merged, lower }: View): void {
  dissolveUnion(merged);
  if (lower !== null) dissolveUnion(lower);
}

function isSame(a: LayerDir | undefined, b: LayerDir | undefined): boolean {
  let [left, right] = [a, b];
  while (left != null && right != null) {
    if (left.layer.path !== right.layer.path || left.name !== right.name) return false;
    [left, right] = [left.parent ?? undefined, right.parent ?? undefined];
  }
  return left === right;
}

/** Whether `merged` adds to what the lowers alone show as `lower`: nothing cut that off, or led it elsewhere. Both are settled. */
export function continues(view: View, merged: DirNode, lower: DirNode | null): boolean {
  const [top, ...rest] = merged.stack;
  if (lower === null || top === undefined) return false;
  const beneath = top.layer === view.upper ? rest : merged.stack;
  return beneath.length === lower.stack.length && beneath.every((part, at) => isSame(part, lower.stack[at]));
}

/** A descriptor of the directory at `path`; for roots only. */
export function openRoot(sys: Syscalls, path: string, what: string): number {
  return check(sys.openPath(path, O_RDONLY | O_DIRECTORY), what);
}
