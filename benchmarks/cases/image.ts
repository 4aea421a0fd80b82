// Family image: what is done with layers as images, by stratafs and by the tools that people use for the same. Nothing is mounted.

import { imageInRegistry, imageOf } from '../recipes/image.js';
import { startRegistry } from '../registry.js';
import type { ToolRun } from '../tools.js';
import { type Bench, type Case, type Scale, sizeName } from './case.js';

const MEGABYTE = 1e6;

/** A pull while a registry runs beside it. */
async function pulled(bench: Bench): Promise<ToolRun> {
  const registry = await startRegistry(bench.inputs);
  try {
    return await bench.tool('pull', { REGISTRY: registry.host });
  } finally {
    await registry.end();
  }
}

export function imageCases(scale: Scale): Case[] {
  const [files, bytes] = scale.quick ? [1000, 32 << 20] : [20_000, 2 ** 30];
  const what = `${files.toLocaleString('en')} files, ${sizeName(bytes)}`;
  const plain = { family: 'image', once: true, recipe: imageOf(files, bytes) } as const;
  const remote = {
    ...plain,
    job: 'pull',
    recipe: imageInRegistry(files, bytes),
    tools: ['docker-registry', 'skopeo'],
  } as const;
  return [
    {
      ...plain,
      name: `commit of ${what}`,
      unit: 's',
      job: 'commit',
      quick: true,
      run: async (bench) => (await bench.tool('commit')).seconds,
    },
    {
      ...plain,
      name: `unpack of ${what}`,
      unit: 's',
      job: 'unpack',
      run: async (bench) => (await bench.tool('unpack')).seconds,
    },
    { ...remote, name: `pull of ${what}`, unit: 's', run: async (bench) => (await pulled(bench)).seconds },
    {
      ...remote,
      name: `pull of ${what}, memory`,
      unit: 'MB',
      run: async (bench) => (await pulled(bench)).peak / MEGABYTE,
    },
  ];
}
