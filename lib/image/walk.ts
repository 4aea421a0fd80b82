// The one walk over an upper: what it adds and hides, in the order of path bytes. What lies beneath a directory that
// the upper only continues is not entered, so the cost grows with the upper and the listings of its directories.

import { ErrnoError } from '../errno.js';
import { check } from '../sys/check.js';
import { DT_DIR, DT_UNKNOWN } from '../sys/constants.js';
import { Stat } from '../sys/stat.js';
import type { LayerDir } from '../union/dir-fds.js';
import { forgetNode } from '../union/forget.js';
import { DirNode, type Entry, type Inode, WHITEOUT } from '../union/inode.js';
import { namesIn, nodeOf, visibleEntry } from '../union/lookup.js';
import { OPAQUE_FILE, readMarks, readRedirect, WH } from '../union/marks.js';
import { listedNode } from '../union/readdir.js';
import type { Union } from '../union/union.js';
import { continues, type View } from './view.js';

/** What the lowers alone show at a path; no node where it is broken, which is nothing to who hides it. */
export interface Beneath {
  readonly node: Inode | null;
  readonly stat: Stat;
}

/** A name of the lowers and its attributes; null where they cannot be read. */
export type Gone = readonly [name: string, stat: Stat | null];

/** One finding. Nodes and stats are good until the next one is asked for. */
export type Step =
  /** A name that the upper hides; `beneath` is what it hid, null where the lowers are not known. */
  | { readonly kind: 'whiteout'; readonly path: string; readonly beneath: Beneath | null }
  | {
      readonly kind: 'node';
      readonly path: string;
      readonly node: Inode;
      readonly stat: Stat;
      readonly beneath: Beneath | null;
      /** Where the lowers have a renamed directory. */
      readonly redirect: string | null;
    }
  /** The directory at `path` hides what the lowers have there: `gone` are its names that do not show any more. */
  | { readonly kind: 'opaque'; readonly path: string; readonly gone: () => Gone[] }
  | { readonly kind: 'failed'; readonly path: string; readonly error: ErrnoError };

interface Child {
  readonly node: DirNode;
  readonly beneath: DirNode | null;
}

interface Item {
  readonly key: string;
  readonly name: string;
  readonly entry: Entry | null;
  readonly role: 'entry' | 'whiteout' | 'opaque' | 'inside';
}

interface Frame extends Child {
  /** `` for the root, else with a slash at its end. */
  readonly prefix: string;
  /** Names that are not in the upper are the lowers' own. */
  readonly over: boolean;
  readonly gone: readonly string[];
  readonly items: Iterator<Item>;
  /** Directories whose inside comes later, by name. */
  readonly waiting: Map<string, Child>;
}

/** Paths of lower files that the upper changed through another name, and of the directories on the way to them. */
export interface Elsewhere {
  readonly files: ReadonlySet<string>;
  readonly directories: ReadonlySet<string>;
}

export const nowhere: Elsewhere = { files: new Set(), directories: new Set() };

const mayBeDirectory = ({ kind }: Entry): boolean => kind === DT_DIR || kind === DT_UNKNOWN;
const byKey = (a: Item, b: Item): number => (a.key < b.key ? -1 : 1);

class Walk {
  readonly #view: View;
  readonly #elsewhere: Elsewhere;
  readonly #stat = new Stat();
  readonly #lowerStat = new Stat();

  constructor(view: View, elsewhere: Elsewhere) {
    this.#view = view;
    this.#elsewhere = elsewhere;
  }

  *steps(): Generator<Step> {
    const { merged, lower } = this.#view;
    const root: Child = { node: merged.root, beneath: lower?.root ?? null };
    check(merged.sys.statAt(merged.layers[0]?.fd ?? -1, '', this.#stat), 'stat the upper');
    if (lower !== null) check(lower.sys.statAt(lower.layers[0]?.fd ?? -1, '', this.#lowerStat), 'stat a lower');
    const beneath = lower === null ? null : { node: lower.root, stat: this.#lowerStat };
    yield { kind: 'node', path: '', node: merged.root, stat: this.#stat, beneath, redirect: null };
    const frames = [this.#enter(root, '')];
    for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
      const { value: item, done } = frame.items.next();
      if (done === true) {
        frames.pop();
        this.#leave(frame);
      } else if (item.role === 'inside') {
        const child = frame.waiting.get(item.name);
        if (child === undefined) continue;
        frame.waiting.delete(item.name);
        const inside = this.#tryEnter(child, `${frame.prefix}${item.name}/`);
        if ('items' in inside) frames.push(inside);
        else yield inside;
      } else yield* this.#step(frame, item);
    }
  }

  #tryEnter(child: Child, prefix: string): Frame | Step {
    try {
      return this.#enter(child, prefix);
    } catch (error) {
      if (!(error instanceof ErrnoError)) throw error;
      this.#forget(this.#view.merged, child.node);
      this.#forget(this.#view.lower, child.beneath);
      return { kind: 'failed', path: prefix.slice(0, -1), error };
    }
  }

  #forget(u: Union | null, node: Inode | null): void {
    if (u !== null && node !== null && node.nlookup === 0 && node !== u.root) forgetNode(u, node);
  }

  #leave(frame: Frame): void {
    this.#forget(this.#view.merged, frame.node);
    this.#forget(this.#view.lower, frame.beneath);
  }

  #enter({ node, beneath }: Child, prefix: string): Frame {
    const { merged, lower } = this.#view;
    const { entries } = namesIn(merged, node);
    const lowerNames = beneath === null || lower === null ? null : namesIn(lower, beneath).entries;
    const over = continues(this.#view, node, beneath);
    const hides = lowerNames !== null && !over;
    const items: Item[] = [];
    const add = (key: string, name: string, entry: Entry | null, role: Item['role']): void => {
      items.push({ key, name, entry, role });
    };
    for (const [name, entry] of entries.named()) {
      if (!this.#concerns(entry, over, prefix + name)) continue;
      if (entry.kind === WHITEOUT) {
        if (over || lower === null) add(WH + name, name, entry, 'whiteout');
        continue;
      }
      add(name, name, entry, 'entry');
      if (mayBeDirectory(entry)) add(`${name}/`, name, entry, 'inside');
    }
    const marked = lower === null && this.#isMarked(node);
    if (hides || marked) add(OPAQUE_FILE, '', null, 'opaque');
    const isGone = (name: string): boolean => (entries.get(name)?.kind ?? WHITEOUT) === WHITEOUT;
    const gone = hides ? [...lowerNames.named()].filter(([name, { kind }]) => kind !== WHITEOUT && isGone(name)) : [];
    return {
      ...{ node, beneath, prefix, over },
      gone: gone.map(([name]) => name),
      items: items.sort(byKey)[Symbol.iterator](),
      waiting: new Map(),
    };
  }

  /** Opaque by its own word, where nobody knows what it hides. */
  #isMarked(node: DirNode): boolean {
    const { merged } = this.#view;
    return readMarks(merged.sys, merged.dirFds, node.stack[0] as LayerDir, merged.scratch).opaque;
  }

  /** Of a directory that the upper continues only the upper's names do. */
  #concerns(entry: Entry, over: boolean, path: string): boolean {
    const { upper } = this.#view;
    if (!over || entry.dir.layer === upper) return true;
    return this.#elsewhere.files.has(path) || this.#elsewhere.directories.has(path);
  }

  *#step(frame: Frame, item: Item): Generator<Step> {
    const path = frame.prefix + item.name;
    if (item.role === 'opaque') {
      yield { kind: 'opaque', path: path.replace(/\/$/, ''), gone: () => this.#gone(frame) };
      return;
    }
    try {
      if (item.role === 'whiteout') yield* this.#whiteout(frame, item.name, path);
      else yield* this.#node(frame, item, path);
    } catch (error) {
      if (!(error instanceof ErrnoError)) throw error;
      yield { kind: 'failed', path, error };
    }
  }

  #gone(frame: Frame): Gone[] {
    return frame.gone.map((name) => {
      const beneath = this.#lowerOf(frame, name);
      this.#forget(this.#view.lower, beneath?.node ?? null);
      if (beneath === null) return [name, null];
      const stat = new Stat();
      stat.copyFrom(beneath.stat);
      return [name, stat];
    });
  }

  /** What the lowers show under `name`. */
  #lowerOf(frame: Frame, name: string): Beneath | null {
    const { lower } = this.#view;
    if (lower === null || frame.beneath === null) return null;
    const entry = visibleEntry(lower, frame.beneath, name);
    if (entry === null) return null;
    // Of a directory it matters whether the upper continues it: to take it for broken would be a wrong answer.
    const find = mayBeDirectory(entry) ? nodeOf : listedNode;
    return { node: find(lower, frame.beneath, name, entry, this.#lowerStat), stat: this.#lowerStat };
  }

  /** One that hides nothing is left out. */
  *#whiteout(frame: Frame, name: string, path: string): Generator<Step> {
    const beneath = this.#lowerOf(frame, name);
    if (beneath === null && this.#view.lower !== null) return;
    yield { kind: 'whiteout', path, beneath };
    this.#forget(this.#view.lower, beneath?.node ?? null);
  }

  *#node(frame: Frame, { name, entry }: Item, path: string): Generator<Step> {
    const { merged } = this.#view;
    const beneath = this.#lowerOf(frame, name);
    const node = nodeOf(merged, frame.node, name, entry as Entry, this.#stat);
    yield { kind: 'node', path, node, stat: this.#stat, beneath, redirect: this.#redirectOf(node) };
    const under = beneath?.node instanceof DirNode ? beneath.node : null;
    if (node instanceof DirNode) frame.waiting.set(name, { node, beneath: under });
    else this.#forget(merged, node);
    if (!(node instanceof DirNode) || under === null) this.#forget(this.#view.lower, beneath?.node ?? null);
  }

  #redirectOf(node: Inode): string | null {
    const { merged, upper } = this.#view;
    const dir = node instanceof DirNode ? node.stack[0] : undefined;
    if (dir === undefined || dir.layer !== upper) return null;
    return readRedirect(merged.sys, { fd: merged.dirFds.fd(dir), name: '' });
  }
}

/** Every finding, in the order of the paths' bytes that they have in a layer tar; the root comes first. */
export function walkUpper(view: View, elsewhere: Elsewhere = nowhere): Generator<Step> {
  return new Walk(view, elsewhere).steps();
}
