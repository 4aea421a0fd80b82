// The trees every case runs on: the lowers, the same files flat for the host, the lists of paths the client
// reads and the file that is placed in an upper. Made once per run in a scratch directory; knows no competitor.

import { closeSync, cpSync, mkdirSync, openSync, symlinkSync, writeFileSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Need, Scale } from './cases/case.js';

const FILE_SIZE = 4096;
const MEGABYTE = 1 << 20;

/** A grid of files: `name/dNNN/fNNN`. */
interface Grid {
  readonly name: string;
  readonly directories: number;
  readonly files: number;
}

export interface Trees {
  readonly scratch: string;
  readonly layersDirectory: string;
  readonly layers: readonly string[];
  /** The union of the lowers as plain files, for the host. */
  readonly flat: string;
  readonly lists: string;
  /** A big file that is moved into an upper before a mount, and back. */
  readonly data: string;
}

const padded = (index: number): string => String(index).padStart(3, '0');

function directoriesOf(grid: Grid): string[] {
  return Array.from({ length: grid.directories }, (_, index) => `${grid.name}/d${padded(index)}`);
}

function filesOf(grid: Grid, prefix = 'f'): string[] {
  return directoriesOf(grid).flatMap((directory) =>
    Array.from({ length: grid.files }, (_, index) => `${directory}/${prefix}${padded(index)}`),
  );
}

function writeList(trees: Trees, name: string, paths: readonly string[]): void {
  writeFileSync(join(trees.lists, name), paths.map((path) => `${path}\0`).join(''));
}

function names(directory: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${directory}/n${index}`);
}

/** Directories exist in every layer, files in one each, round-robin: the merge is real work. */
function writeGrid(trees: Trees, grid: Grid): void {
  const places = trees.layers.map((name) => join(trees.layersDirectory, name));
  for (const directory of directoriesOf(grid)) {
    for (const place of [...places, trees.flat]) mkdirSync(join(place, directory), { recursive: true });
  }
  const content = Buffer.alloc(FILE_SIZE, 's');
  for (const [index, path] of filesOf(grid).entries()) {
    writeFileSync(join(places[index % places.length] as string, path), content);
    writeFileSync(join(trees.flat, path), content);
  }
}

function writeBig(path: string, size: number): void {
  const block = Buffer.alloc(MEGABYTE, 'B');
  const fd = openSync(path, 'wx');
  for (let done = 0; done < size; done += block.length) writeSync(fd, block);
  closeSync(fd);
}

/** Empty files: only their nodes are counted. */
function writeMany(bottom: string, scale: Scale): void {
  const grid = { name: 'many', directories: scale.nodes / 500, files: 499 };
  for (const directory of directoriesOf(grid)) mkdirSync(join(bottom, directory), { recursive: true });
  for (const path of filesOf(grid)) closeSync(openSync(join(bottom, path), 'wx'));
}

function writeLists(
  trees: Trees,
  scale: Scale,
  grids: Readonly<Record<'tree' | 'warm' | 'edit' | 'editWarm', Grid>>,
): void {
  mkdirSync(trees.lists);
  writeList(trees, 'tree', filesOf(grids.tree));
  writeList(trees, 'tree-missing', filesOf(grids.tree, 'missing'));
  writeList(trees, 'warm', filesOf(grids.warm));
  writeList(trees, 'warm-missing', filesOf(grids.warm, 'missing'));
  writeList(trees, 'edit', filesOf(grids.edit));
  writeList(trees, 'edit-warm', filesOf(grids.editWarm));
  writeList(trees, 'new-root', ['new', 'new-warm']);
  writeList(trees, 'new', names('new', scale.creations));
  writeList(trees, 'new-warm', names('new-warm', scale.warmEdits));
  writeList(trees, 'big', ['big']);
}

/** Makes what `needs` asks for below `scratch`, which must not exist yet. */
export function makeTrees(scratch: string, layerCount: number, scale: Scale, needs: ReadonlySet<Need>): Trees {
  const layers = Array.from({ length: layerCount }, (_, index) => String(index));
  const layersDirectory = join(scratch, 'layers');
  const [flat, lists, data] = ['flat', 'lists', 'data'].map((name) => join(scratch, name)) as [string, string, string];
  const trees: Trees = { scratch, layersDirectory, layers, flat, lists, data };
  const grids = {
    tree: { name: 'tree', directories: scale.directories, files: scale.filesPerDirectory },
    warm: { name: 'warm', directories: 10, files: 50 },
    edit: { name: 'edit', directories: scale.edits / 50, files: 50 },
    editWarm: { name: 'edit-warm', directories: 4, files: scale.warmEdits / 4 },
  };
  for (const layer of layers) mkdirSync(join(layersDirectory, layer), { recursive: true });
  mkdirSync(flat);
  writeGrid(trees, grids.warm);
  if (needs.has('tree')) writeGrid(trees, grids.tree);
  if (needs.has('edit')) for (const grid of [grids.edit, grids.editWarm]) writeGrid(trees, grid);
  const bottom = join(layersDirectory, String(layerCount - 1));
  if (needs.has('big')) writeBig(join(bottom, 'big'), scale.fileBytes);
  if (needs.has('big')) symlinkSync(join(bottom, 'big'), join(flat, 'big'));
  if (needs.has('data')) writeBig(data, scale.fileBytes);
  if (needs.has('many')) writeMany(bottom, scale);
  writeLists(trees, scale, grids);
  return trees;
}

/** A host directory that may be written to: a copy of what the case edits. */
export function makeHostCopy(trees: Trees, target: string, needs: ReadonlySet<Need>): void {
  mkdirSync(dirname(target), { recursive: true });
  mkdirSync(target, { recursive: true });
  if (!needs.has('edit')) return;
  for (const name of ['edit', 'edit-warm']) cpSync(join(trees.flat, name), join(target, name), { recursive: true });
}
