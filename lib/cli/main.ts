#!/usr/bin/env node
// The command: argv -> one of the commands, and the exit code. Errors are one line on stderr.

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ErrnoError } from '../errno.js';
import { MountError } from '../union/layers.js';
import { mountCommand, serveCommand } from './mount.js';
import { umountCommand } from './umount.js';
import { usage } from './usage.js';

/** Set in the process that serves a mount in the background. */
export const SERVE = '--serve';

function version(): string {
  const file = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..', 'package.json');
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

async function run(argv: readonly string[]): Promise<number> {
  const [first, ...rest] = argv;
  switch (first) {
    case undefined:
      process.stderr.write(usage);
      return 1;
    case '--version':
    case '-V':
      process.stdout.write(`stratafs ${version()}\n`);
      return 0;
    case '--help':
    case '-h':
    case 'help':
      process.stdout.write(usage);
      return 0;
    case 'umount':
    case 'unmount':
      return umountCommand(rest);
    case SERVE:
      return serveCommand(rest);
    case 'mount':
      return mountCommand(rest, SERVE);
    default:
      return mountCommand(argv, SERVE);
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
