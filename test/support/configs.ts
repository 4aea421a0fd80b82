// The filesystems under test: which there are, how each is started, and whether this host has it.

import { existsSync } from 'node:fs';
import { mainScript } from './paths.js';

/** What the program that runs here was given; see rooms.ts. */
export const room = process.env.STRATAFS_TEST_ROOM;

export type Kind = 'stratafs' | 'kernel' | 'fuse-overlayfs' | 'host';

export interface Config {
  readonly name: string;
  readonly kind: Kind;
  /** More mount options, comma separated. */
  readonly options?: string;
  readonly channel?: 'native' | 'fuse-native';
  /** What is run in place of the built command, with the command's arguments. */
  readonly program?: string;
  /** Added to the server's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** The layers lie in a mount of another filesystem, which itself has an upper of its own. */
  readonly on?: Ground;
}

/** Which layers lie in the mount of `config`, and whether they stood in its lower before it was mounted. */
export interface Ground {
  readonly config: Config;
  readonly layers: 'lower' | 'upper' | 'both';
  readonly prepared: 'beneath' | 'inside';
}

export const host: Config = { name: 'host', kind: 'host' };
export const kernel: Config = { name: 'kernel', kind: 'kernel', options: 'redirect_dir=on,index=on,xino=on' };
export const fuseOverlayfs: Config = { name: 'fuse-overlayfs', kind: 'fuse-overlayfs' };
export const native: Config = { name: 'native', kind: 'stratafs', channel: 'native', options: 'passthrough=auto' };
export const nativeCached: Config = {
  name: 'native-cached',
  kind: 'stratafs',
  channel: 'native',
  options: 'passthrough=off',
};
export const fileWhiteouts: Config = {
  ...native,
  name: 'file-whiteouts',
  env: { FUSE_OVERLAYFS_DISABLE_OVL_WHITEOUT: '1' },
};
/** In a user namespace, the mount made there too. */
export const userns: Config = { name: 'userns', kind: 'stratafs', channel: 'native' };
/** As a plain user, mounted by fusermount3. */
export const plainUser: Config = { name: 'user', kind: 'stratafs', channel: 'native' };
export const fuseNative: Config = { name: 'fuse-native', kind: 'stratafs', channel: 'fuse-native' };

const all = [host, kernel, fuseOverlayfs, native, nativeCached, fileWhiteouts, userns, plainUser, fuseNative];

/** `config` with its layers in a mount of `ground`. */
export function nested(
  config: Config,
  ground: Config,
  layers: Ground['layers'],
  prepared: Ground['prepared'] = 'beneath',
): Config {
  const name = `${config.name}, ${layers === 'both' ? 'all layers' : layers} on ${ground.name}`;
  return { ...config, name, on: { config: ground, layers, prepared } };
}

/** Why `config` cannot run here, or undefined. */
export function missing(config: Config): string | undefined {
  const beneath = config.on === undefined ? undefined : missing(config.on.config);
  if (beneath !== undefined) return beneath;
  if (config.kind === 'host') return undefined;
  if (room === undefined && process.getuid?.() !== 0) return 'needs root';
  if (config.kind === 'kernel') return undefined;
  if (!existsSync('/dev/fuse')) return 'needs /dev/fuse';
  if (config.kind === 'fuse-overlayfs') return existsSync('/usr/bin/fuse-overlayfs') ? undefined : 'not installed';
  return existsSync(mainScript) ? undefined : 'stratafs is not built';
}

/** `wanted`, or what STRATAFS_TEST_CONFIGS (names, comma separated) puts in its place. */
export function chosen(wanted: readonly Config[]): readonly Config[] {
  const names = process.env.STRATAFS_TEST_CONFIGS?.split(',');
  return names ? all.filter((config) => names.includes(config.name)) : wanted;
}

export function byName(name: string): Config {
  const found = all.find((config) => config.name === name);
  if (found === undefined) throw new Error(`no configuration is called ${name}`);
  return found;
}
