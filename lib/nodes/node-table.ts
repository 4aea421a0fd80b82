// Which nodes the kernel knows and how often it was told of each (nlookup). Knows nothing of layers.

import { assert } from '../assert.js';
import { type NodeId, nodeId, ROOT_ID } from './ids.js';

/** What the kernel may name by nodeid; the union's directories and files extend it. */
export abstract class KernelNode {
  id: NodeId | 0 = 0;
  /** How many replies carried this node and were not forgotten yet. */
  nlookup = 0;
}

/** So many ids in a row share a page. */
const PAGE = 64;

/** The nodes of a run of ids. */
class Page<N> {
  readonly slots = new Array<N | null>(PAGE).fill(null);
  live = 0;
}

/**
 * nodeid -> node; ids are never used twice, so generation is always 0. They are given in sequence, so pages of them take
 * a third of the memory of one map.
 */
export class NodeTable<N extends KernelNode> {
  readonly #pages = new Map<number, Page<N>>();
  #next = ROOT_ID as number;
  #size = 0;
  readonly #onGone: (node: N) => void;
  /** Hears how many objects went with each node that goes. */
  onLoss: (count: number) => void = () => {};

  /** `onGone` hears of each node that the kernel has wholly forgotten. */
  constructor(onGone: (node: N) => void) {
    this.#onGone = onGone;
  }

  get size(): number {
    return this.#size;
  }

  get(id: number): N | undefined {
    return this.#pages.get(Math.floor(id / PAGE))?.slots[id % PAGE] ?? undefined;
  }

  /** Gives a node its id; the first one is the root. */
  add(node: N): NodeId {
    assert(node.id === 0, 'a node gets one id');
    const id = nodeId(this.#next++);
    const number = Math.floor(id / PAGE);
    let page = this.#pages.get(number);
    if (page === undefined) {
      page = new Page();
      this.#pages.set(number, page);
    }
    page.slots[id % PAGE] = node;
    page.live += 1;
    this.#size += 1;
    node.id = id;
    return id;
  }

  /** One more reply carries `node`. */
  remember(node: N): void {
    if (node.id === 0) this.add(node);
    node.nlookup += 1;
  }

  /** The kernel dropped `count` references, or a reply with one was not delivered. */
  forget(id: number, count: number): void {
    const node = this.get(id);
    if (node === undefined || id === ROOT_ID) return;
    assert(node.nlookup >= count, 'the kernel forgets no more than it was told');
    node.nlookup -= count;
    if (node.nlookup > 0) return;
    this.#remove(id);
    node.id = 0;
    this.#onGone(node);
  }

  *all(): IterableIterator<N> {
    for (const { slots } of this.#pages.values()) {
      for (const node of slots) if (node !== null) yield node;
    }
  }

  /** `id` is in use. */
  #remove(id: number): void {
    const number = Math.floor(id / PAGE);
    const page = this.#pages.get(number) as Page<N>;
    page.slots[id % PAGE] = null;
    page.live -= 1;
    this.#size -= 1;
    if (page.live === 0) this.#pages.delete(number);
  }
}
