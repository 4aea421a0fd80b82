declare module 'fuse-native' {
  /** Answers an operation: its result or -errno, then what the operation carries back. */
  type Signal = (result: number, ...payload: unknown[]) => void;
  /** One row of the package's own table: `thread` is the waiting libfuse thread's record. */
  type Handler = (thread: Uint8Array, opcode: number, ...args: unknown[]) => void;

  export default class Fuse {
    constructor(mountpoint: string, operations: Record<string, unknown>, options: { timeout: false });
    _handlers: (Handler | undefined)[];
    _fuseOptions: () => string;
    /** `error` is null when the kernel has greeted this mount. */
    mount(done: (error: Error | null) => void): void;
  }
}
