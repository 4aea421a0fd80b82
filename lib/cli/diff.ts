// `stratafs diff`: what an upper changes, one line a path.

import { Buffer } from 'node:buffer';
import { existsSync, realpathSync, statSync } from 'node:fs';
import { errno, errnoName } from '../errno.js';
import { type Change, changesOf } from '../image/changes.js';
import { layersOfMount } from '../image/mount-source.js';
import type { LayerSource } from '../image/view.js';
import { bytesOf, shown } from '../sys/name.js';
import { syscalls } from '../sys/syscalls.js';
import { explain, MountError } from '../union/layers.js';
import { splitEscaped } from '../union/options.js';
import { escaped } from './escaped.js';

type Form = 'lines' | 'json' | 'stat' | 'name-only';

interface Request {
  readonly target: string;
  readonly lowers: readonly string[];
  readonly work: string | null;
  /** The store in which a name is a container's; null: as every command finds it. */
  readonly root: string | null;
  readonly form: Form;
}

const SEE = 'see stratafs diff --help';

function parse(argv: readonly string[]): Request {
  const lowers: string[] = [];
  const targets: string[] = [];
  let work: string | null = null;
  let root: string | null = null;
  let form: Form = 'lines';
  for (let at = 0; at < argv.length; at += 1) {
    const word = argv[at] as string;
    const [option, inline] = word.startsWith('--') ? word.split(/=(.*)/s) : [word];
    const value = (): string => {
      if (inline === undefined) at += 1;
      const given = inline ?? argv[at];
      if (given === undefined || given === '') throw new MountError(`diff: ${option} needs a directory; ${SEE}`);
      return given;
    };
    if (option === '--lower') lowers.push(...splitEscaped(value(), ':').filter(Boolean));
    else if (option === '--work') work = value();
    else if (option === '--root') root = value();
    else if (word === '--json' || word === '--stat' || word === '--name-only') form = word.slice(2) as Form;
    else if (word.startsWith('-')) throw new MountError(`diff: unknown option '${shown(word)}'; ${SEE}`);
    else targets.push(word);
  }
  const [target] = targets;
  if (target === undefined || targets.length > 1) {
    throw new MountError(`diff: one UPPER, MOUNTPOINT or CONTAINER is needed; ${SEE}`);
  }
  return { target, lowers, work, root, form };
}

function resolved(path: string): string {
  const bytes = Buffer.from(path, 'latin1');
  const fail = (code: number): MountError => new MountError(`diff: ${shown(path)}: ${explain(code)}`);
  let found: Buffer;
  try {
    found = realpathSync.native(bytes, 'buffer');
  } catch (error) {
    throw fail(-((error as { errno?: number }).errno ?? 0));
  }
  if (!statSync(found).isDirectory()) throw fail(errno.ENOTDIR);
  return found.toString('latin1');
}

/** What a container has changed since its image; null when there is no such container. */
async function containerSource(text: string, root: string | null): Promise<LayerSource | null> {
  const { storeRoot } = await import('./image-command.js');
  const { findContainer } = await import('../image/container/containers.js');
  const where = storeRoot(root === null ? null : shown(root));
  const container = findContainer(where, text);
  if (container !== null) {
    const [upper, work] = [container.upper(), container.path('work')].map(bytesOf) as [string, string];
    return { upper, lowers: container.lowers().map(bytesOf), workdir: work };
  }
  const known = `no container in ${where} (\`stratafs ps -a\` lists them)`;
  if (!text.includes('/')) throw new MountError(`diff: ${text} is neither a directory nor a container: ${known}`);
  return null;
}

async function sourceOf({ target, lowers, work, root }: Request): Promise<LayerSource> {
  if (lowers.length === 0 && !existsSync(Buffer.from(target, 'latin1'))) {
    const found = await containerSource(shown(target), root);
    if (found !== null) return found;
  }
  const path = resolved(target);
  const mounted = lowers.length === 0 ? layersOfMount(syscalls, path) : null;
  if (mounted !== null) return mounted;
  return { upper: path, lowers: lowers.map(resolved), workdir: work === null ? null : resolved(work) };
}

/** Text where a path is text; its bytes too where it is not. */
function told(key: string, path: string): Record<string, string> {
  const text = shown(path);
  if (bytesOf(text) === path) return { [key]: text };
  return { [key]: text, [`${key}_base64`]: Buffer.from(path, 'latin1').toString('base64') };
}

function asJson(changes: readonly Change[]): string {
  const rows = changes.map(({ kind, path, from, type, what, size, before }) => ({
    kind,
    ...told('path', path),
    ...(from === undefined ? {} : told('from', from)),
    ...{ type, what, size, before },
  }));
  return `[${rows.map((row) => `\n  ${JSON.stringify(row)}`).join(',')}\n]\n`;
}

const signed = (bytes: number): string => (bytes < 0 ? `${bytes}` : `+${bytes}`);

function statLine({ kind, path, from, what, size, before }: Change): string {
  const notes = [
    ...(size === before ? [] : [`${signed(size - before)} bytes`]),
    ...what.map((word) => (word === 'rename' && from !== undefined ? `renamed from ${escaped(from)}` : word)),
  ];
  return `${kind} ${escaped(path)}${notes.length === 0 ? '' : `  (${notes.join(', ')})`}\n`;
}

function asStat(changes: readonly Change[]): string {
  const count = (kind: string): number => changes.filter((change) => change.kind === kind).length;
  const bytes = changes.reduce((sum, { size, before }) => sum + size - before, 0);
  const sum = `${count('A')} added, ${count('C')} changed, ${count('D')} deleted, ${signed(bytes)} bytes\n`;
  return changes.map(statLine).join('') + sum;
}

const forms: Readonly<Record<Form, (changes: readonly Change[]) => string>> = {
  lines: (changes) => changes.map(({ kind, path }) => `${kind} ${escaped(path)}\n`).join(''),
  'name-only': (changes) => changes.map(({ path }) => `${escaped(path)}\n`).join(''),
  json: asJson,
  stat: asStat,
};

/** Entry of the command: returns the exit code, 1 when there is something that could not be told. */
export async function diffCommand(argv: readonly string[]): Promise<number> {
  const request = parse(argv.map(bytesOf));
  const { changes, untold } = await changesOf(syscalls, await sourceOf(request));
  process.stdout.write(forms[request.form](changes));
  for (const { path, error } of untold) {
    process.stderr.write(`stratafs: diff: ${escaped(path)}: ${errnoName(error.code)}: ${error.what}\n`);
  }
  return untold.length === 0 ? 0 : 1;
}
