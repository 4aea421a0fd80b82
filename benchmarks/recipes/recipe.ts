// What a recipe is: how many layers there are and what lies in them. A recipe is made once in a run and shared by all
// cases with its key; nobody changes what it made. Knows no competitor.

import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ClientWord } from '../client.js';

/** Where a recipe puts things. */
export interface Kitchen {
  /** The lowers, top first. */
  readonly layers: readonly string[];
  /** Files that are moved into the upper before a mount, and back afterwards. */
  readonly placed: string;
  /** What scripts read from outside of the mount: $INPUTS. */
  readonly inputs: string;
  readonly lists: string;
  /** The client's program. */
  readonly program: string;
  /** Runs the client, for what Node cannot do (xattrs). */
  client(root: string, ...words: readonly ClientWord[]): Promise<unknown>;
  /** Runs a shell script in a directory; a failure is an Error with its last line. */
  script(directory: string, text: string): Promise<unknown>;
}

export interface Recipe {
  readonly key: string;
  readonly layers: number;
  /** Options that a union needs to work on these layers in full; for those who know them. */
  readonly options?: string;
  make(kitchen: Kitchen): Promise<void> | void;
}

const MEGABYTE = 1 << 20;

export function padded(index: number): string {
  return String(index).padStart(3, '0');
}

export function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

export function bottomOf(kitchen: Kitchen): string {
  return kitchen.layers.at(-1) as string;
}

export function writeList(kitchen: Kitchen, name: string, paths: readonly string[]): void {
  writeFileSync(join(kitchen.lists, name), paths.map((path) => `${path}\0`).join(''));
}

export function writeBig(path: string, size: number, head = Buffer.alloc(0)): void {
  mkdirSync(dirname(path), { recursive: true });
  const block = Buffer.alloc(Math.min(size, MEGABYTE), 'B');
  const fd = openSync(path, 'wx');
  for (let done = 0; done < size; done += block.length) writeSync(fd, block);
  writeSync(fd, head, 0, head.length, 0);
  closeSync(fd);
}

export function writeEmpty(path: string): void {
  closeSync(openSync(path, 'wx'));
}
