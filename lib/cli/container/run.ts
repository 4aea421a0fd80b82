// `stratafs run`: creates a container, mounts it, has crun or runc run the image's process in it, and unmounts it again.

import { existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { addToBase, type Container, createContainer } from '../../image/container/containers.js';
import type { RunConfig } from '../../image/container/instructions.js';
import { readRooted } from '../../image/container/rooted.js';
import { type BindMount, runtimeSpec } from '../../image/container/spec.js';
import { type ProcessUser, resolveUser } from '../../image/container/user.js';
import { parseVolume, type Volume } from '../../image/container/volume.js';
import { ImageError } from '../../image/error.js';
import { findImage, type Image } from '../../image/images.js';
import type { Call, ImageCommand } from '../image-command.js';
import { mountContainer, mountVolume, unmountContainer } from './mounting.js';
import { endProcess, findRuntime, runBundle, writeBundle } from './runtime.js';

/** Longest passwd and group file that is looked into, bytes. */
const MAX_ACCOUNTS = 4 << 20;

/** `K=V`, or `K` for this process's own value. */
function environment(given: readonly string[]): string[] {
  const whole = given.map((one) => {
    if (one.startsWith('=') || one === '') throw new ImageError(`-e ${one}: NAME=VALUE is wanted`);
    if (one.includes('=')) return one;
    const own = process.env[one];
    return own === undefined ? null : `${one}=${own}`;
  });
  return whole.filter((one) => one !== null);
}

function userOf(rootfs: string, wanted: string): ProcessUser {
  const text = (path: string): string => readRooted(rootfs, path, MAX_ACCOUNTS)?.toString() ?? '';
  return resolveUser(wanted, text('/etc/passwd'), text('/etc/group'));
}

/** Names of the host that a container on the host's network needs. */
function hostFiles(container: Container, hostname: string): BindMount[] {
  const own = join(container.path('bundle'), 'hostname');
  writeFileSync(own, `${hostname}\n`);
  const shared = ['/etc/resolv.conf', '/etc/hosts'].filter((path) => existsSync(path));
  return [
    ...shared.map((path) => ({ source: path, destination: path, readOnly: true })),
    { source: own, destination: '/etc/hostname', readOnly: true },
  ];
}

async function bindsOf(container: Container, volumes: readonly Volume[]): Promise<BindMount[]> {
  const binds: BindMount[] = [];
  for (const [at, volume] of volumes.entries()) {
    const source = volume.overlay ? await mountVolume(container, at, volume) : volume.host;
    binds.push({ source, destination: volume.path, readOnly: volume.readOnly });
  }
  return binds;
}

interface Wanted {
  readonly config: RunConfig;
  readonly volumes: readonly Volume[];
  readonly env: readonly string[];
  readonly runtime: string;
}

/** Mounts everything and writes the bundle. */
async function prepare(call: Call, container: Container, { config, volumes, env, runtime }: Wanted): Promise<void> {
  for (const { host, path } of volumes) addToBase(container, path, statSync(host).isDirectory());
  const rootfs = await mountContainer(container, container.path('merged'));
  const hostname = container.record.id.slice(0, 12);
  const request = {
    ...{ config, rootfs, env, hostname, annotations: {} },
    command: container.record.command ?? [],
    workdir: call.text('workdir'),
    user: userOf(rootfs, call.text('user') ?? config.User ?? ''),
    terminal: call.flag('tty'),
  };
  writeBundle(container, {}, runtime);
  const binds = [...hostFiles(container, hostname), ...(await bindsOf(container, volumes))];
  writeBundle(container, runtimeSpec({ ...request, binds }), runtime);
}

/** What a run leaves: the container, stopped; nothing with --rm, and of what could never run. */
async function clearUp(call: Call, container: Container, keep: boolean): Promise<void> {
  await container.locked(async () => {
    await endProcess(container, 0);
    await unmountContainer(container, !keep);
    if (!keep) await call.store('write', async (store) => container.remove(store));
  });
}

async function execute(call: Call, container: Container, wanted: Wanted): Promise<number> {
  let prepared = false;
  try {
    await container.locked(() => prepare(call, container, wanted));
    prepared = true;
    return await runBundle(container);
  } finally {
    await clearUp(call, container, prepared && !call.flag('rm'));
  }
}

function checkWanted(call: Call, image: Image): Wanted {
  if (process.geteuid?.() !== 0) throw new ImageError('run needs root; create and start work for everybody');
  if (call.flag('tty') && !process.stdin.isTTY) throw new ImageError('-t: the input is no terminal');
  const workdir = call.text('workdir');
  if (workdir?.startsWith('/') === false) throw new ImageError(`-w ${workdir}: an absolute path is wanted`);
  return {
    config: (image.config.config ?? {}) as RunConfig,
    volumes: call.texts('volume').map(parseVolume),
    env: environment(call.texts('env')),
    runtime: findRuntime(call.text('runtime')),
  };
}

export const run: ImageCommand = {
  words: '[OPTION…] IMAGE [COMMAND…]',
  about: "Runs a command, or the image's own, in a new container under crun or runc, on the host's network.",
  wraps: true,
  options: {
    name: { type: 'string', value: 'NAME', about: 'what the container is called' },
    rm: { type: 'boolean', about: 'remove the container afterwards' },
    tty: { type: 'boolean', short: 't', about: 'give it a terminal' },
    volume: {
      type: 'string',
      short: 'v',
      multiple: true,
      value: 'HOST:PATH[:ro|:O]',
      about: 'show a file or directory of the host; O: an overlay of it, whose changes are thrown away',
    },
    env: {
      type: 'string',
      short: 'e',
      multiple: true,
      value: 'NAME[=VALUE]',
      about: "a variable; without a value, this process's",
    },
    workdir: { type: 'string', short: 'w', value: 'DIRECTORY', about: 'working directory' },
    user: { type: 'string', short: 'u', value: 'USER[:GROUP]', about: 'who runs it' },
    runtime: {
      type: 'string',
      value: 'crun|runc',
      about: 'what runs it, or a path; by itself crun, or runc where crun is not there or refuses the host',
    },
  },
  operands: [1, Number.POSITIVE_INFINITY],
  async run(call) {
    const [called = '', ...command] = call.operands;
    const { container, wanted } = await call.store('write', async (store) => {
      const image = findImage(store, called);
      const checked = checkWanted(call, image);
      const request = { name: call.text('name'), created: new Date().toISOString(), command, called };
      return { wanted: checked, container: createContainer(store, image, request) };
    });
    process.exitCode = await execute(call, container, wanted);
  },
};
