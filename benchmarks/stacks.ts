// The layers that cases stand on: made from a recipe when the first case needs them, kept to the end of the run.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Case } from './cases/case.js';
import { runClient } from './client.js';
import type { Grounds } from './ground.js';
import { run } from './process.js';
import { type Kitchen, range } from './recipes/recipe.js';

const LIMIT_MS = 600_000;

/** A recipe made real. */
export interface Shelf {
  /** On the filesystem of the layers: uppers are made here. */
  readonly ground: string;
  readonly layersDirectory: string;
  readonly layers: readonly string[];
  readonly placed: string;
  readonly inputs: string;
  readonly lists: string;
  readonly options: string;
  /** The union of the lowers as plain files, for the host; made when it is first asked for. */
  flat(): Promise<string>;
}

export function scriptEnvironment(inputs: string): Record<string, string> {
  return {
    INPUTS: inputs,
    HOME: inputs,
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_AUTHOR_NAME: 'Nobody',
    GIT_AUTHOR_EMAIL: 'nobody@example.invalid',
    GIT_COMMITTER_NAME: 'Nobody',
    GIT_COMMITTER_EMAIL: 'nobody@example.invalid',
    npm_config_update_notifier: 'false',
    DEBIAN_FRONTEND: 'noninteractive',
  };
}

/** The layers over each other in one directory. They have no whiteouts, and a copy of the lowest comes first. */
async function flatten(target: string, layers: readonly string[]): Promise<string> {
  mkdirSync(target);
  for (const layer of [...layers].reverse()) {
    await run({ file: 'cp', args: ['-a', '--sparse=auto', `${layer}/.`, target] }, LIMIT_MS);
  }
  return target;
}

export class Stacks {
  private readonly made = new Map<string, Promise<Shelf>>();

  constructor(
    private readonly grounds: Grounds,
    private readonly program: string,
  ) {}

  /** The case's layers; throws why they cannot be made. */
  of(row: Case): Promise<Shelf> {
    const key = `${row.filesystem ?? ''}:${row.recipe.key}:${row.recipe.options ?? ''}`;
    const known = this.made.get(key) ?? this.make(row);
    this.made.set(key, known);
    return known;
  }

  private async make({ recipe, filesystem }: Case): Promise<Shelf> {
    const ground = await this.grounds.place(filesystem);
    const place = join(ground, `stack-${this.made.size}`);
    const [layersDirectory, placed, inputs, lists] = ['layers', 'placed', 'inputs', 'lists'].map((name) =>
      join(place, name),
    ) as [string, string, string, string];
    const layers = range(recipe.layers).map(String);
    for (const directory of [placed, inputs, lists]) mkdirSync(directory, { recursive: true });
    for (const layer of layers) mkdirSync(join(layersDirectory, layer), { recursive: true });
    await recipe.make(this.kitchen({ layersDirectory, layers, placed, inputs, lists }));
    let flat: Promise<string> | undefined;
    return {
      ground,
      layersDirectory,
      layers,
      placed,
      inputs,
      lists,
      options: recipe.options ?? '',
      flat: () => {
        const absolute = layers.map((layer) => join(layersDirectory, layer));
        flat ??= flatten(join(place, 'flat'), absolute);
        return flat;
      },
    };
  }

  private kitchen(at: Pick<Shelf, 'layersDirectory' | 'layers' | 'placed' | 'inputs' | 'lists'>): Kitchen {
    return {
      layers: at.layers.map((layer) => join(at.layersDirectory, layer)),
      placed: at.placed,
      inputs: at.inputs,
      lists: at.lists,
      program: this.program,
      client: (root, ...words) => runClient(this.program, root, words),
      script: (directory, text) =>
        run(
          {
            file: 'bash',
            args: ['-euc', text],
            cwd: directory,
            environment: scriptEnvironment(at.inputs),
          },
          LIMIT_MS,
        ),
    };
  }
}
