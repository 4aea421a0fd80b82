// Random layers, as trees. A whiteout or an opaque directory stands only where it hides something.

import type { Random } from '../random.js';
import { dir, file, hardlink, symlink, type TreeNode, type TreeSpec, whiteout } from '../tree.js';
import { NAMES } from './names.js';

type Children = Record<string, TreeNode>;

const ALL_NAMES = [...NAMES, '\xff\xfe'];

function randomFile(r: Random): TreeNode {
  const xattrs = r.once(4) ? { 'user.k': 'from a layer' } : {};
  const [mode, uid] = [r.pick([0o644, 0o600, 0o755, 0o4711, 0o666]), r.pick([0, 1, 1000, 1001])];
  if (r.once(8)) return { kind: 'sparse', size: 12_288 + r.below(9000), pieces: { 5000: 'in a hole' }, mode, uid };
  return file('lower '.repeat(r.below(900)), { mode, uid, gid: r.pick([0, 1000]), xattrs });
}

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

function randomDir(r: Random, depth: number, below: readonly TreeSpec[]): Children {
  const children: Children = {};
  for (const name of ALL_NAMES) {
    const kind = r.below(10);
    if (kind < 3 && depth > 0) {
      const merged = mergedBelow(below, name);
      const opaque = merged.length > 0 && r.once(4);
      const inside = randomDir(r, depth - 1, opaque ? [] : merged);
      const meta = { mode: r.pick([0o755, 0o700, 0o777, 0o2775]), uid: r.pick([0, 0, 1000]), gid: r.pick([0, 1000]) };
      children[name] = dir(inside, { ...meta, ...(opaque && { opaque: 'trusted' }) });
    } else if (kind < 5) children[name] = randomFile(r);
    else if (kind === 5) children[name] = symlink(r.once(3) ? `${r.pick(NAMES)}/${r.pick(NAMES)}` : r.pick(NAMES));
    else if (kind === 6 && shownBelow(below, name)) children[name] = whiteout();
  }
  return children;
}

/** `count` layers, top first; files with several names in the lowest one if `links`. */
export function randomLayers(r: Random, count: number, links: boolean): TreeSpec[] {
  const bottom = randomDir(r, 2, []);
  if (links) {
    bottom.h1 = file('linked\n', { mode: 0o644 });
    bottom.h2 = hardlink('h1');
    bottom.hd = dir({ h3: hardlink('h1') });
  }
  const layers: TreeSpec[] = [bottom];
  while (layers.length < count) layers.unshift(randomDir(r, 2, layers));
  return layers;
}
