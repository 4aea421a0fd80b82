// Family namespace: names made, moved and removed. Paths are looked up before the clock starts; a first batch elsewhere
// warms the server.

import type { Recipe } from '../recipes/recipe.js';
import { blank, edits, tree } from '../recipes/trees.js';
import { type Bench, type Case, microsecondsPerOp, type Scale, seconds } from './case.js';
import { onLower } from './copy-up.js';

function row(name: string, recipe: Recipe, run: Case['run'], more: Partial<Case> = {}): Case {
  return { name, family: 'namespace', unit: 'us/op', recipe, writes: true, run, ...more };
}

async function prepared(bench: Bench, command: string): Promise<void> {
  await bench.client('mkdir', bench.list('new-root'));
  await bench.client(command, bench.list('new-warm'));
}

/** The same call over names of a directory that exists in the upper only. */
function onNew(command: string): Case['run'] {
  return async (bench) => {
    await prepared(bench, command);
    return microsecondsPerOp(await bench.client(command, bench.list('new')));
  };
}

/** The same call over files made in this mount. */
function onOwn(command: string): Case['run'] {
  return async (bench) => {
    await prepared(bench, 'create');
    await bench.client('create', bench.list('new'));
    await bench.client(command, bench.list('new-warm'));
    return microsecondsPerOp(await bench.client(command, bench.list('new')));
  };
}

async function renameMerged(bench: Bench): Promise<number> {
  await bench.client('rename', bench.list('warm-directories'));
  await bench.client('walk', 'tree');
  return microsecondsPerOp(await bench.client('rename', bench.list('tree-directories')));
}

async function removeLower(bench: Bench): Promise<number> {
  await bench.client('remove', 'warm');
  await bench.client('walk', 'tree');
  return seconds(await bench.client('remove', 'tree'));
}

export function namespaceCases(scale: Scale): Case[] {
  const fresh = blank(scale.layers, scale.creations);
  const lower = edits(scale.layers, scale.edits, 4096);
  const grid = tree(scale.layers, scale.directories, scale.filesPerDirectory);
  const merged: Recipe = { ...tree(scale.layers, 40, 10), options: 'redirect_dir=on' };
  const files = (scale.directories * scale.filesPerDirectory).toLocaleString('en');
  return [
    row('create', fresh, onNew('create'), { quick: true }),
    row('mkdir', fresh, onNew('mkdir')),
    row('symlink', fresh, onNew('symlink')),
    row('link', fresh, onOwn('link')),
    row('unlink, upper', fresh, onOwn('unlink')),
    row('unlink, lower (whiteout)', lower, onLower('unlink'), { quick: true }),
    row('rename, upper file', fresh, onOwn('rename')),
    row('rename, lower file', lower, onLower('rename'), { quick: true }),
    row('rename, merged directory', merged, renameMerged),
    row(`rm -rf of ${files} lower files`, grid, removeLower, { unit: 's' }),
  ];
}
