// What the addon writes down of what it did by itself (native/change_log.h), read by no union.

const WORDS = 12;
export const [MADE, TAKEN, OPENED] = [0, 1, 3];

export interface ChangeRecord {
  readonly kind: number;
  readonly dir: number;
  readonly nodeid: number;
  readonly name: string;
  readonly format: number;
  readonly fh: number;
  readonly fd: number;
  readonly backing: number;
  readonly forgotten: number;
}

/** Memory for so many records at most. */
export class ChangeRecords {
  readonly records: Float64Array;
  readonly names = new Uint8Array(1 << 12);

  constructor(room: number) {
    this.records = new Float64Array(1 + room * WORDS);
  }

  /** What was written down since the last `take`. */
  look(): ChangeRecord[] {
    let from = 0;
    return Array.from({ length: this.records[0] as number }, (_, at) => {
      const words = this.records.subarray(1 + at * WORDS, 1 + (at + 1) * WORDS);
      const [kind, dir, nodeid, length, , , format, fh, fd, , backing, forgotten] = words as unknown as number[];
      const name = Buffer.from(this.names.subarray(from, from + (length as number))).toString('latin1');
      from += length as number;
      return { kind, dir, nodeid, name, format, fh, fd, backing, forgotten } as ChangeRecord;
    });
  }

  /** The same; there is room for others again. */
  take(): ChangeRecord[] {
    const taken = this.look();
    this.records[0] = 0;
    return taken;
  }
}
