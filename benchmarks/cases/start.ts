// Family start: from the command to the first answer, what an idle mount holds, and from umount to the server's end.

import { tree, warmOnly } from '../recipes/trees.js';
import type { Bench, Case, Scale } from './case.js';

async function mountTime(bench: Bench): Promise<number> {
  const mount = await bench.another();
  await mount.end();
  return mount.ms;
}

async function unmountTime(bench: Bench): Promise<number> {
  const mount = await bench.another();
  return mount.end();
}

async function idle(bench: Bench): Promise<number> {
  await bench.client('list', 'warm/d000');
  return bench.memory() / 1e6;
}

export function startCases(scale: Scale): Case[] {
  const recipe = warmOnly(scale.layers);
  return [
    { name: 'mount to ready', family: 'start', unit: 'ms', recipe, of: 'union', run: mountTime, quick: true },
    {
      name: 'mount to ready, 200 layers',
      family: 'start',
      unit: 'ms',
      recipe: tree(200, 20, 50),
      of: 'union',
      run: mountTime,
    },
    { name: 'unmount', family: 'start', unit: 'ms', recipe, of: 'union', run: unmountTime },
    { name: 'memory, idle mount', family: 'start', unit: 'MB', recipe, of: 'server', run: idle, quick: true },
  ];
}
