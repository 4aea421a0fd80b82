// Family lookup: names that are there and names that are not, cold and hot, and how the cost grows with the layers, the
// depth and the directory. The warm-up visits another subtree of the same mount.

import type { Recipe } from '../recipes/recipe.js';
import { chains, hardLinks, largeDirectory, redirects, tree } from '../recipes/trees.js';
import { type Bench, type Case, microsecondsPerOp, plural, type Scale } from './case.js';

type Pass = (bench: Bench, subtree: 'tree' | 'warm') => ReturnType<Bench['client']>;

const stat: Pass = (bench, subtree) => bench.client('stat', bench.list(subtree));
const missing: Pass = (bench, subtree) => bench.client('missing', bench.list(`${subtree}-missing`));

/** The first pass in a mount whose caches of names are empty. */
export function first(pass: Pass): Case['run'] {
  return async (bench) => {
    await pass(bench, 'warm');
    await bench.cold();
    return microsecondsPerOp(await pass(bench, 'tree'));
  };
}

/** The same pass once more. */
export function second(pass: Pass): Case['run'] {
  return async (bench) => {
    await pass(bench, 'tree');
    return microsecondsPerOp(await pass(bench, 'tree'));
  };
}

function row(name: string, recipe: Recipe, run: Case['run'], more: Partial<Case> = {}): Case {
  return { name, family: 'lookup', unit: 'us/op', recipe, run, ...more };
}

/** `1 layer`, `10 layers`, `depth 4`. */
function valueName(of: string, value: number): string {
  if (of === 'depth') return `depth ${value}`;
  return plural(value, of === 'entries' ? 'entry' : 'layer');
}

/** A cold pass for each value of what changes. */
function line(name: string, of: string, values: readonly number[], recipe: (value: number) => Recipe, pass: Pass) {
  return values.map((value) =>
    row(`${name}, ${valueName(of, value)}`, recipe(value), first(pass), {
      axis: { line: `${name}, by ${of}`, of, value },
    }),
  );
}

export function lookupCases(scale: Scale): Case[] {
  const base = tree(scale.layers, scale.directories, scale.filesPerDirectory);
  const layered = (layers: number): Recipe => tree(layers, 20, 50);
  const depths = (depth: number): Recipe => chains(scale.layers, depth);
  const sizes = (entries: number): Recipe => largeDirectory(scale.layers, entries);
  const quick = { quick: true };
  return [
    row('stat, cold', base, first(stat), quick),
    row('stat, hot', base, second(stat), quick),
    row('missing name, unique', base, first(missing), quick),
    row('missing name, repeated', base, second(missing)),
    row('stat of hard links, cold', hardLinks(scale.layers), first(stat)),
    row('stat through redirects, cold', redirects(20), first(stat), { redirects: true }),
    ...line('stat, cold', 'layers', [1, 10, 50, 200, 500], layered, stat).map(inQuick(1, 50)),
    ...line('missing name, unique', 'layers', [1, 10, 50, 200, 500], layered, missing),
    ...line('stat, cold', 'depth', [1, 4, 16, 64], depths, stat),
    ...line('stat, cold', 'entries', [10, 1000, 100_000], sizes, stat),
  ];
}

/** Marks these points of a line for --quick. */
export function inQuick(...values: readonly number[]): (row: Case) => Case {
  return (row) => (row.axis !== undefined && values.includes(row.axis.value) ? { ...row, quick: true } : row);
}
