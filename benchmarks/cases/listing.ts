// Family listing: readdir alone and readdir with lstat of every entry, per entry; by size, by layers, and over the names of a
// Debian root filesystem that is dealt out to layers as images do.

import { debianNames } from '../recipes/debian.js';
import type { Recipe } from '../recipes/recipe.js';
import { largeDirectory, tree } from '../recipes/trees.js';
import { type Bench, type Case, microsecondsPerOp, plural, type Scale } from './case.js';
import { inQuick } from './lookup.js';

function row(name: string, recipe: Recipe, run: Case['run'], more: Partial<Case> = {}): Case {
  return { name, family: 'listing', unit: 'us/op', recipe, run, ...more };
}

function cold(command: 'list' | 'walk', directory: string): Case['run'] {
  return async (bench: Bench) => {
    await bench.client(command, 'warm');
    await bench.cold();
    return microsecondsPerOp(await bench.client(command, directory));
  };
}

function hot(command: 'list' | 'walk', directory: string): Case['run'] {
  return async (bench: Bench) => {
    await bench.client(command, directory);
    return microsecondsPerOp(await bench.client(command, directory));
  };
}

export function listingCases(scale: Scale): Case[] {
  const base = tree(scale.layers, scale.directories, scale.filesPerDirectory);
  const bySize = [10, 1000, 100_000].map((entries) =>
    row(
      `readdir+stat, cold, ${plural(entries, 'entry')}`,
      largeDirectory(scale.layers, entries),
      cold('walk', 'large'),
      { axis: { line: 'readdir+stat, cold, by entries', of: 'entries', value: entries } },
    ),
  );
  const byLayers = [1, 10, 50, 200, 500].map((layers) =>
    row(`readdir, cold, ${plural(layers, 'layer')}`, tree(layers, 20, 50), cold('list', 'tree'), {
      axis: { line: 'readdir, cold, by layers', of: 'layers', value: layers },
    }),
  );
  const find = [1, 20, 128].map((layers) =>
    row(`find over Debian's names, ${plural(layers, 'layer')}`, debianNames(layers), cold('list', 'root'), {
      axis: { line: "find over Debian's names, by layers", of: 'layers', value: layers },
      tools: ['dpkg-query'],
    }),
  );
  return [
    row('readdir, cold', base, cold('list', 'tree')),
    row('readdir, hot', base, hot('list', 'tree')),
    row('readdir+stat, cold', base, cold('walk', 'tree'), { quick: true }),
    row('readdir+stat, hot', base, hot('walk', 'tree')),
    ...bySize,
    ...byLayers,
    ...find.map(inQuick(20)),
  ];
}
