// Paths to nodes, for a channel whose kernel side is libfuse: nobody says lookup and forget here, so
// what is in use is held, with the directories above it, and let go afterwards.

import { LRUCache } from 'lru-cache';
import { fail } from '../errno.js';
import { Stat } from '../sys/stat.js';
import { getAttributes } from '../union/attributes.js';
import { DirNode, FileNode, type Inode } from '../union/inode.js';
import { nodeOf, visibleEntry } from '../union/lookup.js';
import type { Union } from '../union/union.js';
import { hiddenName, splitPath } from './fuse-native-convert.js';

/** Directories that stay known between operations, so that their names are not read each time. */
const WARM_DIRECTORIES = 512;

/** A node and the directories above it: a node is only good while those are known too. */
interface Hold {
  readonly node: Inode;
  chain: Inode[];
}

/** The node and what is above it, lowest first; the root needs no holding. */
function chainOf(node: Inode): Inode[] {
  const chain: Inode[] = [node];
  for (let at = node.parent; at !== null && at.parent !== null; at = at.parent) chain.push(at);
  return chain;
}

export class Tree {
  /** Filled and answered within one operation. */
  readonly stat = new Stat();
  /** For steps whose attributes nobody wants. */
  readonly spare = new Stat();
  readonly #holds = new Set<Hold>();
  readonly #opened = new Map<number, Hold>();
  /** Open files without a name, under the name that libfuse believes it gave them. */
  readonly #hidden = new Map<string, Hold>();
  readonly #warm = new LRUCache<DirNode, Hold>({
    max: WARM_DIRECTORIES,
    dispose: (hold) => this.#end(hold),
  });

  constructor(readonly u: Union) {}

  #hold(node: Inode): Hold {
    const hold: Hold = { node, chain: chainOf(node) };
    for (const each of hold.chain) this.u.nodes.remember(each);
    this.#holds.add(hold);
    return hold;
  }

  #end(hold: Hold | undefined): void {
    if (hold === undefined || !this.#holds.delete(hold)) return;
    this.#forget(hold.chain);
  }

  #forget(chain: readonly Inode[]): void {
    for (const node of chain) this.u.nodes.forget(node.id, 1);
  }

  /** Names have moved: what is held must hold what is above it now. */
  moved(): void {
    for (const hold of this.#holds) {
      const before = hold.chain;
      hold.chain = chainOf(hold.node);
      for (const node of hold.chain) this.u.nodes.remember(node);
      this.#forget(before);
    }
  }

  /** `dir` will be asked for again. */
  warm(dir: DirNode): void {
    if (dir !== this.u.root && this.#warm.get(dir) === undefined) this.#warm.set(dir, this.#hold(dir));
  }

  /** `node` was removed, perhaps: a removed directory is not kept. */
  cool(node: Inode | null): void {
    if (node instanceof DirNode && node.dead) this.#warm.delete(node);
  }

  opened(fh: number, node: FileNode): void {
    this.#opened.set(fh, this.#hold(node));
  }

  /** The handle is released; with the last one goes a file without a name. */
  closed(fh: number): void {
    const hold = this.#opened.get(fh);
    this.#opened.delete(fh);
    this.#end(hold);
    for (const [name, { node }] of this.#hidden) {
      if (node === hold?.node && node instanceof FileNode && node.handles === null) this.reveal(name);
    }
  }

  /** libfuse hides an open file instead of removing it; here it is removed, and found by its handle's node. */
  hide(name: string, node: FileNode): void {
    this.#hidden.set(name, this.#hold(node));
  }

  hidden(path: string): Inode | null {
    const name = hiddenName(path);
    return (name === null ? undefined : this.#hidden.get(name)?.node) ?? null;
  }

  /** libfuse removes what it hid; false when this never was hidden. */
  reveal(name: string): boolean {
    const hold = this.#hidden.get(name);
    this.#end(hold);
    return this.#hidden.delete(name);
  }

  /** The mount is gone: nothing is held any more. */
  clear(): void {
    this.#warm.clear();
    for (const hold of [...this.#holds]) this.#end(hold);
    this.#opened.clear();
    this.#hidden.clear();
  }
}

/** The nodes of one operation. */
export class Walk {
  readonly #kept: Inode[] = [];

  constructor(readonly tree: Tree) {}

  /** Keeps `node` known until the operation ends. */
  keep<N extends Inode>(node: N): N {
    const { u } = this.tree;
    if (node === (u.root as Inode)) return node;
    u.nodes.remember(node);
    this.#kept.push(node);
    return node;
  }

  /** One step down; ENOENT when there is no such name. */
  step(dir: DirNode, name: string): Inode {
    const { u, spare } = this.tree;
    const entry = visibleEntry(u, dir, name);
    if (entry === null) throw fail('ENOENT', 'path');
    return this.keep(entry.node ?? nodeOf(u, dir, name, entry, spare));
  }

  directory(names: readonly string[]): DirNode {
    let dir = this.tree.u.root;
    for (const name of names) {
      const next = this.step(dir, name);
      if (!(next instanceof DirNode)) throw fail('ENOTDIR', 'path');
      dir = next;
    }
    this.tree.warm(dir);
    return dir;
  }

  /** The node at `path`, its attributes in the tree's `stat`. */
  attributes(path: string): Inode {
    const { u, stat } = this.tree;
    const names = splitPath(path);
    const name = names.pop();
    if (name === undefined || this.tree.hidden(path) !== null) {
      const node = this.node(path);
      getAttributes(u, node, stat);
      return node;
    }
    const dir = this.directory(names);
    const entry = visibleEntry(u, dir, name);
    if (entry === null) throw fail('ENOENT', 'path');
    return this.keep(nodeOf(u, dir, name, entry, stat));
  }

  node(path: string): Inode {
    const hidden = this.tree.hidden(path);
    if (hidden !== null) return hidden;
    const names = splitPath(path);
    const last = names.pop();
    const dir = this.directory(names);
    return last === undefined ? dir : this.step(dir, last);
  }

  file(path: string): FileNode {
    const node = this.node(path);
    if (!(node instanceof FileNode)) throw fail('EISDIR', 'path');
    return node;
  }

  /** The operation is over. */
  end(): void {
    for (const node of this.#kept.splice(0).reverse()) this.tree.u.nodes.forget(node.id, 1);
  }
}
