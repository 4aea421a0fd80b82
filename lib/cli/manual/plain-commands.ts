// The words of the commands that are not about images. They read their arguments by themselves; a test holds the two together.

import type { CommandWords } from '../words.js';

const help = { type: 'boolean', short: 'h', about: 'this text' } as const;

export const mounting: Readonly<Record<string, CommandWords>> = {
  mount: {
    words: '[-f] [-d] [--channel NAME] -o LIST MOUNTPOINT | --bundle DIR',
    about:
      'Stacks read-only layer directories under a writable upper directory. It comes back when the mount answers, and leaves the driver in the background. The word mount may be left out.',
    options: {
      options: {
        type: 'string',
        short: 'o',
        shortOnly: true,
        value: 'LIST',
        about: 'options, with commas between; may be repeated',
      },
      foreground: { type: 'boolean', short: 'f', about: 'stay in the foreground' },
      debug: { type: 'boolean', short: 'd', about: 'foreground, and print each request and reply' },
      channel: {
        type: 'string',
        value: 'native|fuse-native',
        about: 'speak FUSE to the kernel directly (default), or through the npm package fuse-native and libfuse 2',
      },
      bundle: {
        type: 'string',
        value: 'DIR',
        about: 'mount the root of an OCI bundle; annotations org.stratafs.* in its config.json say of what',
      },
      help,
    },
  },
  umount: {
    words: 'MOUNTPOINT',
    about: 'Unmounts, and comes back when the driver has let go of the layers.',
    options: { help },
  },
  diff: {
    words: '[OPTION…] CONTAINER|MOUNTPOINT|UPPER',
    about:
      'Lists what an upper adds (A), changes (C) and deletes (D). Of a container and of a mountpoint the layers are known; of an upper directory --lower names them, and without --lower everything is added.',
    options: {
      lower: { type: 'string', multiple: true, value: 'DIR[:DIR…]', about: 'lowers, top first; may be repeated' },
      work: { type: 'string', value: 'DIR', about: "the upper's workdir: its index knows changed hard links" },
      root: { type: 'string', value: 'DIR', about: 'the store in which a name is a container; else as for images' },
      json: { type: 'boolean', about: 'one JSON array, with what has changed of each path' },
      stat: { type: 'boolean', about: 'sizes and what has changed beside each path, and a sum' },
      'name-only': { type: 'boolean', about: 'paths alone' },
      help,
    },
  },
};

export const services: Readonly<Record<string, CommandWords>> = {
  snapshotter: {
    words: '--address SOCKET --root DIR [--program NAME]',
    about: "Serves containerd's snapshots on stratafs mounts, until SIGTERM.",
    options: {
      address: { type: 'string', value: 'SOCKET', about: 'where containerd asks, an absolute path' },
      root: { type: 'string', value: 'DIR', about: 'where the snapshots are kept' },
      program: { type: 'string', value: 'NAME', about: 'what mounts them; stratafs-overlay by itself' },
      help,
    },
  },
  bench: {
    words: '[OPTION…]',
    about: 'Compares unions side by side, those that are installed, and writes a page of figures.',
    options: {
      quick: { type: 'boolean', about: 'a small set of small rows, within two minutes' },
      case: { type: 'string', value: 'REGEX', about: 'only the rows whose name matches' },
      family: { type: 'string', value: 'NAME,…', about: 'only these families' },
      only: { type: 'string', value: 'ID,…', about: 'only these columns' },
      with: {
        type: 'string',
        multiple: true,
        value: 'NAME=PATH',
        about: 'this program too, by the command line of fuse-overlayfs',
      },
      layers: { type: 'string', value: 'N', about: 'lowers where a row does not say how many' },
      repeat: { type: 'string', value: 'N', about: 'repetitions' },
      dir: { type: 'string', value: 'DIR', about: 'where layers and uppers are made' },
      output: { type: 'string', value: 'DIR', about: 'where the results go' },
      against: { type: 'string', value: 'FILE', about: 'what changed since that run' },
      from: { type: 'string', value: 'FILE', about: 'measure nothing; report the run that wrote this file' },
      publish: {
        type: 'string',
        value: 'DIR',
        about: 'write charts and results there, and the figures into ../README.md of it',
      },
      list: { type: 'boolean', about: 'print rows and columns' },
      help,
    },
  },
  completion: {
    words: 'bash|zsh|fish',
    about: 'Prints what makes a shell complete stratafs: source <(stratafs completion bash).',
    options: { help },
  },
};
