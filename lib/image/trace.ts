// Where a path of a mount comes from: the layer that shows it, and what each layer beneath would show in its place. Found by
// looking the path up in the stack, then in the stack without the layers that answered, and so on down.

import { Stat } from '../sys/stat.js';
import type { Syscalls } from '../sys/syscalls.js';
import { dissolveUnion } from '../union/assemble.js';
import type { LayerDir } from '../union/dir-fds.js';
import { DirNode, type Entry, type FileNode, WHITEOUT } from '../union/inode.js';
import { namesIn, nodeOf } from '../union/lookup.js';
import { dataOf } from '../union/metacopy.js';
import type { Union } from '../union/union.js';
import type { Stack } from './mount-source.js';
import { typeOf } from './types.js';
import { openReadOnly } from './view.js';

/** Something of one layer. */
export interface Place {
  /** 0 is the upper; lowers count from 1, those that hold only data after them. */
  readonly layer: number;
  /** The layer's directory. */
  readonly directory: string;
  /** From the layer's root, with a slash at its start. */
  readonly path: string;
}

export interface Shown {
  readonly kind: 'shown';
  readonly type: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Of a directory every part, top first; else the one place where its attributes are. */
  readonly parts: readonly Place[];
  /** Where the bytes of a metadata-only copy are. */
  readonly data: Place | null;
  /** The upper changed it through another of its names. */
  readonly linked: boolean;
}

/** Why nothing shows: it is deleted, or its directory is opaque or a renamed one, or what is above it is no directory. */
export interface Hidden {
  readonly kind: 'whiteout' | 'opaque' | 'redirect' | 'no directory';
  readonly at: Place;
}

export type Finding = Shown | Hidden;

export interface Trace {
  /** What the mount shows, or why it shows nothing; null where no layer has anything. */
  readonly top: Finding | null;
  /** What is hidden by it, top first. */
  readonly hides: readonly Finding[];
}

/** The stack without what is above layer `from`. */
function beneath(stack: Stack, from: number): Stack | null {
  if (from === 0) return stack;
  const lowers = stack.lowers.slice(from - 1);
  return lowers.length === 0 ? null : { ...stack, upper: null, workdir: null, lowers };
}

class Search {
  readonly #union: Union;
  /** Layers that were taken away from the top of the lowers. */
  readonly #taken: number;
  readonly #stat = new Stat();

  constructor(union: Union, taken: number) {
    this.#union = union;
    this.#taken = taken;
  }

  find(names: readonly string[]): Finding | null {
    let dir = this.#union.root;
    for (const [at, name] of names.entries()) {
      const entry = namesIn(this.#union, dir).entries.get(name);
      if (entry === undefined) return this.#absent(dir, `/${names.slice(0, at).join('/')}`);
      if (entry.kind === WHITEOUT) return { kind: 'whiteout', at: this.#place(entry.dir, name) };
      if (at === names.length - 1) return this.#shown(dir, name, entry);
      const node = nodeOf(this.#union, dir, name, entry, this.#stat);
      if (!(node instanceof DirNode)) return { kind: 'no directory', at: this.#place(entry.dir, name) };
      dir = node;
    }
    return this.#directory(dir);
  }

  /** Nothing of that name: its directory, at `path`, ends what is beneath or leads elsewhere, if there is anything. */
  #absent(dir: DirNode, path: string): Hidden | null {
    const parts = dir.stack.map((part) => this.#place(part));
    const own = parts.filter((part) => part.path === path);
    const last = own.at(-1) ?? (parts[0] as Place);
    if (own.length < parts.length) return { kind: 'redirect', at: last };
    return dir.stack.at(-1)?.layer === this.#union.layers.at(-1) ? null : { kind: 'opaque', at: last };
  }

  #shown(dir: DirNode, name: string, entry: Entry): Shown {
    const node = nodeOf(this.#union, dir, name, entry, this.#stat);
    if (node instanceof DirNode) return this.#directory(node);
    const file = node as FileNode;
    const data = dataOf(this.#union, file);
    return {
      ...this.#attributes(),
      parts: [this.#place(file.dir, file.base)],
      data: data === null ? null : this.#place(data.file.dir, data.file.name),
      linked: this.#union.index !== null && file.dir === this.#union.index,
    };
  }

  #directory(node: DirNode): Shown {
    if (node === this.#union.root) {
      this.#union.sys.statAt(this.#union.layers[0]?.fd ?? -1, '', this.#stat);
    }
    namesIn(this.#union, node);
    const parts = node.stack.map((part) => this.#place(part));
    return { ...this.#attributes(), parts, data: null, linked: false };
  }

  #attributes(): Omit<Shown, 'parts' | 'data' | 'linked'> {
    const { mode, uid, gid, size, isRegular } = this.#stat;
    return { kind: 'shown', type: typeOf(mode), mode: mode & 0o7777, uid, gid, size: isRegular ? size : 0 };
  }

  #place(dir: LayerDir, name?: string): Place {
    const names = name === undefined ? [] : [name];
    for (let at = dir; at.parent !== null; at = at.parent) names.unshift(at.name);
    const { index, path } = dir.layer;
    return { layer: index + this.#taken, directory: path, path: `/${names.join('/')}` };
  }
}

const placesOf = (finding: Finding): readonly Place[] =>
  finding.kind === 'shown' ? [...finding.parts, ...(finding.data === null ? [] : [finding.data])] : [finding.at];

const same = (a: Place, b: Place): boolean => a.layer === b.layer && a.path === b.path;

/** The layer below which the search goes on: what hides by ending has its say as a whole. */
function nextLayer(finding: Finding | null): number {
  if (finding === null) return Number.POSITIVE_INFINITY;
  return (finding.kind === 'shown' ? (finding.parts[0] as Place) : finding.at).layer + 1;
}

async function findAt(sys: Syscalls, stack: Stack, from: number, names: readonly string[]): Promise<Finding | null> {
  const rest = beneath(stack, from);
  if (rest === null) return null;
  const { upper, workdir = null, lowers, dataLowers = [] } = rest;
  const union = await openReadOnly(sys, { upper, workdir, lowers: [...lowers], dataLowers: [...dataLowers] });
  try {
    return new Search(union, Math.max(0, from - 1)).find(names);
  } finally {
    dissolveUnion(union);
  }
}

/** Where `path` (from the root of what the layers show, one character a byte) comes from. */
export async function trace(sys: Syscalls, stack: Stack, path: string): Promise<Trace> {
  const names = path.split('/').filter((name) => name !== '');
  const found: Finding[] = [];
  for (let from = 0; Number.isFinite(from); ) {
    const finding = await findAt(sys, stack, from, names);
    if (finding !== null) found.push(finding);
    from = nextLayer(finding);
  }
  const [top = null, ...deeper] = found;
  if (top === null || found.every(({ kind }) => kind !== 'shown')) return { top: null, hides: [] };
  const used = placesOf(top);
  // Parts of what shows are not hidden by it; nor does a hiding that hides nothing further count.
  const hides = deeper.filter((finding) => !used.some((place) => same(place, placesOf(finding)[0] as Place)));
  while (hides.length > 0 && hides.at(-1)?.kind !== 'shown') hides.pop();
  return { top, hides };
}
