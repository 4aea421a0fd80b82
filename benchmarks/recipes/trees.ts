// Recipes of plain trees: grids of small files dealt out to the layers, chains of directories, directories of many
// entries, big files. Every recipe that is read cold has a warm part, so that a cold row measures cold caches and not a
// server that has just started.

import { linkSync, mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bottomOf, type Kitchen, padded, type Recipe, range, writeBig, writeEmpty, writeList } from './recipe.js';

/** A grid of files: `name/dNNN/fNNN`. */
export interface Grid {
  readonly name: string;
  readonly directories: number;
  readonly files: number;
  readonly bytes: number;
}

const WARM: Grid = { name: 'warm', directories: 10, files: 20, bytes: 4096 };

function directoriesOf(grid: Grid): string[] {
  return range(grid.directories).map((index) => `${grid.name}/d${padded(index)}`);
}

export function filesOf(grid: Grid, prefix = 'f'): string[] {
  return directoriesOf(grid).flatMap((directory) =>
    range(grid.files).map((index) => `${directory}/${prefix}${padded(index)}`),
  );
}

/** Directories exist in every layer, files in one each, round-robin: the merge is real work. */
function writeGrid(kitchen: Kitchen, grid: Grid): void {
  for (const directory of directoriesOf(grid)) {
    for (const layer of kitchen.layers) mkdirSync(join(layer, directory), { recursive: true });
  }
  const content = Buffer.alloc(grid.bytes, 's');
  for (const [index, path] of filesOf(grid).entries()) {
    writeFileSync(join(kitchen.layers[index % kitchen.layers.length] as string, path), content);
  }
  writeList(kitchen, grid.name, filesOf(grid));
  writeList(kitchen, `${grid.name}-missing`, filesOf(grid, 'missing'));
  writeList(kitchen, `${grid.name}-directories`, directoriesOf(grid));
}

/** What warm-ups visit: list and directory `warm`. */
export function writeWarm(kitchen: Kitchen): void {
  writeGrid(kitchen, WARM);
}

/** The grid `tree` in `layers` layers, and a warm one. */
export function tree(layers: number, directories: number, files: number, bytes = 4096): Recipe {
  return {
    key: `tree of ${directories}x${files} in ${layers}, ${bytes} bytes`,
    layers,
    make: (kitchen) => {
      writeWarm(kitchen);
      writeGrid(kitchen, { name: 'tree', directories, files, bytes });
    },
  };
}

/** The warm grid alone. */
export function warmOnly(layers: number): Recipe {
  return { key: `warm in ${layers}`, layers, make: (kitchen) => writeWarm(kitchen) };
}

/** Files that will be changed: lists `edit` and `edit-warm`. */
export function edits(layers: number, count: number, bytes: number): Recipe {
  const grid = (name: string, files: number): Grid => {
    const inOne = Math.min(files, 50);
    return { name, directories: Math.ceil(files / inOne), files: inOne, bytes };
  };
  return {
    key: `${count} edits of ${bytes} in ${layers}`,
    layers,
    make: (kitchen) => {
      writeGrid(kitchen, grid('edit', count));
      writeGrid(kitchen, grid('edit-warm', Math.max(1, Math.floor(count / 5))));
    },
  };
}

/** Each of the edits lies below one chain of its own: `eNNN/a/a/…/file`. */
export function deepEdits(layers: number, count: number, depth: number): Recipe {
  const chain = Array(depth).fill('a').join('/');
  const paths = range(count).map((index) => `e${padded(index)}/${chain}/file`);
  const warm = range(20).map((index) => `w${padded(index)}/${chain}/file`);
  return {
    key: `${count} deep edits in ${layers}, depth ${depth}`,
    layers,
    make: (kitchen) => {
      for (const path of [...paths, ...warm]) writeBig(join(kitchen.layers.at(-1) as string, path), 4096);
      writeList(kitchen, 'edit', paths);
      writeList(kitchen, 'edit-warm', warm);
    },
  };
}

/** An almost empty lower, and names to create: lists `new-root`, `new` and `new-warm`. */
export function blank(layers: number, creations: number): Recipe {
  const names = (directory: string, many: number): string[] => range(many).map((index) => `${directory}/n${index}`);
  return {
    key: `blank with ${creations} names in ${layers}`,
    layers,
    make: (kitchen) => {
      writeWarm(kitchen);
      writeList(kitchen, 'new-root', ['new', 'new-warm']);
      writeList(kitchen, 'new', names('new', creations));
      writeList(kitchen, 'new-warm', names('new-warm', 100));
    },
  };
}

/** 50 chains of `depth` directories with ten files at the end of each, in every second layer. */
export function chains(layers: number, depth: number): Recipe {
  const paths = range(50).flatMap((chain) => {
    const directory = [`c${padded(chain)}`, ...Array<string>(depth - 1).fill('d')].join('/');
    return range(10).map((index) => `${directory}/f${index}`);
  });
  return {
    key: `chains of ${depth} in ${layers}`,
    layers,
    make: (kitchen) => {
      writeWarm(kitchen);
      for (const [index, path] of paths.entries()) {
        for (const layer of kitchen.layers) mkdirSync(join(layer, path, '..'), { recursive: true });
        writeEmpty(join(kitchen.layers[index % layers] as string, path));
      }
      writeList(kitchen, 'tree', paths);
    },
  };
}

/** One directory `large` of `entries` empty files, dealt out to the layers; the list `tree` has at most 1000 of them. */
export function largeDirectory(layers: number, entries: number): Recipe {
  const stride = Math.max(1, Math.floor(entries / 1000));
  return {
    key: `directory of ${entries} in ${layers}`,
    layers,
    make: (kitchen) => {
      writeWarm(kitchen);
      for (const layer of kitchen.layers) mkdirSync(join(layer, 'large'));
      for (const index of range(entries)) writeEmpty(join(kitchen.layers[index % layers] as string, `large/e${index}`));
      const some = range(Math.min(entries, 1000)).map((index) => `large/e${index * stride}`);
      writeList(kitchen, 'tree', some);
    },
  };
}

/** 1000 files of two names each in the bottom layer; the list has the second ones. */
export function hardLinks(layers: number): Recipe {
  const grid: Grid = { name: 'tree', directories: 20, files: 50, bytes: 4096 };
  return {
    key: `hard links in ${layers}`,
    layers,
    make: (kitchen) => {
      writeWarm(kitchen);
      writeGrid(kitchen, grid);
      for (const [index, path] of filesOf(grid).entries()) {
        const layer = kitchen.layers[index % layers] as string;
        linkSync(join(layer, path), join(layer, `${path}.second`));
      }
      writeList(
        kitchen,
        'tree',
        filesOf(grid).map((path) => `${path}.second`),
      );
    },
  };
}

/** Directories that were renamed in the layer above the one that has their files. */
export function redirects(directories: number): Recipe {
  const grid: Grid = { name: 'before', directories, files: 50, bytes: 4096 };
  return {
    key: `${directories} redirects`,
    layers: 2,
    options: 'redirect_dir=on',
    make: async (kitchen) => {
      const [top, bottom] = kitchen.layers as [string, string];
      writeWarm(kitchen);
      writeGrid({ ...kitchen, layers: [bottom] }, grid);
      for (const index of range(directories)) {
        const name = `tree/d${padded(index)}`;
        mkdirSync(join(top, name), { recursive: true });
        await kitchen.client(top, 'mark', name, 'trusted.overlay.redirect', `/before/d${padded(index)}`);
      }
      writeList(kitchen, 'tree', filesOf({ ...grid, name: 'tree' }));
    },
  };
}

const WARM_BIG = range(20).map((index) => `big-warm/f${padded(index)}`);

/** Smaller files of the same kind beside `big`, for the warm-up: the list `big-warm`. `write` makes one. */
async function writeBigWarm(kitchen: Kitchen, write: (path: string) => Promise<void> | void): Promise<void> {
  mkdirSync(join(bottomOf(kitchen), 'big-warm'));
  for (const path of WARM_BIG) await write(path);
  writeList(kitchen, 'big-warm', WARM_BIG);
}

/** By what a file is known to be code. */
const ELF = Buffer.from('\x7fELF', 'latin1');

/** `big` and `code`, which begins as code does, are files of the bottom layer; a case finds `data` in its upper. */
export function bigFile(layers: number, bytes: number, name: 'big' | 'code' | 'data'): Recipe {
  return {
    key: `${name} of ${bytes} in ${layers}, and small ones`,
    layers,
    make: async (kitchen) => {
      writeWarm(kitchen);
      await writeBigWarm(kitchen, (path) => writeBig(join(bottomOf(kitchen), path), 2 << 20));
      const directory = name === 'data' ? kitchen.placed : bottomOf(kitchen);
      writeBig(join(directory, name), bytes, name === 'code' ? ELF : undefined);
      writeList(kitchen, name, [name]);
    },
  };
}

async function writeSparse(kitchen: Kitchen, name: string, bytes: number): Promise<void> {
  const path = join(bottomOf(kitchen), name);
  writeBig(path, 1 << 20);
  truncateSync(path, bytes - (1 << 20));
  await kitchen.client(bottomOf(kitchen), 'write', name, 1 << 20, 1, 'append');
}

/** A file `big` of holes with a MiB of data at its beginning and end. */
export function sparseFile(layers: number, bytes: number): Recipe {
  return {
    key: `sparse of ${bytes} in ${layers}, and small ones`,
    layers,
    make: async (kitchen) => {
      writeWarm(kitchen);
      await writeBigWarm(kitchen, (path) => writeSparse(kitchen, path, 64 << 20));
      await writeSparse(kitchen, 'big', bytes);
      writeList(kitchen, 'big', ['big']);
    },
  };
}

/** `nodes` nodes, directories included, in the bottom layer: empty files, only their names and inodes count. */
export function many(layers: number, nodes: number): Recipe {
  const perDirectory = Math.min(500, nodes / 2);
  const grid: Grid = { name: 'many', directories: nodes / perDirectory, files: perDirectory - 1, bytes: 0 };
  return {
    key: `${nodes} nodes in ${layers}`,
    layers,
    make: (kitchen) => {
      writeWarm(kitchen);
      writeGrid({ ...kitchen, layers: [kitchen.layers.at(-1) as string] }, grid);
    },
  };
}
