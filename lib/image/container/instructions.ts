// `--change 'ENV A=b'`: instructions in a Containerfile's words that change how an image is run. No I/O.

import { constants } from 'node:os';
import { posix } from 'node:path';
import { ImageError } from '../error.js';

/** The `config` of an image's config, in OCI's words. */
export interface RunConfig {
  readonly User?: string;
  readonly ExposedPorts?: Readonly<Record<string, object>>;
  readonly Env?: readonly string[];
  readonly Entrypoint?: readonly string[] | null;
  readonly Cmd?: readonly string[] | null;
  readonly Volumes?: Readonly<Record<string, object>>;
  readonly WorkingDir?: string;
  readonly Labels?: Readonly<Record<string, string>>;
  readonly StopSignal?: string;
}

/** Words between blanks; quotes keep blanks and are taken off, backslashes keep what follows. */
export function splitWords(text: string): string[] {
  const words: string[] = [];
  let word: string | null = null;
  let quote = '';
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at] as string;
    if (char === '\\' && quote !== "'" && at + 1 < text.length) {
      at += 1;
      word = (word ?? '') + text[at];
    } else if (quote !== '') {
      if (char === quote) quote = '';
      else word = (word ?? '') + char;
    } else if (char === '"' || char === "'") {
      quote = char;
      word ??= '';
    } else if (/\s/.test(char)) {
      if (word !== null) words.push(word);
      word = null;
    } else word = (word ?? '') + char;
  }
  if (quote !== '') throw new ImageError(`${text}: a ${quote} is missing`);
  return word === null ? words : [...words, word];
}

/** A JSON list of strings; null for anything else. */
function jsonList(text: string): string[] | null {
  if (!text.startsWith('[')) return null;
  try {
    const list: unknown = JSON.parse(text);
    return Array.isArray(list) && list.every((one) => typeof one === 'string') ? list : null;
  } catch {
    return null;
  }
}

/** Either a list, or a line for the shell; what begins like a list and is none would be run as a line. */
function command(text: string): string[] {
  const list = jsonList(text);
  if (list === null && /^\[\s*"/.test(text)) throw new ImageError(`${text} is no JSON list of words`);
  return list ?? ['/bin/sh', '-c', text];
}

/** `A=b C="d e"`, or the old `A rest of the line`. */
function pairs(text: string): [string, string][] {
  const first = /^\S+/.exec(text)?.[0] ?? '';
  if (!first.includes('=')) {
    const value = text.slice(first.length).trim();
    if (value === '') throw new ImageError('NAME=VALUE is wanted');
    return [[first, value]];
  }
  return splitWords(text).map((word) => {
    const equals = word.indexOf('=');
    if (equals < 1) throw new ImageError(`'${word}' is not NAME=VALUE`);
    return [word.slice(0, equals), word.slice(equals + 1)];
  });
}

/** `list` with these variables, each in its old place if it has one. */
export function withEnv(list: readonly string[], changes: readonly (readonly [string, string])[]): string[] {
  const env = new Map(list.map((one) => [one.split('=', 1)[0] as string, one]));
  for (const [name, value] of changes) env.set(name, `${name}=${value}`);
  return [...env.values()];
}

const LAST_PORT = 65_535;

function ports(text: string): Record<string, object> {
  const found = splitWords(text).map((word) => {
    const [, first = '', last = first] = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(?:tcp|udp|sctp))?$/.exec(word) ?? [];
    const isPort = Number(first) > 0 && Number(last) >= Number(first) && Number(last) <= LAST_PORT;
    if (!isPort) throw new ImageError(`${word} is no port: 80, 53/udp or 8000-8010 are`);
    return [word.includes('/') ? word : `${word}/tcp`, {}];
  });
  return Object.fromEntries(found) as Record<string, object>;
}

function oneWord(text: string): string {
  if (/\s/.test(text)) throw new ImageError(`'${text}' is more than one word`);
  return text;
}

/** As images have it: with SIG, or a number. */
function signal(text: string): string {
  const name = `SIG${text.toUpperCase().replace(/^SIG/, '')}`;
  const number = Number(text);
  if (name in constants.signals || /^SIGRT(?:MIN|MAX)(?:[+-]\d+)?$/.test(name)) return name;
  if (Number.isInteger(number) && number > 0 && number < 65) return text;
  throw new ImageError(`'${text}' is no signal: SIGTERM, or a number, for example`);
}

const kinds: Readonly<Record<string, (config: RunConfig, text: string) => RunConfig>> = {
  CMD: (config, text) => ({ ...config, Cmd: command(text) }),
  ENTRYPOINT: (config, text) => ({ ...config, Entrypoint: command(text) }),
  ENV: (config, text) => ({ ...config, Env: withEnv(config.Env ?? [], pairs(text)) }),
  EXPOSE: (config, text) => ({ ...config, ExposedPorts: { ...config.ExposedPorts, ...ports(text) } }),
  LABEL: (config, text) => ({ ...config, Labels: { ...config.Labels, ...Object.fromEntries(pairs(text)) } }),
  USER: (config, text) => ({ ...config, User: oneWord(text) }),
  WORKDIR: (config, text) => ({ ...config, WorkingDir: posix.resolve(config.WorkingDir || '/', text) }),
  VOLUME: (config, text) => {
    const paths = jsonList(text) ?? splitWords(text);
    return { ...config, Volumes: { ...config.Volumes, ...Object.fromEntries(paths.map((path) => [path, {}])) } };
  },
  STOPSIGNAL: (config, text) => ({ ...config, StopSignal: signal(text) }),
};

interface Instruction {
  readonly line: string;
  readonly text: string;
  readonly apply: (config: RunConfig, text: string) => RunConfig;
}

function applied(config: RunConfig, { line, text, apply }: Instruction): RunConfig {
  try {
    return apply(config, text);
  } catch (error) {
    throw new ImageError(`--change '${line}': ${(error as Error).message}`);
  }
}

/** `config` after these instructions, in turn. A new entrypoint has no use for the old one's arguments. */
export function applyInstructions(config: RunConfig, instructions: readonly string[]): RunConfig {
  const parsed = instructions.map((line) => {
    const [, word = '', text = ''] = /^\s*(\S+)\s+(.*\S)\s*$/s.exec(line) ?? [];
    const apply = kinds[word.toUpperCase()];
    if (apply === undefined) {
      throw new ImageError(`--change '${line}': one of ${Object.keys(kinds).join(', ')} and its value are wanted`);
    }
    return { line, word: word.toUpperCase(), text, apply };
  });
  const changed = parsed.reduce((held, one) => applied(held, one), config);
  const words = parsed.map(({ word }) => word);
  if (!words.includes('ENTRYPOINT') || words.includes('CMD')) return changed;
  const { Cmd: _dropped, ...rest } = changed;
  return rest;
}
