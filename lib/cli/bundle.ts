// `--bundle DIR`: the layers of an OCI bundle's root filesystem, from the annotations in its config.json. Reads that
// one file; the options and the mountpoint that come of it are checked like any others.

import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { explain, MountError } from '../union/layers.js';

/** Annotations are `PREFIX` and the option's name: lowerdir, upperdir, workdir, options. */
const PREFIX = 'org.stratafs.';

export interface BundleMount {
  /** One `-o` list. */
  readonly list: string;
  readonly mountpoint: string;
}

interface BundleConfig {
  readonly root?: { readonly path?: string };
  readonly annotations?: Readonly<Record<string, string>>;
}

function configOf(bundle: string): BundleConfig {
  const file = join(bundle, 'config.json');
  try {
    const config: unknown = JSON.parse(readFileSync(file, 'utf8'));
    return typeof config === 'object' && config !== null ? config : {};
  } catch (error) {
    const { errno, message } = error as NodeJS.ErrnoException;
    throw new MountError(`--bundle ${bundle}: ${file}: ${errno === undefined ? message : explain(-errno)}`);
  }
}

/** Paths in a bundle are relative to it; commas would end an option. */
function pathIn(bundle: string, path: string): string {
  return resolve(bundle, path).replaceAll(',', '\\,');
}

/** What the bundle in directory `bundle` says of its root filesystem. Throws MountError. */
export function bundleMount(bundle: string): BundleMount {
  const { root, annotations = {} } = configOf(bundle);
  const lowerdir = annotations[`${PREFIX}lowerdir`];
  if (lowerdir === undefined)
    throw new MountError(`--bundle ${bundle}: no annotation ${PREFIX}lowerdir in config.json`);
  if (root?.path === undefined) throw new MountError(`--bundle ${bundle}: no root.path in config.json`);
  // A colon that belongs to a path is escaped there as on the command line.
  const lowers = lowerdir.split(/(?<!\\):/).map((lower) => (lower === '' ? '' : pathIn(bundle, lower)));
  const words = [`lowerdir=${lowers.join(':')}`];
  for (const name of ['upperdir', 'workdir'] as const) {
    const path = annotations[PREFIX + name];
    if (path !== undefined) words.push(`${name}=${pathIn(bundle, path)}`);
  }
  const options = annotations[`${PREFIX}options`];
  if (options !== undefined) words.push(options);
  return { list: words.join(','), mountpoint: resolve(bundle, root.path) };
}
