// What the data plane did by itself in directories of the upper: files, directories and symlinks that it made, files of these
// that it opened for reading, and names that it took away. It has answered the kernel and written them down; here they become what the
// operations of open.ts, create.ts and remove.ts would have made of them, before anything else is done.

import { Buffer } from 'node:buffer';
import { fail } from '../errno.js';
import { log } from '../log.js';
import { type NodeId, nodeId } from '../nodes/ids.js';
import { ioMode } from '../nodes/io-mode.js';
import type { NativeChannel } from '../sys/binding.js';
import { S_IFDIR } from '../sys/constants.js';
import { OwnedFd } from '../sys/fd.js';
import { NAME_MAX, shown } from '../sys/name.js';
import { readingCounts } from './access-times.js';
import { enter } from './create.js';
import { LayerDir } from './dir-fds.js';
import { INDIFFERENT, takeOver } from './handles.js';
import { DirIndex, DirNode, type Entry, FileNode, type Inode, takeNumber } from './inode.js';
import { attach, visibleEntry } from './lookup.js';
import { afterName, leave } from './remove.js';
import type { Union } from './union.js';
import { WH_NAME_MAX } from './whiteout.js';

/** Words of one record, as in native/change_log.h. */
const R = {
  /** One of Kind. */
  kind: 0,
  dir: 1,
  /** Of what was made, 0: the kernel does not know it, for nobody took the answer. */
  nodeid: 2,
  nameLength: 3,
  /** Of what was made. */
  inoLow: 4,
  inoHigh: 5,
  /** S_IFMT bits. */
  format: 6,
  /** Of what was made, 0: nobody has it open. */
  fh: 7,
  /** What is open; of what was taken away, a descriptor that keeps it reachable, or -1. */
  fd: 8,
  flags: 9,
  backing: 10,
  /** Of what was taken away: how much of what the kernel was told of it, it has forgotten since. */
  forgotten: 11,
  words: 12,
} as const;

/** What was done: an object made; a file of the upper removed; a file of a lower hidden by a whiteout; a file opened for reading. */
const Kind = { made: 0, taken: 1, hidden: 2, opened: 3 } as const;

/** Which files of lowers are read in passthrough, as in native/openings.h. */
const SHARE = { none: 0, code: 1, all: 2 } as const;

/** So many changes may be made before one is read. */
const MOST = 128;

function shareOf(u: Union): keyof typeof SHARE {
  const policy = u.passthrough ? u.options.passthrough : 'off';
  const first = { live: 'none', liveOnLower: false, onUpper: false, wantsWrite: false } as const;
  const shared = (isCode: boolean): boolean =>
    ioMode({ ...first, readOnlyMount: u.workdir === null, isCode: () => isCode, policy }) === 'passthrough';
  if (shared(false)) return 'all';
  return shared(true) ? 'code' : 'none';
}

export class Changes {
  /** How many, then a record of each. */
  readonly #records = new Float64Array(1 + MOST * R.words);
  /** Their names, one after the other. */
  readonly #names = Buffer.alloc(MOST * NAME_MAX);

  /** From now on. `valid`: seconds that entries and attributes are. Only where the calls of `u` are the host's own. */
  begin(u: Union, channel: Pick<NativeChannel, 'log' | 'open' | 'change'>, valid: number): void {
    if (!u.bare || !u.numbers.plain) return;
    channel.log(this.#records, this.#names);
    channel.open(SHARE[shareOf(u)], u.passthrough, !readingCounts(u), INDIFFERENT);
    if (u.workdir === null) return;
    const { uid, gid, deviceWhiteout } = u.features;
    const nameMax = deviceWhiteout ? NAME_MAX : WH_NAME_MAX;
    const nlink = u.options.staticNlink ? 1 : 0;
    channel.change(uid, gid, nameMax, u.passthrough, !u.options.volatile, nlink, valid);
  }

  /** There are some that are not known here. */
  get unread(): boolean {
    return this.#records[0] !== 0;
  }

  /** Takes them in. */
  read(u: Union): void {
    const count = this.#records[0] as number;
    this.#records[0] = 0;
    let at = 1;
    let from = 0;
    for (let done = 0; done < count; done += 1, at += R.words) {
      const to = from + (this.#records[at + R.nameLength] as number);
      const name = this.#names.toString('latin1', from, to);
      from = to;
      try {
        this.#readOne(u, at, name);
      } catch (error) {
        // Of the others nothing may be lost.
        log.error(`${shown(name)} changed: ${error instanceof Error ? error.stack : String(error)}`);
      }
    }
  }

  #word(at: number, word: number): number {
    return this.#records[at + word] as number;
  }

  #readOne(u: Union, at: number, name: string): void {
    if (this.#word(at, R.kind) === Kind.opened) {
      this.#openKnown(u, at);
      return;
    }
    const dir = u.nodes.get(this.#word(at, R.dir));
    if (!(dir instanceof DirNode) || dir.upper === null) throw fail('ESTALE', 'no directory of the upper');
    const kind = this.#word(at, R.kind);
    if (kind === Kind.made) this.#make(u, at, dir, dir.upper, name);
    else this.#remove(u, at, dir, name, kind === Kind.taken);
  }

  #remove(u: Union, at: number, dir: DirNode, name: string, inUpper: boolean): void {
    const entry = visibleEntry(u, dir, name);
    if (entry === null) throw fail('ENOENT', 'what was removed');
    const node = entry.node instanceof FileNode ? entry.node : null;
    const fd = this.#word(at, R.fd);
    if (inUpper && fd >= 0) {
      if (node === null || node.orphan !== null) u.sys.close(fd);
      else node.orphan = new OwnedFd(u.sys, fd);
    }
    if (!inUpper && node !== null) node.extraLinks -= 1;
    leave(dir, name, entry, !inUpper);
    if (node !== null) afterName(u, node, dir, name, inUpper);
    const forgotten = this.#word(at, R.forgotten);
    if (forgotten > 0) u.nodes.forget(this.#word(at, R.nodeid), forgotten);
  }

  #make(u: Union, at: number, dir: DirNode, upper: LayerDir, name: string): void {
    const format = this.#word(at, R.format);
    const entry = enter(u, dir, name, format >>> 12, upper, false);
    const node =
      format === S_IFDIR
        ? new DirNode(dir, name, [new LayerDir(upper.layer, upper, name)])
        : new FileNode(dir, name, format, upper, name);
    node.inoLow = this.#word(at, R.inoLow);
    node.inoHigh = this.#word(at, R.inoHigh);
    node.protection = 0;
    takeNumber(entry, node);
    const id = this.#word(at, R.nodeid);
    if (id !== 0) this.#know(u, at, node, { dir, name, entry }, nodeId(id));
  }

  #know(u: Union, at: number, node: Inode, place: { dir: DirNode; name: string; entry: Entry }, id: NodeId): void {
    attach(place.dir, place.name, place.entry, node);
    u.nodes.take(node, id, 1);
    if (node instanceof DirNode) {
      // It has no names yet, and gets none that do not come by.
      node.index = new DirIndex();
      u.negatives.learn(node);
    } else if (node instanceof FileNode && this.#word(at, R.fh) !== 0) this.#open(u, at, node);
  }

  /** Opened for reading, and stays beyond its close; the kernel may have forgotten the node since, when nobody has it open. */
  #openKnown(u: Union, at: number): void {
    const node = u.nodes.get(this.#word(at, R.nodeid));
    if (node instanceof FileNode) {
      this.#open(u, at, node);
      return;
    }
    const backing = this.#word(at, R.backing);
    u.plane.detach(this.#word(at, R.fh));
    if (backing > 0) u.plane.backingClose(backing);
  }

  #open(u: Union, at: number, node: FileNode): void {
    const [fh, fd] = [this.#word(at, R.fh), this.#word(at, R.fd)];
    takeOver(u, node, { fh, fd, flags: this.#word(at, R.flags), backing: this.#word(at, R.backing) });
  }
}
