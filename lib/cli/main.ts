#!/usr/bin/env node
// The command: argv -> one of the commands, and the exit code. Errors are one line on stderr.

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ErrnoError } from '../errno.js';
import { MountError } from '../union/layers.js';
import { imageCommand } from './families.js';
import { type Manner, mannerOf, versionText } from './manner.js';
import { mountCommand, serveCommand } from './mount.js';

/** How the launcher passes on what the program was called as. */
const AS = '--as=';
/** First word, after that one, in the process that serves a mount in the background. */
const SERVE = '--serve';

function version(): string {
  const file = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..', 'package.json');
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

const isHelp = (word: string | undefined): boolean => word === '--help' || word === '-h';

/** Words that end the command wherever a mount is expected. */
async function answers(manner: Manner, words: readonly (string | undefined)[]): Promise<boolean> {
  const [word] = words.filter((one) => isHelp(one) || one === '--version' || one === '-V');
  if (word === undefined) return false;
  process.stdout.write(isHelp(word) ? (await import('./usage.js')).mountUsage() : versionText(manner, version()));
  return true;
}

/** Whether a command that reads its arguments by itself was asked for its words, which are then told. */
async function explains(first: string | undefined, rest: readonly string[]): Promise<boolean> {
  if (first === undefined || !rest.some(isHelp)) return false;
  const text = (await import('./usage.js')).plainUsage(first);
  if (text !== null) process.stdout.write(text);
  return text !== null;
}

/** `--root DIR` before the command is as good as after it. */
function rootLater([first, ...rest]: readonly string[]): readonly string[] {
  if (first?.startsWith('--root=') === true && rest.length > 0) return [rest[0] as string, first, ...rest.slice(1)];
  if (first !== '--root' || rest.length < 2) return first === undefined ? [] : [first, ...rest];
  const [directory, command, ...others] = rest as [string, string, ...string[]];
  return [command, '--root', directory, ...others];
}

/** A mount without the word has options before its mountpoint, or after. */
const isNoCommand = (words: readonly string[]): boolean => !words.some((word) => /^-|\//.test(word));

async function run(argv: readonly string[]): Promise<number> {
  const named = argv[0]?.startsWith(AS) === true;
  const manner = mannerOf(named ? (argv[0] as string).slice(AS.length) : 'stratafs');
  const given = named ? argv.slice(1) : argv;
  const [first, ...rest] = manner.dropIn ? given : rootLater(given);
  const words = first === undefined ? [] : [first, ...rest];
  if (first === SERVE) return serveCommand(rest[0] === 'mount' && !manner.dropIn ? rest.slice(1) : rest, manner);
  const mount = (list: readonly string[]): Promise<number> =>
    mountCommand(list, manner, [`${AS}${manner.name}`, SERVE]);
  if (manner.umountHelper) return (await import('./umount.js')).umountHelper(words);
  if (manner.dropIn) return (await answers(manner, words)) ? 0 : mount(words);
  if (isHelp(first) || first === 'help') {
    process.stdout.write(await (await import('./usage.js')).usage());
    return 0;
  }
  if ((await explains(first, rest)) || (await answers(manner, [first]))) return 0;
  switch (first) {
    case undefined:
      process.stderr.write(await (await import('./usage.js')).usage());
      return 1;
    case 'umount':
    case 'unmount':
      return (await import('./umount.js')).umountCommand(rest);
    case 'snapshotter':
      // Loaded only when asked for: gRPC is no part of a mount.
      return (await import('./snapshotter.js')).snapshotterCommand(rest);
    case 'diff':
      return (await import('./diff.js')).diffCommand(rest);
    case 'bench':
      return (await import('./bench.js')).benchCommand(rest);
    case 'mount':
      return (await answers(manner, rest)) ? 0 : mount(rest);
    case 'completion':
      return (await import('./completion.js')).completionCommand(rest);
    default: {
      const code = await imageCommand(first, rest);
      if (code === null && isNoCommand(words)) throw new MountError(`'${first}' is no command; see stratafs --help`);
      return code ?? mount(words);
    }
  }
}

run(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    const expected = error instanceof MountError || error instanceof ErrnoError;
    const text = error instanceof Error ? (expected ? error.message : (error.stack ?? error.message)) : String(error);
    process.stderr.write(`stratafs: ${text}\n`);
    process.exitCode = 1;
  },
);
