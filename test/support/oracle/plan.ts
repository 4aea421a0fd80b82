// What one sequence is, all of it drawn from its seed: the layers, the mount's options, who serves them
// in which part, and the operations, which are drawn while they run, so that they meet what there is.

import { Random } from '../random.js';
import type { TreeSpec } from '../tree.js';
import { fdMakers, tmpfileMakers } from './fd-operations.js';
import { randomLayers } from './layers.js';
import { type Known, Paths } from './names.js';
import { asUser, type Operation } from './operation.js';
import { type Maker, pathMakers, type Source } from './path-operations.js';

/** What is between operations: the kernel forgets every name and inode that nobody uses. */
export const FORGET: Operation = { text: 'forget', run: async () => 'forgotten' };

/** The upper is sealed while it is mounted, and a fresh one takes its place. */
export const SEAL: Operation = { text: 'live seal', run: async () => 'sealed' };

/** One stretch of operations on one mount. */
export interface Phase {
  /**
   * On a mount by `kernel` operations only make layers: an open file there does not follow a
   * copy-up, so its answers are no plain directory's.
   */
  readonly by: 'stratafs' | 'kernel';
  /** The upper so far becomes a lower layer first, and the workdir goes. */
  readonly seal: boolean;
  /** How many operations to draw, or the operations of a sequence that has run before. */
  readonly operations: number | readonly Operation[];
}

export interface Plan {
  readonly seed: number;
  /** Top first. */
  readonly layers: readonly TreeSpec[];
  readonly redirectDir: boolean;
  readonly index: boolean;
  readonly metacopy: boolean;
  /** Not `all`, with which a descriptor does not follow a copy-up. */
  readonly passthrough: 'auto' | 'upper' | 'off';
  readonly phases: readonly Phase[];
  /** Some operations are sealings. */
  readonly liveSeals: boolean;
  /** Draws the next operation on what there is now. */
  readonly draw: (known: Known) => Operation;
  /** Compares the trees after each operation. */
  readonly stepwise: boolean;
}

export interface Size {
  /** Operations that are compared. */
  readonly operations: number;
  readonly stepwise?: boolean;
}

function drawer(table: readonly (readonly [number, Maker])[]): (s: Source) => Operation {
  const makers = table.flatMap(([weight, maker]) => Array<Maker>(weight).fill(maker));
  return (s) => s.r.pick(makers)(s);
}

const linkedMakers = drawer([...pathMakers, ...fdMakers, ...tmpfileMakers.linked]);
const singleMakers = drawer([...pathMakers, ...fdMakers, ...tmpfileMakers.single]);
const USERS = [1, 1000, 1001] as const;

function drawOperation(s: Source, known: Known): Operation {
  s.paths.known = known;
  if (s.r.once(50)) return FORGET;
  const operation = s.links ? linkedMakers(s) : singleMakers(s);
  const byUser = s.r.once(8) && (s.strangersWrite || operation.writes !== true);
  return byUser ? asUser(operation, s.r.pick(USERS)) : operation;
}

type Part = Omit<Phase, 'operations'>;
const ours: Part = { by: 'stratafs', seal: false };
const kernel: Part = { by: 'kernel', seal: false };
const sealed: Part = { by: 'stratafs', seal: true };

/** Who serves in turn. Consecutive parts on the same layers show what a remount keeps. */
const HISTORIES: readonly (readonly Part[])[] = [
  [ours],
  [ours, ours],
  [ours, ours, ours],
  [kernel, ours],
  [ours, kernel, ours],
  [kernel, ours, kernel, ours],
  [kernel, sealed],
  [ours, sealed],
  [kernel, sealed, ours],
  [ours, sealed, sealed],
  [kernel, { by: 'kernel', seal: true }, ours, sealed],
];

const LIVE = process.env.STRATAFS_ORACLE_LIVE !== undefined;

/** The sequence of `seed`, which can run once; what it drew comes back with a Divergence. */
export function planOf(seed: number, size: Size): Plan {
  const r = new Random(seed);
  const drawn = r.pick(HISTORIES);
  const history = LIVE ? [ours, ours] : drawn;
  const seals = history.some((part) => part.seal);
  const index = !r.once(4);
  const own = new Random(seed + 0x5ea1);
  // Kernel overlayfs with an index remembers the layers that an upper had.
  const liveSeals = index && history.every((part) => part === ours) && (LIVE || own.once(2));
  // Sealing breaks hard links that the index held, and a sealed file counts names that are hidden.
  const links = !seals;
  const passthrough = r.pick(['auto', 'upper', 'off'] as const);
  // To rename a sealed directory takes a redirect, which has its length.
  const paths = new Paths(r, { long: !seals && !liveSeals });
  const source: Source = { r, paths, links, strangersWrite: passthrough === 'off' };
  const share = Math.ceil(size.operations / history.filter((part) => part.by === 'stratafs').length);
  const kernelShare = Math.ceil(size.operations / 4);
  const redirectDir = !r.once(4);
  const layers = randomLayers(r, 1 + r.below(4), links && index);
  return {
    seed,
    layers,
    redirectDir,
    index,
    metacopy: redirectDir && r.once(2),
    passthrough,
    phases: history.map((part) => ({ ...part, operations: part.by === 'kernel' ? kernelShare : share })),
    liveSeals,
    draw: (known) => (liveSeals && own.once(30) ? SEAL : drawOperation(source, known)),
    stepwise: size.stepwise ?? false,
  };
}

/** The plan in one line. */
export function planText(plan: Plan): string {
  const count = ({ operations }: Phase): number => (typeof operations === 'number' ? operations : operations.length);
  const phases = plan.phases.map((phase) => `${phase.seal ? 'seal, ' : ''}${phase.by} ${count(phase)}`);
  const onOff = (value: boolean): string => (value ? 'on' : 'off');
  return [
    `seed ${plan.seed}: ${plan.layers.length} lowers`,
    `redirect_dir=${onOff(plan.redirectDir)},index=${onOff(plan.index)},metacopy=${onOff(plan.metacopy)}`,
    `passthrough=${plan.passthrough}${plan.liveSeals ? ', live seals' : ''}`,
    phases.join(' | '),
  ].join(', ');
}
