// The command line of the harness: argv to one Options value, checked here and nowhere else.

import { tmpdir } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type Family, families } from './cases/case.js';

export const USAGE = `usage: stratafs bench [option…]
Compares unions side by side: what is installed takes part, the report says what is not.

  --quick            a small set of small rows, one repetition; ends within two minutes
                     (with --case or --family: those rows, small, to their end)
  --case REGEX       only the cases whose name matches
  --family NAME,…    only these families:
                     ${families.join(', ')}
  --only ID,…        only these competitors
  --with NAME=PATH   also this binary, called with fuse-overlayfs's command line (repeatable)
  --layers N         number of lowers where a row does not say how many (default 2)
  --repeat N         repetitions of every case (default 3, with --quick 1)
  --dir DIR          where layers and uppers are made; without it, root gets an ext4 image below ${tmpdir()}
  --output DIR       where DATE.json and DATE.html go
  --against OLD.json print what changed since that run
  --from FILE.json   measure nothing; report the run that wrote this file
  --publish DIR      write charts and results to DIR, and the figures into ../README.md of it; families
                     that were not measured stay as they were published
  --list             print cases and competitors, measure nothing`;

export interface Options {
  readonly quick: boolean;
  readonly cases: RegExp;
  readonly families: readonly Family[];
  readonly only: readonly string[];
  readonly extra: ReadonlyMap<string, string>;
  readonly layers: number;
  readonly repeat: number;
  readonly directory: string | undefined;
  readonly output: string | undefined;
  readonly against: string | undefined;
  readonly from: string | undefined;
  readonly publish: string | undefined;
  readonly list: boolean;
  readonly help: boolean;
  /** As they were given, but for those that only say where results come from and go to. */
  readonly words: readonly string[];
}

const SHAPE = {
  quick: { type: 'boolean', default: false },
  case: { type: 'string', default: '' },
  family: { type: 'string', default: '' },
  only: { type: 'string', default: '' },
  with: { type: 'string', multiple: true, default: [] as string[] },
  layers: { type: 'string', default: '2' },
  repeat: { type: 'string' },
  dir: { type: 'string' },
  output: { type: 'string' },
  against: { type: 'string' },
  from: { type: 'string' },
  publish: { type: 'string' },
  list: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

const PLACES: ReadonlySet<string> = new Set<keyof typeof SHAPE>(['output', 'against', 'from', 'publish']);

function positive(name: string, text: string, limit: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > limit) {
    throw new Error(`--${name} wants a whole number from 1 to ${limit}, not "${text}"`);
  }
  return value;
}

function pattern(text: string): RegExp {
  try {
    return new RegExp(text, 'i');
  } catch {
    throw new Error(`--case wants a regular expression, not "${text}"`);
  }
}

function words(text: string): string[] {
  return text.split(',').filter((word) => word !== '');
}

function familyNames(text: string): Family[] {
  return words(text).map((name) => {
    const family = families.find((known) => known === name);
    if (family === undefined) throw new Error(`--family: no family "${name}" (there is ${families.join(', ')})`);
    return family;
  });
}

function namedBinary(text: string): [string, string] {
  const equals = text.indexOf('=');
  if (equals < 1 || equals === text.length - 1) throw new Error(`--with wants NAME=PATH, not "${text}"`);
  return [text.slice(0, equals), resolve(text.slice(equals + 1))];
}

const path = (text: string | undefined): string | undefined => (text === undefined ? undefined : resolve(text));

type Token = NonNullable<ReturnType<typeof parseArgs>['tokens']>[number];

function measured(token: Token): string[] {
  if (token.kind !== 'option' || PLACES.has(token.name)) return [];
  return token.value === undefined ? [token.rawName] : [token.rawName, token.value];
}

/** Throws an Error with one readable line when an option is wrong. */
export function parseOptions(argv: readonly string[]): Options {
  const { values, tokens } = parseArgs({ args: [...argv], options: SHAPE, strict: true, tokens: true });
  return {
    quick: values.quick,
    cases: pattern(values.case),
    families: familyNames(values.family),
    only: words(values.only),
    extra: new Map(values.with.map(namedBinary)),
    layers: positive('layers', values.layers, 500),
    repeat: positive('repeat', values.repeat ?? (values.quick ? '1' : '3'), 1000),
    directory: path(values.dir),
    output: path(values.output),
    against: path(values.against),
    from: path(values.from),
    publish: path(values.publish),
    list: values.list,
    help: values.help,
    words: tokens.flatMap(measured),
  };
}
