// Assertions that never take a mount down: a failed one throws, the dispatcher answers EIO and
// logs it, and the counter makes the test run fail.

let failures = 0;

/** A broken invariant. The request at hand is answered EIO; the process lives on. */
export class AssertionFailure extends Error {
  override readonly name = 'AssertionFailure';
}

/** Throws AssertionFailure unless `condition` holds. */
export function assert(condition: unknown, invariant: string): asserts condition {
  if (condition) return;
  failures += 1;
  throw new AssertionFailure(invariant);
}

/** How many assertions failed in this process. */
export function assertionFailures(): number {
  return failures;
}
