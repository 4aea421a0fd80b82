// What is known of one snapshot, and the errors that callers tell apart. No I/O.

export type Kind = 'view' | 'active' | 'committed';

export interface Labels {
  readonly [name: string]: string;
}

export interface SnapshotRecord {
  /** Its name when committed, the caller's key before. */
  readonly key: string;
  /** Number of its directory below ROOT/snapshots. */
  readonly id: number;
  /** Key of the snapshot below it; '' for none. */
  readonly parent: string;
  readonly kind: Kind;
  /** Milliseconds since 1970. */
  readonly created: number;
  readonly updated: number;
  readonly labels: Labels;
  /** Bytes and inodes of a committed one, its parents' not counted. */
  readonly usage: Usage;
}

export interface Usage {
  readonly size: number;
  readonly inodes: number;
}

export type Refusal = 'not-found' | 'already-exists' | 'failed-precondition' | 'invalid-argument';

/** What the caller asked for cannot be; `refusal` says in which way. */
export class SnapshotError extends Error {
  override readonly name = 'SnapshotError';

  constructor(
    readonly refusal: Refusal,
    message: string,
  ) {
    super(message);
  }
}
