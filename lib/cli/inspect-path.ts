// `stratafs inspect PATH`: which layer a path of a mount comes from and what it hides, for people and for machines.

import { Buffer } from 'node:buffer';
import { realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { ErrnoError } from '../errno.js';
import { listContainers } from '../image/container/containers.js';
import { ImageError } from '../image/error.js';
import { type Image, listImages } from '../image/images.js';
import { type Stack, stackOfMount } from '../image/mount-source.js';
import { familiarName } from '../image/reference.js';
import type { Store } from '../image/store.js';
import { type Finding, type Place, type Shown, trace } from '../image/trace.js';
import { bytesOf, shown } from '../sys/name.js';
import { syscalls } from '../sys/syscalls.js';
import { escaped } from './escaped.js';

interface Located {
  readonly mountpoint: string;
  readonly stack: Stack;
  /** Below the mountpoint. */
  readonly path: string;
}

/** `path` without links on the way to its last component, which need not exist. */
function placed(path: string): string {
  const whole = resolve(path);
  const missing: string[] = [];
  for (let at = dirname(whole); ; at = dirname(at)) {
    try {
      return join(realpathSync.native(at), ...missing, basename(whole));
    } catch {
      missing.unshift(basename(at));
    }
  }
}

/** The stratafs mount that a path is in: the innermost one whose root is on the way. */
function locate(text: string): Located | null {
  const path = placed(text);
  for (let at = path; ; at = dirname(at)) {
    const stack = stackAt(at);
    if (stack !== null) return { mountpoint: at, stack, path: path.slice(at.length) };
    if (at === dirname(at)) return null;
  }
}

export const isInMount = (text: string): boolean => locate(text) !== null;

/** What is no directory, or is not there, is no mount. */
function stackAt(path: string): Stack | null {
  try {
    return stackOfMount(syscalls, bytesOf(path));
  } catch (error) {
    if (error instanceof ErrnoError) return null;
    throw error;
  }
}

/** What the store knows of a layer's directory. */
interface Known {
  readonly diffId?: string;
  /** Images that have the layer. */
  readonly images?: readonly string[];
  readonly createdBy?: string;
  readonly comment?: string;
  readonly container?: string;
}

/** The step of the image's history that made layer number `at`, bottom first. */
function stepOf({ config }: Image, at: number): Pick<Known, 'createdBy' | 'comment'> {
  const made = (config.history ?? []).filter(({ empty_layer }) => empty_layer !== true)[at];
  return {
    ...(made?.created_by ? { createdBy: made.created_by } : {}),
    ...(made?.comment ? { comment: made.comment } : {}),
  };
}

class Knowledge {
  readonly #store: Store;
  readonly #images: readonly Image[];

  constructor(store: Store) {
    this.#store = store;
    this.#images = listImages(store);
  }

  of(directory: string): Known {
    const owner = listContainers(this.#store.root).find(({ directory: home }) => directory.startsWith(`${home}/`));
    if (owner !== undefined) return { container: owner.record.name };
    const diffId = this.#store.layers.list().find((id) => this.#store.layers.tree(id) === directory);
    if (diffId === undefined) return {};
    const having = this.#images.filter(({ config }) => config.rootfs.diff_ids.includes(diffId));
    const [first] = having;
    const images = having.map(({ name, id }) => (name === null ? id : familiarName(name)));
    const step = first === undefined ? {} : stepOf(first, first.config.rootfs.diff_ids.indexOf(diffId));
    return { diffId, images, ...step };
  }
}

/** Text where a path is text; its bytes too where it is not. */
function told(key: string, path: string): Record<string, string> {
  const text = shown(path);
  if (bytesOf(text) === path) return { [key]: text };
  return { [key]: text, [`${key}_base64`]: Buffer.from(path, 'latin1').toString('base64') };
}

function placeJson({ layer, directory, path }: Place, knowledge: Knowledge): Record<string, unknown> {
  return {
    layer,
    kind: layer === 0 ? 'upper' : 'lower',
    ...told('directory', directory),
    ...told('path', path),
    ...knowledge.of(shown(directory)),
  };
}

function findingJson(finding: Finding, knowledge: Knowledge): Record<string, unknown> {
  if (finding.kind !== 'shown') return { kind: finding.kind, from: placeJson(finding.at, knowledge) };
  const { type, mode, uid, gid, size, parts, data, linked } = finding;
  return {
    kind: 'shown',
    ...{ type, mode: mode.toString(8).padStart(4, '0'), uid, gid, size },
    from: placeJson(parts[0] as Place, knowledge),
    ...(parts.length > 1 ? { mergedWith: parts.slice(1).map((part) => placeJson(part, knowledge)) } : {}),
    ...(data === null ? {} : { data: placeJson(data, knowledge) }),
    ...(linked ? { changedByAnotherName: true } : {}),
  };
}

const sizeOf = ({ type, size }: Shown): string => (type === 'file' ? `, ${size} bytes` : '');

function attributes(finding: Shown): string {
  const { type, mode, uid, gid } = finding;
  return `${type}, ${mode.toString(8).padStart(4, '0')}, ${uid}:${gid}${sizeOf(finding)}`;
}

const words = {
  whiteout: 'deleted by a whiteout',
  opaque: 'hidden by an opaque directory',
  redirect: 'hidden by a renamed directory',
  'no directory': 'hidden by what is no directory',
} as const;

/** The same as the JSON, as lines. */
class Lines {
  readonly #lines: string[] = [];
  readonly #knowledge: Knowledge;
  readonly #lowers: number;

  constructor(knowledge: Knowledge, { lowers, dataLowers = [] }: Stack) {
    this.#knowledge = knowledge;
    this.#lowers = lowers.length + dataLowers.length;
  }

  get text(): string {
    return this.#lines.map((line) => `${line}\n`).join('');
  }

  add(line: string): void {
    this.#lines.push(line);
  }

  place(label: string, { layer, directory, path }: Place, note = ''): void {
    const which = layer === 0 ? 'the upper' : `lower ${layer} of ${this.#lowers}`;
    const { diffId, images = [], container, createdBy, comment } = this.#knowledge.of(shown(directory));
    this.add(`${label.padEnd(8)}${which}: ${escaped(directory + (path === '/' ? '' : path))}${note}`);
    const indent = ' '.repeat(10);
    if (container !== undefined) this.add(`${indent}container ${container}`);
    if (diffId !== undefined)
      this.add(`${indent}layer ${diffId}${images.length > 0 ? ` of ${images.join(', ')}` : ''}`);
    const made = [createdBy, comment].filter((one) => one !== undefined && one !== '');
    if (made.length > 0) this.add(`${indent}made by: ${made.join(' | ').replace(/\s+/g, ' ')}`);
  }

  /** What shows on top. */
  top(finding: Finding): void {
    if (finding.kind !== 'shown') {
      this.place('by', finding.at);
      return;
    }
    for (const [at, part] of finding.parts.entries()) this.place(at === 0 ? 'from' : 'merged', part);
    if (finding.linked) this.add('        changed through another of its names');
    if (finding.data !== null) this.place('data', finding.data);
  }

  hidden(finding: Finding): void {
    if (finding.kind === 'shown') this.place('hides', finding.parts[0] as Place, `  (${attributes(finding)})`);
    else this.place('hides', finding.at, `  (${words[finding.kind]})`);
  }
}

export interface PathAnswer {
  readonly json: unknown;
  readonly text: string;
}

/** What is known of one path. */
export async function inspectPath(store: Store, text: string): Promise<PathAnswer> {
  const located = locate(text);
  if (located === null) {
    throw new ImageError(`${text} is in no stratafs mount: give a path of one, or an image (stratafs images)`);
  }
  const { mountpoint, stack, path } = located;
  const { top, hides } = await trace(syscalls, stack, bytesOf(path));
  if (top === null) throw new ImageError(`${text}: no layer of the mount at ${mountpoint} has it, nor hides it`);
  const knowledge = new Knowledge(store);
  const state = top.kind === 'shown' ? attributes(top) : words[top.kind];
  const lines = new Lines(knowledge, stack);
  lines.add(`${escaped(bytesOf(path || '/'))} in the mount at ${escaped(bytesOf(mountpoint))}  (${state})`);
  lines.top(top);
  for (const finding of hides) lines.hidden(finding);
  const json = {
    ...told('path', bytesOf(path || '/')),
    ...told('mountpoint', bytesOf(mountpoint)),
    ...findingJson(top, knowledge),
    hides: hides.map((finding) => findingJson(finding, knowledge)),
  };
  return { json, text: lines.text };
}
