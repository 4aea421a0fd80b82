// The snapshots' records on disk: a LevelDB with one batch per change, so that a crash leaves the state before
// or after it. Knows no directories and no containers.

import { ClassicLevel } from 'classic-level';
import type { SnapshotRecord } from './record.js';

const NEXT = 'next';
const RECORD = 'snapshot/';

/** One change: records to write and keys to delete, together. */
export interface Change {
  readonly put?: readonly SnapshotRecord[];
  readonly remove?: readonly string[];
}

export class Metadata {
  readonly #db: ClassicLevel<string, string>;
  readonly #records = new Map<string, SnapshotRecord>();
  #next = 1;

  private constructor(path: string) {
    this.#db = new ClassicLevel(path);
  }

  /** Opens the database in `path`, which one process may do at a time, and reads it whole. */
  static async open(path: string): Promise<Metadata> {
    const metadata = new Metadata(path);
    await metadata.#db.open();
    for await (const [key, value] of metadata.#db.iterator()) {
      if (key === NEXT) metadata.#next = Number(value);
      else metadata.#records.set(key.slice(RECORD.length), JSON.parse(value) as SnapshotRecord);
    }
    return metadata;
  }

  get(key: string): SnapshotRecord | undefined {
    return this.#records.get(key);
  }

  all(): IterableIterator<SnapshotRecord> {
    return this.#records.values();
  }

  /** A number that no snapshot has had, also before a crash. */
  async newId(): Promise<number> {
    const id = this.#next;
    this.#next += 1;
    await this.#db.put(NEXT, String(this.#next), { sync: true });
    return id;
  }

  /** On disk when it returns. */
  async apply(change: Change): Promise<void> {
    const { put = [], remove = [] } = change;
    await this.#db.batch(
      [
        ...remove.map((key) => ({ type: 'del' as const, key: RECORD + key })),
        ...put.map((record) => ({ type: 'put' as const, key: RECORD + record.key, value: JSON.stringify(record) })),
      ],
      { sync: true },
    );
    for (const key of remove) this.#records.delete(key);
    for (const record of put) this.#records.set(record.key, record);
  }

  close(): Promise<void> {
    return this.#db.close();
  }
}
