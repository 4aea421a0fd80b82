// The snapshots of one root directory: ROOT/metadata.db holds what they are, ROOT/snapshots/ID/fs what each adds.
// A directory is made before its record and goes after it; what a crash leaves without a record is swept away.

import { chmod, chown, lstat, mkdir, opendir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { log } from '../log.js';
import { filterOf } from './filters.js';
import { Metadata } from './metadata.js';
import { type Directories, type Mount, mountsOf } from './mounts.js';
import { type Labels, SnapshotError, type SnapshotRecord, type Usage } from './record.js';

const NONE: Usage = { size: 0, inodes: 0 };
/** Directories on the way out; no number begins so. */
const GOING = 'rm-';

export class Snapshots implements Directories {
  readonly #metadata: Metadata;
  readonly #root: string;
  readonly #program: string;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(root: string, program: string, metadata: Metadata) {
    this.#root = root;
    this.#program = program;
    this.#metadata = metadata;
  }

  /** Opens `root`, made if need be, and sweeps. `program` is what mount.fuse3 is to run. */
  static async open(root: string, program: string): Promise<Snapshots> {
    await mkdir(join(root, 'snapshots'), { recursive: true, mode: 0o700 });
    const snapshots = new Snapshots(root, program, await Metadata.open(join(root, 'metadata.db')));
    await snapshots.cleanup();
    return snapshots;
  }

  readonly layer = (id: number): string => join(this.#root, 'snapshots', String(id), 'fs');
  readonly work = (id: number): string => join(this.#root, 'snapshots', String(id), 'work');

  /** Changes happen one after the other. */
  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(change, change);
    this.#last = turn;
    return turn;
  }

  #get(key: string): SnapshotRecord {
    const record = this.#metadata.get(key);
    if (record === undefined) throw new SnapshotError('not-found', `snapshot ${key} does not exist`);
    return record;
  }

  #refuseTaken(key: string): void {
    if (key === '') throw new SnapshotError('invalid-argument', 'a snapshot needs a key');
    if (this.#metadata.get(key) !== undefined) throw new SnapshotError('already-exists', `snapshot ${key} exists`);
  }

  /** The snapshots below `record`, nearest first. */
  #parents(record: SnapshotRecord): SnapshotRecord[] {
    const parents: SnapshotRecord[] = [];
    for (let at = record.parent; at !== ''; ) {
      const parent = this.#get(at);
      parents.push(parent);
      at = parent.parent;
    }
    return parents;
  }

  #mounts(record: SnapshotRecord): Mount[] {
    return mountsOf(record, this.#parents(record), this, this.#program);
  }

  /** A new snapshot over `parent` ('' for none): `active` to be changed, `view` only to be looked at. */
  create(kind: 'active' | 'view', key: string, parent: string, labels: Labels): Promise<Mount[]> {
    return this.#inTurn(async () => {
      this.#refuseTaken(key);
      const below = parent === '' ? undefined : this.#get(parent);
      if (below !== undefined && below.kind !== 'committed') {
        throw new SnapshotError('invalid-argument', `parent ${parent} is not committed`);
      }
      const id = await this.#metadata.newId();
      await this.#makeDirectories(id, below);
      const now = Date.now();
      const record: SnapshotRecord = { key, id, parent, kind, created: now, updated: now, labels, usage: NONE };
      await this.#metadata.apply({ put: [record] });
      return this.#mounts(record);
    });
  }

  /** The layer's root shows as the root of the whole: it takes after the parent's. */
  async #makeDirectories(id: number, below: SnapshotRecord | undefined): Promise<void> {
    const layer = this.layer(id);
    await mkdir(layer, { recursive: true, mode: 0o755 });
    await mkdir(this.work(id), { mode: 0o711 });
    if (below === undefined) {
      await chmod(layer, 0o755);
      return;
    }
    const { uid, gid, mode } = await stat(this.layer(below.id));
    await chown(layer, uid, gid);
    await chmod(layer, mode & 0o7777);
  }

  mounts(key: string): Mount[] {
    const record = this.#get(key);
    if (record.kind === 'committed') throw new SnapshotError('failed-precondition', `snapshot ${key} is committed`);
    return this.#mounts(record);
  }

  /** The active snapshot `key` is from now on the committed one `name`. */
  commit(name: string, key: string, labels: Labels): Promise<void> {
    return this.#inTurn(async () => {
      this.#refuseTaken(name);
      const record = this.#get(key);
      if (record.kind !== 'active') throw new SnapshotError('failed-precondition', `snapshot ${key} is ${record.kind}`);
      const now = Date.now();
      const usage = await usageOf(this.layer(record.id));
      const committed: SnapshotRecord = {
        ...record,
        key: name,
        kind: 'committed',
        created: now,
        updated: now,
        labels,
        usage,
      };
      await this.#metadata.apply({ put: [committed], remove: [key] });
    });
  }

  remove(key: string): Promise<void> {
    return this.#inTurn(async () => {
      const record = this.#get(key);
      for (const { parent, key: child } of this.#metadata.all()) {
        if (parent === key) throw new SnapshotError('failed-precondition', `snapshot ${key} is the parent of ${child}`);
      }
      await this.#metadata.apply({ remove: [key] });
      await this.#sweep(String(record.id));
    });
  }

  /** Takes a directory that no record names out of the way first: its removal may take long, and may be cut short. */
  async #sweep(name: string): Promise<void> {
    const directory = join(this.#root, 'snapshots');
    const going = name.startsWith(GOING) ? name : GOING + name;
    try {
      if (going !== name) await rename(join(directory, name), join(directory, going));
      await rm(join(directory, going), { recursive: true, force: true });
    } catch (error) {
      // Still mounted, for example: the next clean-up tries again.
      log.warn(`snapshot directory ${name}: ${(error as Error).message}`);
    }
  }

  cleanup(): Promise<void> {
    return this.#inTurn(async () => {
      const known = new Set([...this.#metadata.all()].map((record) => String(record.id)));
      for (const name of await readdir(join(this.#root, 'snapshots'))) {
        if (!known.has(name)) await this.#sweep(name);
      }
    });
  }

  stat(key: string): SnapshotRecord {
    return this.#get(key);
  }

  list(expressions: readonly string[]): SnapshotRecord[] {
    return [...this.#metadata.all()].filter(filterOf(expressions));
  }

  /** Labels are all that can be changed: all of them, or those that `paths` name. */
  update(key: string, labels: Labels, paths: readonly string[]): Promise<SnapshotRecord> {
    return this.#inTurn(async () => {
      const record = this.#get(key);
      const updated = { ...record, updated: Date.now(), labels: merged(record.labels, labels, paths) };
      await this.#metadata.apply({ put: [updated] });
      return updated;
    });
  }

  async usage(key: string): Promise<Usage> {
    const record = this.#get(key);
    return record.kind === 'active' ? usageOf(this.layer(record.id)) : record.usage;
  }

  async close(): Promise<void> {
    await this.#last.catch(() => {});
    await this.#metadata.close();
  }
}

function merged(before: Labels, given: Labels, paths: readonly string[]): Labels {
  if (paths.length === 0 || paths.includes('labels')) return withoutEmpty(given);
  const labels: Record<string, string> = { ...before };
  for (const path of paths) {
    const label = /^labels\.(.+)$/s.exec(path)?.[1];
    if (label === undefined)
      throw new SnapshotError('invalid-argument', `field ${path} of a snapshot cannot be changed`);
    labels[label] = given[label] ?? '';
  }
  return withoutEmpty(labels);
}

/** An empty value takes the label away. */
function withoutEmpty(labels: Labels): Labels {
  return Object.fromEntries(Object.entries(labels).filter(([, value]) => value !== ''));
}

/** Bytes on disk and inodes of a directory tree; a file with several names counts once. */
async function usageOf(root: string): Promise<Usage> {
  const linked = new Set<number>();
  let [size, inodes] = [0, 0];
  const count = async (path: string): Promise<void> => {
    const { blocks, nlink, ino } = await lstat(path);
    if (nlink > 1 && linked.has(ino)) return;
    linked.add(ino);
    size += blocks * 512;
    inodes += 1;
  };
  const visit = async (directory: string): Promise<void> => {
    await count(directory);
    for await (const entry of await opendir(directory)) {
      const path = join(directory, entry.name);
      await (entry.isDirectory() ? visit(path) : count(path));
    }
  };
  await visit(root);
  return { size, inodes };
}
