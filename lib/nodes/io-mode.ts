// How one open moves its bytes. Pure: the rule of the kernel's passthrough, in one place.
// An inode is either in passthrough (one backing for all its opens) or in the page cache; the
// kernel answers EIO to a mixture, and a lower file in passthrough must never be opened for writing.

export type PassthroughPolicy = 'auto' | 'all' | 'upper' | 'off';

/** What the opens that live now use. */
export type LiveMode = 'none' | 'cached' | 'passthrough';

export interface OpenSituation {
  readonly live: LiveMode;
  /** The live passthrough backing is a lower file. */
  readonly liveOnLower: boolean;
  /** The data of this node is in the upper (or will be, before the open is answered). */
  readonly onUpper: boolean;
  readonly wantsWrite: boolean;
  /** The mount has no upper. */
  readonly readOnlyMount: boolean;
  /** The file is code, which nobody rewrites in place. Asked only when it matters. */
  readonly isCode: () => boolean;
  readonly policy: PassthroughPolicy;
}

/**
 * `stale`: the name needs a new node, because this one's passthrough backing is a lower file and
 * the caller wants to write.
 */
export type IoMode = 'cached' | 'passthrough' | 'stale';

export function ioMode(open: OpenSituation): IoMode {
  if (open.live === 'cached') return 'cached';
  if (open.live === 'passthrough') return open.wantsWrite && open.liveOnLower ? 'stale' : 'passthrough';
  if (open.policy === 'off') return 'cached';
  if (open.onUpper) return 'passthrough';
  if (open.policy === 'upper') return 'cached';
  if (open.policy === 'all' || open.readOnlyMount) return 'passthrough';
  return open.isCode() ? 'passthrough' : 'cached';
}
