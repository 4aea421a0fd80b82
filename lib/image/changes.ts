// What an upper changes over its lowers, path by path, and what a change really is. Tells a file that was copied up and
// left as it was from one that was changed: by its attributes, as rsync and docker do, not by reading it.

import { Buffer } from 'node:buffer';
import type { ErrnoError } from '../errno.js';
import { checkData } from '../sys/check.js';
import { S_IFBLK, S_IFCHR, S_IFLNK, S_IFMT } from '../sys/constants.js';
import { type Stat, W } from '../sys/stat.js';
import type { Syscalls } from '../sys/syscalls.js';
import { placeOf } from '../union/attributes.js';
import { FileNode, type Inode } from '../union/inode.js';
import type { Union } from '../union/union.js';
import { namesElsewhere } from './elsewhere.js';
import { typeOf } from './types.js';
import { closeView, type LayerSource, openView, type View } from './view.js';
import { type Beneath, type Step, walkUpper } from './walk.js';
import { xattrsOf } from './xattrs.js';

export type Kind = 'A' | 'C' | 'D';

/** What differs; `rename`: the lowers have it under the path in `from`. */
export type What = 'type' | 'content' | 'mode' | 'owner' | 'xattr' | 'time' | 'rename';

export interface Change {
  readonly kind: Kind;
  /** From the root, with a slash at its start; one character a byte. */
  readonly path: string;
  readonly type: string;
  readonly what: readonly What[];
  /** Bytes, now and before; 0 for what has no contents. */
  readonly size: number;
  readonly before: number;
  /** Where the lowers have a renamed directory: a path from the root, or a name beside it. */
  readonly from?: string;
}

/** A path that could not be told. */
export interface Untold {
  readonly path: string;
  readonly error: ErrnoError;
}

export interface Changes {
  /** In the order of the paths' bytes. */
  readonly changes: readonly Change[];
  readonly untold: readonly Untold[];
}

const sizeOf = (stat: Stat): number => (stat.isRegular ? stat.size : 0);

function sameTime(a: Stat, b: Stat): boolean {
  return [W.mtime, W.mtime + 1, W.mtimeNsec].every((word) => a.words[word] === b.words[word]);
}

function sameXattrs(a: Map<string, Uint8Array>, b: Map<string, Uint8Array>): boolean {
  const same = (name: string, value: Uint8Array): boolean => {
    const other = b.get(name);
    return other !== undefined && Buffer.compare(value, other) === 0;
  };
  return a.size === b.size && [...a].every(([name, value]) => same(name, value));
}

/** The bytes that a symlink or device is. */
function substance(u: Union, node: Inode, stat: Stat): string {
  const format = stat.mode & S_IFMT;
  if (format === S_IFCHR || format === S_IFBLK) return String(stat.rdev);
  if (format !== S_IFLNK) return '';
  const place = placeOf(u, node);
  return checkData(u.sys.readlinkAt(place.fd, place.name), 'readlink');
}

class Comparison {
  readonly #view: View;

  constructor(view: View) {
    this.#view = view;
  }

  /** How `node` differs from what is beneath it. */
  between(node: Inode, stat: Stat, beneath: Beneath): What[] {
    const { merged, lower, upper } = this.#view;
    const what: What[] = [];
    const differ = (kind: What, differs: boolean): void => {
      if (differs) what.push(kind);
    };
    const under = beneath.node;
    // Nobody could see what is broken: the upper has something else.
    if (under === null || ((stat.mode ^ beneath.stat.mode) & S_IFMT) !== 0) return ['type'];
    const timeless = sameTime(stat, beneath.stat);
    const content = this.#contentDiffers(node, stat, under, beneath.stat, timeless);
    differ('content', content);
    differ('mode', stat.mode !== beneath.stat.mode);
    differ('owner', stat.uid !== beneath.stat.uid || stat.gid !== beneath.stat.gid);
    differ('xattr', !sameXattrs(xattrsOf(merged, upper, node), xattrsOf(lower as Union, null, under)));
    differ('time', !timeless && !content);
    return what;
  }

  /** A file with its own data and another time was written to; one whose data is the lower's was not. */
  #contentDiffers(node: Inode, stat: Stat, under: Inode, before: Stat, timeless: boolean): boolean {
    const { merged, lower } = this.#view;
    if (stat.isDirectory) return false;
    if (!stat.isRegular) {
      return substance(merged, node, stat) !== substance(lower as Union, under, before);
    }
    if (stat.size !== before.size) return true;
    return !timeless && !(node instanceof FileNode && node.data != null);
  }
}

class Collector {
  readonly changes = new Map<string, Change>();
  readonly untold: Untold[] = [];
  readonly #comparison: Comparison;

  constructor(view: View) {
    this.#comparison = new Comparison(view);
  }

  add(step: Step): void {
    const path = `/${step.path}`;
    if (step.kind === 'failed') this.untold.push({ path, error: step.error });
    else if (step.kind === 'whiteout') this.#gone(path, step.beneath);
    else if (step.kind === 'opaque') {
      for (const [name, stat] of step.gone()) {
        this.#put({ kind: 'D', path: path === '/' ? `/${name}` : `${path}/${name}`, ...removed(stat) });
      }
    } else this.#node(path, step);
  }

  #put(change: Change): void {
    this.changes.set(change.path, change);
  }

  #gone(path: string, beneath: Beneath | null): void {
    this.#put({ kind: 'D', path, ...removed(beneath?.stat ?? null) });
  }

  #node(path: string, { node, stat, beneath, redirect }: Step & { kind: 'node' }): void {
    const from = redirect === null ? {} : { from: redirect };
    const type = typeOf(stat.mode);
    if (beneath === null) {
      if (path === '/') return;
      const what: What[] = redirect === null ? [] : ['rename'];
      this.#put({ kind: 'A', path, type, what, size: sizeOf(stat), before: 0, ...from });
      return;
    }
    const differences = this.#comparison.between(node, stat, beneath);
    // The root's time is the upper's own: nobody copied it up.
    const what = path === '/' ? differences.filter((kind) => kind !== 'time') : differences;
    if (redirect !== null) what.push('rename');
    if (what.length === 0) return;
    this.#put({ kind: 'C', path, type, what, size: sizeOf(stat), before: sizeOf(beneath.stat), ...from });
  }

  /** With the directories on the way to each change, which have changed by it. */
  sorted(): Change[] {
    for (const { path } of [...this.changes.values()]) {
      for (let slash = path.lastIndexOf('/'); slash > 0; slash = path.lastIndexOf('/', slash - 1)) {
        const above = path.slice(0, slash);
        if (this.changes.has(above)) break;
        this.#put({ kind: 'C', path: above, type: 'directory', what: [], size: 0, before: 0 });
      }
    }
    return [...this.changes.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  }
}

function removed(stat: Stat | null): Omit<Change, 'kind' | 'path'> {
  const known = stat === null ? { type: 'unknown', before: 0 } : { type: typeOf(stat.mode), before: sizeOf(stat) };
  return { ...known, what: [], size: 0 };
}

/** What the upper of `source` changes. Reads the upper, and of the lowers what the upper touches. */
export async function changesOf(sys: Syscalls, source: LayerSource): Promise<Changes> {
  const view = await openView(sys, source);
  try {
    const collector = new Collector(view);
    for (const step of walkUpper(view, namesElsewhere(view))) collector.add(step);
    return { changes: collector.sorted(), untold: collector.untold };
  } finally {
    closeView(view);
  }
}
