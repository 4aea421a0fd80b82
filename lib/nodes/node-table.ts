// Which nodes the kernel knows and how often it was told of each (nlookup). Knows nothing of layers.

import { assert } from '../assert.js';
import { type NodeId, nodeId, ROOT_ID } from './ids.js';

/** What the kernel may name by nodeid; the union's directories and files extend it. */
export abstract class KernelNode {
  id: NodeId | 0 = 0;
  /** How many replies carried this node and were not forgotten yet. */
  nlookup = 0;
}

/** nodeid -> node; ids are never used twice, so generation is always 0. */
export class NodeTable<N extends KernelNode> {
  readonly #nodes = new Map<NodeId, N>();
  #next = ROOT_ID as number;
  readonly #onGone: (node: N) => void;
  /** Hears how many objects went with each node that goes. */
  onLoss: (count: number) => void = () => {};

  /** `onGone` hears of each node that the kernel has wholly forgotten. */
  constructor(onGone: (node: N) => void) {
    this.#onGone = onGone;
  }

  get size(): number {
    return this.#nodes.size;
  }

  get(id: number): N | undefined {
    return this.#nodes.get(id as NodeId);
  }

  /** Gives a node its id; the first one is the root. */
  add(node: N): NodeId {
    assert(node.id === 0, 'a node gets one id');
    node.id = nodeId(this.#next++);
    this.#nodes.set(node.id, node);
    return node.id;
  }

  /** One more reply carries `node`. */
  remember(node: N): void {
    if (node.id === 0) this.add(node);
    node.nlookup += 1;
  }

  /** The kernel dropped `count` references, or a reply with one was not delivered. */
  forget(id: number, count: number): void {
    const node = this.#nodes.get(id as NodeId);
    if (node === undefined || id === ROOT_ID) return;
    assert(node.nlookup >= count, 'the kernel forgets no more than it was told');
    node.nlookup -= count;
    if (node.nlookup === 0) this.drop(node);
  }

  drop(node: N): void {
    this.#nodes.delete(node.id as NodeId);
    node.id = 0;
    this.#onGone(node);
  }

  *all(): IterableIterator<N> {
    yield* this.#nodes.values();
  }
}
