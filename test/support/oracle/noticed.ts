// What is told of a result, and what of two trees is compared where not everything stays: after layers were sealed.

import type { Agent } from '../agent.js';
import { canonical, differences, walkTree } from '../tree.js';

export function brief(value: unknown): string {
  const text = JSON.stringify(value) ?? 'undefined';
  return text.length > 300 ? `${text.slice(0, 300)}… (${text.length})` : text;
}

/** Differences but for times, which were not all exact before, and for the root, which is new. */
export function timeless(before: Record<string, string>, now: Record<string, string>): string[] {
  const without = (tree: Record<string, string>): Record<string, string> => {
    const { '.': _root, ...rest } = tree;
    return Object.fromEntries(
      Object.entries(rest).map(([path, line]) => [path, line.replace(/ mtime (late|\d+)/, '')]),
    );
  };
  return differences(without(now), without(before));
}

/** All that users of one mount can see of its tree, inode numbers included. */
export async function noticeable(agent: Agent): Promise<Record<string, string>> {
  const entries = await walkTree(agent);
  const tree = canonical(entries, { xattrs: 'all' });
  return Object.fromEntries(entries.map(({ path, ino }) => [path, `${tree[path]} ino ${ino}`]));
}
