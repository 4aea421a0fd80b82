// The data plane of unions that nobody serves: keeps what it is told, answers nothing.

import type { EnteredRows, LinkedRow, OpenedFile } from '../../lib/sys/binding.js';
import { syscalls } from '../../lib/sys/syscalls.js';
import type { DataPlane } from '../../lib/union/union.js';

/** fh -> fd, as the native plane keeps it. */
export class FakePlane implements DataPlane {
  readonly fds = new Map<number, number>();
  readonly backings = new Set<number>();
  /** Whose FSYNC is granted too. */
  readonly fsyncs = new Set<number>();
  /** What backingOpen answers; 0 mints ids. */
  refusal = 0;
  #next = 1;

  attach(fh: number, fd: number, fsyncs: boolean): number {
    this.fds.set(fh, fd);
    if (fsyncs) this.fsyncs.add(fh);
    return 0;
  }

  swap(fh: number, fd: number): number {
    const fsyncs = this.fsyncs.has(fh);
    this.detach(fh);
    return this.attach(fh, fd, fsyncs);
  }

  detach(fh: number): number {
    const fd = this.fds.get(fh);
    if (fd !== undefined) syscalls.close(fd);
    this.fds.delete(fh);
    this.fsyncs.delete(fh);
    return 0;
  }

  /** fh of what stands, by node. */
  readonly standing = new Map<number, number>();
  /** Of those, what nobody has open. */
  readonly idle = new Set<number>();

  /** Those of them that have the attributes, too, by fh. */
  readonly whole = new Set<number>();

  stand(nodeid: number, fh: number, _flags: number, _backing: number, _indifferent: number, whole: boolean): void {
    if (this.standing.has(nodeid)) return;
    this.standing.set(nodeid, fh);
    if (whole) this.whole.add(fh);
  }

  withdraw(fh: number): boolean {
    for (const [nodeid, each] of this.standing) if (each === fh) this.standing.delete(nodeid);
    return this.idle.delete(fh);
  }

  reclaim(): number {
    const [fh = 0] = this.idle;
    this.withdraw(fh);
    return fh;
  }

  /** Nodes that are answered for as the host has them. */
  readonly mirrors = new Set<number>();

  mirror(_fh: number, nodeid: number): number {
    this.mirrors.add(nodeid);
    return 0;
  }

  mirrorDirectory(nodeid: number): void {
    this.mirrors.add(nodeid);
  }

  unmirror(nodeid: number): void {
    if (nodeid === 0) this.mirrors.clear();
    else this.mirrors.delete(nodeid);
  }

  /** The whiteout that others are links of. */
  whiteout: string | null = null;

  hide(_fd: number, name: string): void {
    this.whiteout = name;
  }

  /** Directories whose plain files are answered for, and by which table. */
  readonly rows = new Map<number, { number: number; told: Uint32Array; directories: Int32Array }>();

  serveRows(
    nodeid: number,
    number: number,
    _table: ArrayBuffer,
    told: Uint32Array,
    _more: Uint32Array,
    directories: Int32Array,
  ): void {
    this.rows.set(nodeid, { number, told, directories });
  }

  endRows(nodeid: number): void {
    this.rows.delete(nodeid);
  }

  /** Where the last whole listing ended. */
  end: { readonly nodeid: number; readonly cookie: number } | null = null;

  listed(nodeid: number, cookie: number): void {
    this.end = { nodeid, cookie };
  }

  dropRows(number: number): void {
    for (const [nodeid, rows] of this.rows) if (rows.number === number) this.rows.delete(nodeid);
  }

  putRows(): number {
    return 0;
  }

  /** Directories may be entered without us. */
  enters = true;

  allowRows(allowed: boolean): void {
    this.enters = allowed;
  }

  /** Directories that were entered without us, by nodeid. */
  readonly entered = new Map<number, EnteredRows>();

  rowsIn(number: number): number {
    for (const [nodeid, rows] of this.entered) if (rows.number === number) return nodeid;
    return 0;
  }

  takeRows(nodeid: number): EnteredRows | null {
    const rows = this.entered.get(nodeid) ?? null;
    this.entered.delete(nodeid);
    return rows;
  }

  liveRows(): number {
    let sum = 0;
    for (const { told } of this.entered.values()) sum += told.at(-1) as number;
    return sum;
  }

  /** Files with several links may be rows. */
  links = false;

  allowLinks(allowed: boolean): void {
    this.links = allowed;
  }

  /** Such files that are objects, by identity. */
  readonly owned = new Set<string>();

  ownLinks(identity: string, owned: boolean): void {
    if (owned) this.owned.add(identity);
    else this.owned.delete(identity);
  }

  /** Such files that are rows, by nodeid. */
  readonly linked = new Map<number, LinkedRow>();

  linkedNode(identity: string): number {
    for (const [nodeid, file] of this.linked) if (file.identity === identity) return nodeid;
    return 0;
  }

  ledTo(row: number): number {
    for (const [nodeid, { names }] of this.linked) if (names.includes(row)) return nodeid;
    return 0;
  }

  takeLinks(nodeid: number): LinkedRow | null {
    const file = this.linked.get(nodeid) ?? null;
    this.linked.delete(nodeid);
    return file;
  }

  /** Rows that are open without us, by nodeid. */
  readonly opened = new Map<number, OpenedFile>();

  takeOpen(nodeid: number): OpenedFile | null {
    const file = this.opened.get(nodeid) ?? null;
    this.opened.delete(nodeid);
    return file;
  }

  nodeOfOpen(fh: number): number {
    for (const [nodeid, file] of this.opened) if (file.fh === fh) return nodeid;
    return 0;
  }

  openRows(): Float64Array {
    return Float64Array.from(this.opened.keys());
  }

  beginListing(): boolean {
    return true;
  }

  fillsListing(): boolean {
    return true;
  }

  askedIn(): void {}

  backingOpen(_fd: number): number {
    if (this.refusal < 0) return this.refusal;
    this.backings.add(this.#next);
    return this.#next++;
  }

  backingClose(id: number): number {
    this.backings.delete(id);
    return 0;
  }
}
