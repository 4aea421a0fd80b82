// Which nodes the kernel knows and how often it was told of each (nlookup). Knows nothing of layers.

import { assert } from '../assert.js';
import { type NodeId, nodeId, ROOT_ID } from './ids.js';

/** What the kernel may name by nodeid; the union's directories and files extend it. */
export abstract class KernelNode {
  id: NodeId | 0 = 0;
  /** How many replies carried this node and were not forgotten yet. */
  nlookup = 0;
}

/** Nodes that the kernel knows and that are in no table until somebody asks for one. */
export interface OtherNodes<N> {
  readonly size: number;
  /** Makes the node that the kernel calls `id`, which takes its place in the table with that; undefined: there is none. */
  node(id: number): N | undefined;
  /** How many names were kept for the one called `id`, which was forgotten, and for others like it. */
  namesBeside(id: number): number;
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
  readonly #others: OtherNodes<N> | null;
  /** Hears how many objects went with each node that goes. */
  onLoss: (count: number) => void = () => {};

  /** `onGone` hears of each node that the kernel has wholly forgotten. */
  constructor(onGone: (node: N) => void, others: OtherNodes<N> | null = null) {
    this.#onGone = onGone;
    this.#others = others;
  }

  get size(): number {
    return this.#size + (this.#others?.size ?? 0);
  }

  get(id: number): N | undefined {
    return this.#pages.get(Math.floor(id / PAGE))?.slots[id % PAGE] ?? this.#others?.node(id);
  }

  /** Gives a node its id; the first one is the root. */
  add(node: N): NodeId {
    const id = nodeId(this.#next++);
    this.take(node, id, 0);
    return id;
  }

  /** Gives a node an id that no other has, of which the kernel was told `nlookup` times. */
  take(node: N, id: NodeId, nlookup: number): void {
    assert(node.id === 0, 'a node gets one id');
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
    node.nlookup = nlookup;
  }

  /** One more reply carries `node`. */
  remember(node: N): void {
    if (node.id === 0) this.add(node);
    node.nlookup += 1;
  }

  /** The kernel dropped `count` references, or a reply with one was not delivered. */
  forget(id: number, count: number): void {
    const node = this.get(id);
    if (node === undefined) {
      this.onLoss(this.#others?.namesBeside(id) ?? 0);
      return;
    }
    if (id === ROOT_ID) return;
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
