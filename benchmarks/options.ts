// The command line of the harness: argv to one Options value, checked here and nowhere else.

import { tmpdir } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';

export const USAGE = `usage: npm run bench -- [option…]
  --quick            smaller tree, one repetition; ends within two minutes
  --case REGEX       only the cases whose name matches
  --only ID,…        only these competitors
  --with NAME=PATH   also this binary, called with fuse-overlayfs's command line (repeatable)
  --layers N         number of lowers (default 2)
  --repeat N         repetitions of every case (default 3, with --quick 1)
  --dir DIR          where the layers and uppers are made (default ${tmpdir()})
  --json FILE        where the results go (default benchmarks/results/DATE.json)
  --list             print cases and competitors, measure nothing`;

export interface Options {
  readonly quick: boolean;
  readonly cases: RegExp;
  readonly only: readonly string[];
  readonly extra: ReadonlyMap<string, string>;
  readonly layers: number;
  readonly repeat: number;
  readonly directory: string;
  readonly json: string | undefined;
  readonly list: boolean;
  readonly help: boolean;
}

const SHAPE = {
  quick: { type: 'boolean', default: false },
  case: { type: 'string', default: '' },
  only: { type: 'string', default: '' },
  with: { type: 'string', multiple: true, default: [] as string[] },
  layers: { type: 'string', default: '2' },
  repeat: { type: 'string' },
  dir: { type: 'string', default: tmpdir() },
  json: { type: 'string' },
  list: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

function positive(name: string, text: string, limit: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > limit) {
    throw new Error(`--${name} wants a whole number from 1 to ${limit}, not "${text}"`);
  }
  return value;
}

function namedBinary(text: string): [string, string] {
  const equals = text.indexOf('=');
  if (equals < 1 || equals === text.length - 1) throw new Error(`--with wants NAME=PATH, not "${text}"`);
  return [text.slice(0, equals), resolve(text.slice(equals + 1))];
}

/** Throws an Error with one readable line when an option is wrong. */
export function parseOptions(argv: readonly string[]): Options {
  const { values } = parseArgs({ args: [...argv], options: SHAPE, strict: true });
  return {
    quick: values.quick,
    cases: new RegExp(values.case, 'i'),
    only: values.only.split(',').filter((id) => id !== ''),
    extra: new Map(values.with.map(namedBinary)),
    layers: positive('layers', values.layers, 500),
    repeat: positive('repeat', values.repeat ?? (values.quick ? '1' : '3'), 1000),
    directory: resolve(values.dir),
    json: values.json === undefined ? undefined : resolve(values.json),
    list: values.list,
    help: values.help,
  };
}
