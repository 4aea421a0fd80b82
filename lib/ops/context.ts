// What every operation is handed beside its request, and the replies that several of them share.
// An operation that puts a node or a handle into its reply says so here, so that a reply that was
// not delivered can be taken back.

import { fail } from '../errno.js';
import { check } from '../sys/check.js';
import type { Stat } from '../sys/stat.js';
import { release } from '../union/handles.js';
import { NO_ID } from '../union/ids-mapping.js';
import { DirNode, FileNode, type Inode } from '../union/inode.js';
import type { Caller, Union } from '../union/union.js';
import type { DirentWriter } from '../wire/dirents.js';
import type { Negotiated } from '../wire/init.js';
import type { ReplyWriter } from '../wire/replies.js';
import type { Header } from '../wire/requests.js';

/** Writes the payload of an answer that came late; the reply has been begun anew. */
export type Answer = () => void;

/** Seconds that the attributes of a file just created are trusted while it is open in passthrough. */
const JUST_MADE = 1;

export class Context {
  /** References given out by the reply at hand. */
  readonly #nodes: Inode[] = [];
  readonly #rows: (readonly [dir: DirNode, from: number, to: number, bare: boolean])[] = [];
  #fh = 0;

  constructor(
    readonly u: Union,
    readonly reply: ReplyWriter,
    readonly dirents: DirentWriter,
    readonly negotiated: Negotiated,
    /** Seconds that entries and attributes stay valid. */
    readonly validity: number,
    /** Filled and answered within one operation. */
    readonly stat: Stat,
  ) {}

  node(id: number): Inode {
    const node = this.u.nodes.get(id);
    if (node === undefined) throw fail('ESTALE', `nodeid ${id}`);
    return node;
  }

  directory(id: number): DirNode {
    const node = this.node(id);
    if (!(node instanceof DirNode)) throw fail('ENOTDIR', `nodeid ${id}`);
    return node;
  }

  file(id: number): FileNode {
    const node = this.node(id);
    if (!(node instanceof FileNode)) throw fail('EISDIR', `nodeid ${id}`);
    return node;
  }

  /** While a file may change behind the kernel's back (a mapping in passthrough), its attributes are asked for each time. */
  attrValidity(node: Inode): number {
    if (!(node instanceof FileNode) || node.backing === null) return this.validity;
    for (const handle of node.handles ?? []) if (handle.writable) return 0;
    return this.validity;
  }

  /** A file just made is checked by the open that made it: zero would cost a round trip at once. */
  #newValidity(node: Inode): number {
    return node instanceof FileNode && node.backing !== null ? Math.min(this.validity, JUST_MADE) : this.validity;
  }

  /** The reply will carry `node`. */
  grant(node: Inode): void {
    this.u.nodes.remember(node);
    this.#nodes.push(node);
  }

  /** The reply will carry the rows `from`..`to` of `dir`, see union/row-nodes.ts; `bare`: of these directories alone as nodes. */
  grantRows(dir: DirNode, from: number, to: number, bare: boolean): void {
    if (to > from) this.#rows.push([dir, from, to, bare]);
  }

  /** The reply will carry `fh`. */
  grantHandle(fh: number): void {
    this.#fh = fh;
  }

  entry(node: Inode): void {
    this.grant(node);
    this.reply.entry(node.id, 0, this.validity, this.attrValidity(node), this.stat.words);
  }

  /** The entry of a file that this request made and opened. */
  createdEntry(node: Inode): void {
    this.grant(node);
    this.reply.entry(node.id, 0, this.validity, this.#newValidity(node), this.stat.words);
  }

  attr(node: Inode): void {
    this.reply.attr(this.attrValidity(node), this.stat.words);
  }

  delivered(): void {
    this.#nodes.length = 0;
    this.#rows.length = 0;
    this.#fh = 0;
  }

  /** The reply reached nobody: the kernel knows neither the nodes nor the handle it carried. */
  undelivered(): void {
    const nodes = this.#nodes.splice(0);
    const fh = this.#fh;
    this.#fh = 0;
    if (fh !== 0) release(this.u, fh);
    for (const node of nodes) this.u.nodes.forget(node.id, 1);
    for (const rows of this.#rows.splice(0)) this.u.rowNodes.untell(...rows);
  }
}

/** What makes an inode comes with ids, always: without, it would be made as the server. */
export function callerOf(request: Header, umask: number): Caller {
  if (request.uid === NO_ID || request.gid === NO_ID) throw fail('EOVERFLOW', 'a creation without ids');
  return { uid: request.uid, gid: request.gid, umask };
}

/** The answer to work that settles with >= 0 or -errno and carries nothing. */
export async function settled(work: Promise<number>): Promise<Answer> {
  check(await work, 'work');
  return () => {};
}
