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
import { usage } from './usage.js';

/** How the launcher passes on what the program was called as. */
const AS = '--as=';
/** First word, after that one, in the process that serves a mount in the background. */
const SERVE = '--serve';

function version(): string {
  const file = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..', 'package.json');
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

/** Words that end the command wherever a mount is expected. */
function answers(manner: Manner, word: string | undefined): boolean {
  if (word === '--version' || word === '-V') process.stdout.write(versionText(manner, version()));
  else if (word === '--help' || word === '-h') process.stdout.write(usage);
  else return false;
  return true;
}

async function run(argv: readonly string[]): Promise<number> {
  const named = argv[0]?.startsWith(AS) === true;
  const manner = mannerOf(named ? (argv[0] as string).slice(AS.length) : 'stratafs');
  const [first, ...rest] = named ? argv.slice(1) : argv;
  const words = first === undefined ? [] : [first, ...rest];
  if (first === SERVE) return serveCommand(rest[0] === 'mount' && !manner.dropIn ? rest.slice(1) : rest, manner);
  const mount = (list: readonly string[]): Promise<number> =>
    mountCommand(list, manner, [`${AS}${manner.name}`, SERVE]);
  if (manner.umountHelper) return (await import('./umount.js')).umountHelper(words);
  if (manner.dropIn) return words.some((word) => answers(manner, word)) ? 0 : mount(words);
  if (answers(manner, first)) return 0;
  switch (first) {
    case undefined:
      process.stderr.write(usage);
      return 1;
    case 'help':
      process.stdout.write(usage);
      return 0;
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
      return rest.some((word) => answers(manner, word)) ? 0 : mount(rest);
    default:
      return (await imageCommand(first, rest)) ?? mount(words);
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
