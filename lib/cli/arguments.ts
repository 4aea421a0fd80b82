// argv of `stratafs mount` -> a checked request with every path resolved. Touches paths only to
// resolve them.

import { Buffer } from 'node:buffer';
import { realpathSync, statSync } from 'node:fs';
import { MNT_DETACH } from '../sys/constants.js';
import { bytesOf, shown } from '../sys/name.js';
import { syscalls } from '../sys/syscalls.js';
import { explain, MountError, type Place, refuseOverlap } from '../union/layers.js';
import { checkWhole, defaultOptions, type MountOptions } from '../union/options.js';
import { bundleMount } from './bundle.js';
import { applyInManner, FUSE_OVERLAYFS, type Manner, mannerOf, unknownArgument } from './manner.js';

export type ChannelName = 'native' | 'fuse-native';

export interface MountRequest {
  readonly options: MountOptions;
  /** Absolute byte path. */
  readonly mountpoint: string;
  readonly foreground: boolean;
  /** mount(8) asks whether it would work, and wants nothing done. */
  readonly dryRun: boolean;
  readonly channel: ChannelName;
}

export interface Words {
  readonly lists: string[];
  readonly positional: string[];
  foreground: boolean;
  debug: boolean;
  dryRun: boolean;
  channel: ChannelName;
}

function channelName(value: string): ChannelName {
  if (value === 'native' || value === 'fuse-native') return value;
  throw new MountError(`--channel: '${value}' is neither native nor fuse-native`);
}

export function sortWords(argv: readonly string[], manner: Manner): Words {
  const words: Words = {
    lists: [],
    positional: [],
    foreground: false,
    debug: false,
    dryRun: false,
    channel: 'native',
  };
  for (let at = 0; at < argv.length; at += 1) {
    const word = argv[at] as string;
    const value = (): string => {
      at += 1;
      const next = argv[at];
      if (next === undefined) throw new MountError(`${word} needs a value`);
      return next;
    };
    if (manner.mountHelper && word === '-f') words.dryRun = true;
    else if (manner.mountHelper && ['-n', '-s', '-v'].includes(word)) continue;
    else if (manner.mountHelper && (word === '-t' || word === '-N')) value();
    else if (word === '-f' || word === '--foreground') words.foreground = true;
    else if (word === '-d' || word === '--debug') words.debug = true;
    else if (word === '-o') words.lists.push(value());
    else if (word.startsWith('-o')) words.lists.push(word.slice(2));
    else if (word === '--channel') words.channel = channelName(value());
    else if (word.startsWith('--channel=')) words.channel = channelName(word.slice('--channel='.length));
    else if (word === '--bundle') addBundle(words, value());
    else if (word.startsWith('--bundle=')) addBundle(words, word.slice('--bundle='.length));
    else if (word.startsWith('-') && word !== '-') unknownArgument(manner, word);
    else words.positional.push(word);
  }
  return words;
}

function addBundle(words: Words, bundle: string): void {
  const { list, mountpoint } = bundleMount(Buffer.from(bundle, 'latin1').toString());
  words.lists.push(bytesOf(list));
  words.positional.push(bytesOf(mountpoint));
}

/** The path without symlinks, as bytes. */
function resolved(option: string, path: string): string {
  try {
    return realpathSync.native(Buffer.from(path, 'latin1'), 'buffer').toString('latin1');
  } catch (error) {
    const code = (error as { errno?: number }).errno ?? 0;
    throw new MountError(`${option} ${shown(path)}: ${explain(-code)}`);
  }
}

export function resolvedDirectory(option: string, path: string): Place {
  const real = resolved(option, path);
  if (!statSync(Buffer.from(real, 'latin1')).isDirectory()) {
    throw new MountError(`${option} ${shown(path)}: not a directory`);
  }
  return { option, path: real };
}

function resolveLayers(options: MountOptions): void {
  const resolveAll = (paths: string[]): Place[] => paths.map((path) => resolvedDirectory('lowerdir', path));
  const lowers = resolveAll(options.lowers);
  const dataLowers = resolveAll(options.dataLowers);
  const writable: Place[] = [];
  if (options.upper !== null) writable.push(resolvedDirectory('upperdir', options.upper));
  if (options.workdir !== null) writable.push(resolvedDirectory('workdir', options.workdir));
  refuseOverlap([...lowers, ...dataLowers], writable);
  options.lowers = lowers.map((place) => place.path);
  options.dataLowers = dataLowers.map((place) => place.path);
  const [upper, workdir] = writable;
  if (upper !== undefined && options.upper !== null) options.upper = upper.path;
  if (workdir !== undefined && options.workdir !== null) options.workdir = workdir.path;
}

/** A mountpoint inside what the mount writes to would show the mount within itself. */
function refuseInside(options: MountOptions, mountpoint: string): void {
  for (const [option, path] of [
    ['upperdir', options.upper],
    ['workdir', options.workdir],
  ] as const) {
    if (path !== null && mountpoint.startsWith(`${path}/`)) {
      throw new MountError(`mountpoint ${shown(mountpoint)} lies inside ${option} ${shown(path)}`);
    }
  }
}

/**
 * Takes away what a killed server has left at the mountpoint: callers mount there again and expect it to
 * work. Nobody can use a mount that answers ENOTCONN.
 */
function detachDead(mountpoint: string): void {
  try {
    statSync(Buffer.from(mountpoint, 'latin1'));
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOTCONN') syscalls.umount(mountpoint, MNT_DETACH);
  }
}

/** Parses and checks argv; throws MountError naming the option and the path. */
export function parseMount(argv: readonly string[], manner = mannerOf('stratafs')): MountRequest {
  const words = sortWords(argv.map(bytesOf), manner);
  const options = { ...defaultOptions(), exclusive: !manner.dropIn };
  // mount(8) leaves out the words that are its defaults, so without the others they are meant.
  if (manner.mountHelper) options.flags.push('dev', 'suid');
  if (manner.name === FUSE_OVERLAYFS) Object.assign(options, { subtype: manner.name, fsname: manner.name });
  for (const list of words.lists) applyInManner(options, list, manner);
  checkWhole(options);
  const mountpoint = words.positional.at(-1);
  if (mountpoint === undefined) throw new MountError('no mountpoint');
  if (words.positional.length > 2) throw new MountError(`too many arguments before mountpoint ${shown(mountpoint)}`);
  resolveLayers(options);
  if (manner.dropIn) detachDead(mountpoint);
  const place = resolvedDirectory('mountpoint', mountpoint);
  refuseInside(options, place.path);
  options.debug ||= words.debug;
  return {
    options,
    mountpoint: place.path,
    foreground: words.foreground || options.debug,
    dryRun: words.dryRun,
    channel: words.channel,
  };
}
