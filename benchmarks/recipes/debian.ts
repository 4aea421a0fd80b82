// The names of a Debian root filesystem: what the required, important and standard packages of this host's dpkg installed.
// Names alone, without content, dealt out to the layers as images do: what lies in one directory comes mostly from one layer.

import { mkdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { run } from '../process.js';
import { type Recipe, writeEmpty, writeList } from './recipe.js';
import { writeWarm } from './trees.js';

const LIMIT_MS = 60_000;
const PRIORITIES = new Set(['required', 'important', 'standard']);

async function query(...args: string[]): Promise<string> {
  return run({ file: 'dpkg-query', args }, LIMIT_MS);
}

/** Paths below /, directories included, without duplicates. */
async function installedPaths(): Promise<Set<string>> {
  const shown = await query('--show', '--showformat', `\${binary:Package} \${Priority}\\n`);
  const lines = shown.split('\n').map((line) => line.split(' ') as [string, string]);
  const packages = lines.filter(([, priority]) => PRIORITIES.has(priority)).map(([name]) => name);
  if (packages.length === 0) throw new Error('dpkg knows no installed packages');
  const paths = (await query('--listfiles', ...packages)).split('\n');
  return new Set(paths.filter((path) => path.startsWith('/') && path !== '/.' && !path.includes(' ')));
}

/** A small number that depends on the text alone. */
function spread(text: string): number {
  let hash = 0;
  for (const character of text) hash = (hash * 31 + character.charCodeAt(0)) >>> 0;
  return hash;
}

export function debianNames(layers: number): Recipe {
  return {
    key: `Debian's names in ${layers}`,
    layers,
    make: async (kitchen) => {
      const paths = await installedPaths();
      const directories = new Set([...paths].map((path) => dirname(path)));
      const files = [...paths].filter((path) => !directories.has(path));
      writeWarm(kitchen);
      for (const [index, path] of files.entries()) {
        // Every tenth file was replaced by another layer than its neighbours'.
        const seed = index % 10 === 0 ? path : dirname(path);
        const place = join(kitchen.layers[spread(seed) % layers] as string, 'root', dirname(path));
        mkdirSync(place, { recursive: true });
        writeEmpty(join(place, basename(path)));
      }
      writeList(
        kitchen,
        'root',
        files.map((path) => `root${path}`),
      );
    },
  };
}
