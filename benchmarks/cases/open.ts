// Family open: small files opened, read whole and closed; python3 that imports 500 modules; a binary started over and over.

import { binary, pythonModules } from '../recipes/programs.js';
import { tree } from '../recipes/trees.js';
import { type Bench, type Case, microsecondsPerOp, milliseconds, type Scale } from './case.js';
import { first, second } from './lookup.js';

const openRead = (bench: Bench, subtree: 'tree' | 'warm') => bench.client('open-read', bench.list(subtree));

const importAll = (bench: Bench) => bench.script('exec python3 -B -S -E start.py');

export function openCases(scale: Scale): Case[] {
  const base = tree(scale.layers, scale.directories, scale.filesPerDirectory);
  const modules = { family: 'open', unit: 'ms', recipe: pythonModules(scale.layers, 500), tools: ['python3'] } as const;
  return [
    { name: 'open+read+close, cold', family: 'open', unit: 'us/op', recipe: base, run: first(openRead), quick: true },
    { name: 'open+read+close, again', family: 'open', unit: 'us/op', recipe: base, run: second(openRead) },
    {
      ...modules,
      name: 'python3 with 500 modules, cold',
      run: async (bench) => {
        await openRead(bench, 'warm');
        await bench.cold();
        return milliseconds(await importAll(bench));
      },
    },
    {
      ...modules,
      name: 'python3 with 500 modules, again',
      run: async (bench) => {
        await importAll(bench);
        return milliseconds(await importAll(bench));
      },
    },
    {
      name: 'exec of a binary',
      family: 'open',
      unit: 'us/op',
      recipe: binary(scale.layers),
      run: async (bench) => {
        await bench.client('spawn', 20, './client', 'true');
        return microsecondsPerOp(await bench.client('spawn', 200, './client', 'true'));
      },
    },
  ];
}
