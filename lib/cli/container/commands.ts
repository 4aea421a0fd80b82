// The commands that make, mount, list and remove containers.

import { resolve } from 'node:path';
import { type Container, createContainer, listContainers, wantContainer } from '../../image/container/containers.js';
import { isDead, mountOf, mountTable } from '../../image/container/mount-table.js';
import { ImageError } from '../../image/error.js';
import { findImage } from '../../image/images.js';
import type { ImageCommand } from '../image-command.js';
import { formatAge, formatTable } from '../table.js';
import type { OptionWords } from '../words.js';
import { commit } from './commit.js';
import { isMounted, mountContainer, unmountContainer } from './mounting.js';
import { run } from './run.js';
import { endProcess, processState } from './runtime.js';

const ANY = Number.POSITIVE_INFINITY;
/** Seconds that a process has to end by itself. */
const PATIENCE = 10;

const create: ImageCommand = {
  words: '[OPTION…] IMAGE',
  about: 'Makes a container: an upper of its own over the layers of an image.',
  options: { name: { type: 'string', value: 'NAME', about: 'what the container is called; made up by itself' } },
  operands: [1, 1],
  async run(call) {
    const [called = ''] = call.operands;
    const request = { name: call.text('name'), created: new Date().toISOString(), command: null, called };
    const { record } = await call.store('write', async (store) =>
      createContainer(store, findImage(store, called), request),
    );
    call.answer({ name: record.name, id: record.id }, `${record.name}\n`);
  },
};

const start: ImageCommand = {
  words: 'CONTAINER [DIR]',
  about: 'Mounts a container, and prints where.',
  operands: [1, 2],
  async run(call) {
    const [name = '', directory] = call.operands;
    const container = wantContainer(call.root, name);
    const where = directory === undefined ? container.path('merged') : resolve(directory);
    const mountpoint = await container.locked(() => mountContainer(container, where));
    call.answer({ name: container.record.name, mountpoint }, `${mountpoint}\n`);
  },
};

function seconds(text: string | null): number {
  if (text === null) return PATIENCE;
  if (!/^\d{1,6}$/.test(text)) throw new ImageError(`--time ${text}: seconds are wanted`);
  return Number(text);
}

/** Ends the container's process and takes its mounts away. */
async function end(container: Container, patience: number, force: boolean): Promise<void> {
  await endProcess(container, patience * 1000);
  await unmountContainer(container, force);
}

const stop: ImageCommand = {
  words: '[OPTION…] CONTAINER…',
  about: "Ends a container's process and unmounts it; -f even while somebody uses the mount.",
  options: {
    force: { type: 'boolean', short: 'f', about: 'unmount even while somebody uses the mount' },
    time: { type: 'string', short: 't', value: 'SECONDS', about: 'how long the process has to end by itself: 10' },
  },
  operands: [1, ANY],
  async run(call) {
    const patience = seconds(call.text('time'));
    const containers = call.operands.map((name) => wantContainer(call.root, name));
    for (const container of containers) await container.locked(() => end(container, patience, call.flag('force')));
    const names = containers.map(({ record }) => record.name);
    call.answer(names, `${names.join('\n')}\n`);
  },
};

/** One of: running, paused, mounted, dead (nobody serves the mount any more), stopped. */
function statusOf(container: Container, mountpoint: string | null): string {
  if (mountpoint === null) return 'stopped';
  if (isDead(mountpoint)) return 'dead';
  return processState(container) ?? 'mounted';
}

const ps: ImageCommand = {
  words: '[OPTION…]',
  about: 'Lists the containers that are mounted; -a all of them.',
  options: { all: { type: 'boolean', short: 'a', about: 'those that are not mounted, too' } },
  operands: [0, 0],
  async run(call) {
    const table = mountTable();
    const rows = listContainers(call.root).map((container) => {
      const { name, id, image, created, command } = container.record;
      const mountpoint = mountOf(id, table);
      return { name, id, image, created, command, status: statusOf(container, mountpoint), mountpoint };
    });
    const shown = call.flag('all') ? rows : rows.filter(({ mountpoint }) => mountpoint !== null);
    const cells = shown.map(({ name, image, created, status, mountpoint }) => [
      ...[name, image, formatAge(created), status],
      mountpoint ?? '',
    ]);
    const names = shown.map(({ name }) => `${name}\n`).join('');
    const heads = ['NAME', 'IMAGE', 'CREATED', 'STATUS', 'MOUNTPOINT'];
    call.answer(shown, () => (call.flag('quiet') ? names : formatTable(heads, cells)));
  },
};

const rm: ImageCommand = {
  words: '[OPTION…] CONTAINER…',
  about: 'Removes containers and what they changed; -f stops them first.',
  options: { force: { type: 'boolean', short: 'f', about: 'stop them first' } },
  operands: [1, ANY],
  async run(call) {
    const force = call.flag('force');
    const containers = call.operands.map((name) => wantContainer(call.root, name));
    const removeOne = async (container: Container): Promise<void> => {
      const { name } = container.record;
      if (!force && isMounted(container)) throw new ImageError(`container ${name} is mounted: stop it first, or -f`);
      await end(container, 0, true);
      await call.store('write', async (store) => container.remove(store));
    };
    for (const container of containers) await container.locked(() => removeOne(container));
    const names = containers.map(({ record }) => record.name);
    call.answer(names, `${names.join('\n')}\n`);
  },
};

/** What the options of commit are for. */
const ofCommit: Readonly<Record<string, Pick<OptionWords, 'value' | 'about'>>> = {
  message: { value: 'MESSAGE', about: 'what history says of it' },
  author: { value: 'AUTHOR', about: 'who made it' },
  change: {
    value: 'INSTRUCTION',
    about: 'CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, USER, WORKDIR, VOLUME or STOPSIGNAL; may be repeated',
  },
  squash: { about: 'one layer of everything in place of one more' },
  zstd: { about: 'pack the layer by zstd in place of gzip' },
  'no-pause': { about: 'let the processes of the container run on meanwhile' },
  base: { value: 'IMAGE', about: 'the image beneath an upper' },
};

const told = Object.entries(commit.options ?? {}).map(([key, option]) => [key, { ...option, ...ofCommit[key] }]);
const commitInWords: ImageCommand = {
  ...commit,
  words: '[OPTION…] CONTAINER|MOUNTPOINT|UPPER NAME[:TAG]',
  options: Object.fromEntries(told),
};

export const commands: Readonly<Record<string, ImageCommand>> = {
  create,
  start,
  stop,
  ps,
  rm,
  run,
  commit: commitInWords,
};
