// The one way an operation waits. Handlers are synchronous; one that needs slow work first (a large
// copy, a flush to disk) starts it and throws Pending. The dispatcher runs the handler again from the
// start when the work is done, so that every check is made again in the world as it then is.

/** Thrown by an operation; `work` never rejects. */
export class Pending {
  constructor(
    readonly work: Promise<unknown>,
    /**
     * Called when the caller got a signal; the work may stop if nobody else waits. null: the caller waits on, as lookups and
     * listings are interrupted on no filesystem.
     */
    readonly abandon: (() => void) | null,
  ) {}
}
