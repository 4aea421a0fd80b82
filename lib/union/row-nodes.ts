// Nodes that the kernel knows and that have no object: plain files and directories of lowers whose names are packed. The data
// plane answers for them, one row each, and counts in shared memory how often the kernel was told of each. Whoever meets one here,
// by its name or by its nodeid, makes it an object, which takes over that count; and, with a directory that the data plane has
// entered, its names.

import { nodeId } from '../nodes/ids.js';
import type { NodeTable } from '../nodes/node-table.js';
import type { NativeChannel, OpenedFile } from '../sys/binding.js';
import { DT_DIR, DT_LNK } from '../sys/constants.js';
import { type DirFds, LayerDir, noMarks } from './dir-fds.js';
import { DirIndex, DirNode, type Entry, FileNode, type HeldRows, type Inode } from './inode.js';
import type { InodeNumbers } from './inode-numbers.js';
import { keepsOrigins, type Layer } from './layers.js';
import { PackedNames } from './packed-names.js';

/** A nodeid of a row is the number of its table times this, and the row. native/row_nodes.h has it too. */
const ROWS = 1 << 21;
/** Nodeids of tables lie above all others. */
const FIRST_TABLE = 1 << 20;
/** In Held.told: the row leads to another row's node. native/row_nodes.h has it too. */
const LED = 2 ** 31;
/** One name asked for is worth opening so many directories. */
const LAYERS_A_NAME = 4;

/** What of a union matters here. */
interface Around {
  readonly bare: boolean;
  readonly options: { readonly staticNlink: boolean };
  readonly layers: readonly Layer[];
  readonly numbers: Pick<InodeNumbers, 'plain' | 'hash'>;
  readonly dirFds: Pick<DirFds, 'has' | 'lend' | 'adopt'>;
  readonly nodes: Pick<NodeTable<Inode>, 'get' | 'take'>;
  readonly plane: Pick<
    NativeChannel,
    | ('serveRows' | 'endRows' | 'dropRows' | 'allowRows' | 'rowsIn' | 'takeRows' | 'takeOpen' | 'liveRows')
    | ('linkedNode' | 'ledTo' | 'takeLinks')
  >;
}

/** What of a row is told when it becomes an object. */
interface Met {
  /** It is open. */
  opened(node: FileNode, file: OpenedFile): void;
  /** It has several links. */
  linked(node: FileNode, identity: string): void;
  /** And is known by this name, too. */
  named(node: FileNode, dir: DirNode, name: string): void;
}

/** The directory of `parent` that `entry` shows; which of the deeper ones belong to it is not settled. */
export function unsettledDirectory(layers: readonly Layer[], parent: DirNode, name: string, entry: Entry): DirNode {
  const node = new DirNode(parent, name, [new LayerDir(entry.dir.layer, entry.dir, name)]);
  const isBottom = entry.dir.layer === layers.at(-1);
  if (!isBottom && !entry.ours) node.candidates = partsOf(entry.deeper ?? [], name);
  return node;
}

/** How many of `dirs` are not open. */
function closedIn({ dirFds }: Pick<Around, 'dirFds'>, dirs: readonly (LayerDir | null)[]): number {
  let count = 0;
  for (const dir of dirs) if (dir !== null && !dirFds.has(dir)) count += 1;
  return count;
}

function partsOf(dirs: readonly LayerDir[], name: string): LayerDir[] {
  return dirs.map((dir) => new LayerDir(dir.layer, dir, name));
}

/** The kernel knows a file or directory that `index` has: it stays. */
export function isInUse({ liveNodes, entries }: DirIndex): boolean {
  return liveNodes > 0 || (entries.held?.live ?? 0) > 0;
}

/** The rows of one directory. */
class Held implements HeldRows {
  /** Names that were asked for before the data plane answered. */
  asked = 0;
  /** A directory that was forgotten has it no longer. */
  readonly nodeid: number;

  constructor(
    readonly number: number,
    readonly dir: DirNode,
    readonly index: DirIndex,
    /** How often the kernel was told of each row; behind that, of how many. */
    readonly told: Uint32Array,
    readonly make: (held: Held, row: number, name: string, entry: Entry) => void,
  ) {
    this.nodeid = dir.id;
  }

  get live(): number {
    return this.told[this.told.length - 1] as number;
  }

  /** Of what the kernel was told of `row`, which is known, `count` is left here. */
  keep(row: number, count: number): void {
    this.told[row] = count;
    if (count === 0) this.told[this.told.length - 1] = this.live - 1;
  }

  wake(row: number, name: string, entry: Entry): void {
    if (this.told[row] !== 0) this.make(this, row, name, entry);
  }

  *rows(): Generator<number> {
    for (let row = 0; this.live > 0 && row < this.told.length - 1; row += 1) if (this.told[row] !== 0) yield row;
  }
}

function show({ index }: Held, name: string, entry: Entry, node: Inode): void {
  entry.node = node;
  index.liveNodes += 1;
  index.entries.keep(name, entry);
}

/** Only this module puts it there. */
function heldOf(index: DirIndex | null): Held | null {
  return (index?.entries.held ?? null) as Held | null;
}

/** The numbers in the rows of packed names are those that users see. */
export function rowsTellAll(u: Pick<Around, 'numbers'>, { entries }: DirIndex): boolean {
  if (entries.packed === null || !u.numbers.plain) return false;
  return entries.packedDirs.every((dir) => dir === null || !keepsOrigins(dir.layer));
}

export class RowNodes {
  readonly #tables = new Map<number, Held>();
  /** By nodeid of the directory. */
  readonly #served = new Map<number, Held>();
  /** Lower files that the kernel knows and whose directory it does not: a row must not stand for one of them. */
  readonly #strays = new Set<FileNode>();
  #next = FIRST_TABLE;
  /** Where rows are; null: there are none. */
  #around: Around | null = null;
  readonly #met: Met;

  constructor(met: Met) {
    this.#met = met;
  }

  /** Nodes without an object. */
  get size(): number {
    let sum = this.#around?.plane.liveRows() ?? 0;
    for (const held of this.#tables.values()) sum += held.live;
    return sum;
  }

  /** The directory of `file` was forgotten, or `file` is found by another name again or not known any longer. */
  setStray(u: Pick<Around, 'plane'>, file: FileNode, isStray: boolean): void {
    if (isStray) this.#strays.add(file);
    else if (!this.#strays.delete(file)) return;
    u.plane.allowRows(this.#strays.size === 0);
  }

  serves(dir: DirNode): boolean {
    return this.#served.has(dir.id);
  }

  /** A name of `dir` was found: further ones may be found without us. `names`: so many will be. `valid`: seconds. */
  learn(u: Around, dir: DirNode, names: number, valid: number): void {
    const { index } = dir;
    if (index === null || !u.bare || this.#strays.size > 0 || this.serves(dir)) return;
    const { packed, packedDirs } = index.entries;
    if (packed === null || packed.count > ROWS || !rowsTellAll(u, index)) return;
    this.#around = u;
    const held = heldOf(index) ?? this.#hold(dir, index, this.#next++, new Uint32Array(packed.count + 1));
    held.asked += names;
    if (held.asked * LAYERS_A_NAME < closedIn(u, packedDirs)) return;
    // What is lent may be taken back while more is asked for.
    this.#served.set(dir.id, held);
    const fds = Int32Array.from(packedDirs, (part) =>
      part === null || part.impure || part.layer.blocksTell === null ? -1 : u.dirFds.lend(part, dir.id),
    );
    if (!this.serves(dir)) return;
    const { number, told } = held;
    const nlink = u.options.staticNlink ? 1 : 0;
    u.plane.serveRows(dir.id, number, packed.table, told, packed.more, fds, valid, nlink, dir.inoLow, dir.inoHigh);
  }

  /** LOOKUPs in directory `nodeid` are ours again. */
  end(u: Around, nodeid: number): void {
    if (this.#served.delete(nodeid)) u.plane.endRows(nodeid);
  }

  /** The names of `dir` are not kept any longer; the kernel knows none of them but those that have objects. */
  drop(u: Around, dir: DirNode): void {
    const held = heldOf(dir.index);
    if (held === null) return;
    this.#served.delete(held.nodeid);
    this.#tables.delete(held.number);
    u.plane.dropRows(held.number);
  }

  /** The node that the kernel calls `id`, if it is a row. */
  node(id: number): Inode | undefined {
    const held = this.#tableOf(Math.floor(id / ROWS));
    const row = id % ROWS;
    if (held === undefined || (held.told[row] ?? 0) === 0) return undefined;
    return held.index.entries.packedAt(row)?.entry.node as Inode;
  }

  /** The file of this identity becomes an object if it is a row. */
  wakeLinks({ plane }: { readonly plane: Pick<NativeChannel, 'linkedNode'> }, identity: string): void {
    const id = plane.linkedNode(identity);
    if (id !== 0) this.node(id);
  }

  /** A table that the data plane has made comes along with its directory. */
  #tableOf(number: number): Held | undefined {
    const known = this.#tables.get(number);
    const dir = known === undefined && number >= FIRST_TABLE ? (this.#around?.plane.rowsIn(number) ?? 0) : 0;
    if (dir === 0) return known;
    this.#around?.nodes.get(dir);
    return this.#tables.get(number);
  }

  /** How many names the directory has of which `id`, the last node without an object, was forgotten. */
  namesBeside(id: number): number {
    return this.#tables.get(Math.floor(id / ROWS))?.index.entries.size ?? 0;
  }

  /** A listing that told the kernel of rows `from`..`to` did not reach it; `bare`: of directories alone. */
  untell(dir: DirNode, from: number, to: number, bare: boolean): void {
    const held = heldOf(dir.index);
    for (let row = from; held !== null && row < to; row += 1) {
      const told = held.told[row] as number;
      if (told === 0 || (bare && held.index.entries.packed?.recordAt(row)?.kind !== DT_DIR)) continue;
      held.keep(row, told - 1);
    }
  }

  #hold(dir: DirNode, index: DirIndex, number: number, told: Uint32Array): Held {
    const held = new Held(number, dir, index, told, (...args) => this.#make(...args));
    index.entries.held = held;
    this.#tables.set(held.number, held);
    return held;
  }

  /** Asks the host nothing: what was shown of a row was what a bare file or directory of a lower has. */
  #make(held: Held, row: number, name: string, entry: Entry): void {
    const u = this.#around as Around;
    if (held.told[row] === LED) {
      this.#makeLed(u, held, row, name, entry);
      return;
    }
    const node =
      entry.kind === DT_DIR ? unsettledDirectory(u.layers, held.dir, name, entry) : fileOf(held, name, entry);
    node.inoLow = entry.inoLow;
    node.inoHigh = entry.inoHigh;
    node.protection = 0;
    show(held, name, entry, node);
    u.nodes.take(node, nodeId(held.number * ROWS + row), held.told[row] as number);
    held.keep(row, 0);
    if (node instanceof FileNode) {
      this.#takeLinks(u, node);
      this.#takeOpen(u, node);
    } else this.#takeEntered(u, node);
  }

  /** The row leads to another row's node, which becomes an object and takes this name, too. */
  #makeLed({ plane }: Around, held: Held, row: number, name: string, entry: Entry): void {
    held.keep(row, 0);
    held.index.entries.keep(name, entry);
    this.node(plane.ledTo(held.number * ROWS + row));
  }

  #takeLinks({ plane }: Around, node: FileNode): void {
    const file = plane.takeLinks(node.id);
    if (file === null) return;
    this.#met.linked(node, file.identity);
    for (const id of file.names) {
      const held = this.#tableOf(Math.floor(id / ROWS));
      if (held === undefined) continue;
      const row = id % ROWS;
      if (held.told[row] !== 0) held.keep(row, 0);
      const found = held.index.entries.packedAt(row);
      if (found === null || found.entry.node !== null) continue;
      this.#met.named(node, held.dir, found.name);
      show(held, found.name, found.entry, node);
    }
  }

  #takeOpen({ plane }: Around, node: FileNode): void {
    const opened = plane.takeOpen(node.id);
    if (opened === null) return;
    // It was asked.
    node.data ??= null;
    this.#met.opened(node, opened);
  }

  /** A directory that the data plane has entered has no marks in any of its layers, and no names but rows. */
  #takeEntered(u: Around, node: DirNode): void {
    const entered = u.plane.takeRows(node.id);
    if (entered === null) return;
    const { number, table, told, more, parts, linked } = entered;
    node.stack.push(...(node.candidates ?? []));
    node.candidates = null;
    for (const [source, part] of node.stack.entries()) {
      part.marks = noMarks;
      const fd = parts[source];
      if (fd !== undefined) u.dirFds.adopt(part, fd);
    }
    const index = new DirIndex();
    const packed = PackedNames.of(table, told.length - 1, u.numbers.hash, more);
    index.entries.pack(packed, node.stack);
    node.index = index;
    this.#hold(node, index, number, told);
    for (const id of linked) index.entries.packedAt(id % ROWS);
  }
}

function fileOf({ dir }: Held, name: string, entry: Entry): FileNode {
  const node = new FileNode(dir, name, entry.kind << 12, entry.dir, name);
  if (entry.kind !== DT_LNK) node.data = undefined;
  return node;
}
