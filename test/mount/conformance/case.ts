// What one conformance case is: a name, files that stand there before, and a run that throws at
// the first surprise. A case knows a directory and nothing of how it is mounted.

import type { Agent } from '../../support/agent.js';
import { dir, file, symlink, type TreeSpec } from '../../support/tree.js';

export interface Context {
  /** Root, in the case's own directory. */
  readonly a: Agent;
  /** Another client in the same directory, as root or as another user. */
  client(uid?: number, gid?: number): Promise<Agent>;
  /** A plain directory has no whiteouts and refuses no names. */
  readonly expects: 'union' | 'plain';
  /** Where the case's files stand: in the lower layer or in the upper. */
  readonly variant: 'lower' | 'upper';
  /** The directory's absolute path. */
  readonly path: string;
  /** Makes the kernel forget its inodes. */
  forget(): Promise<void>;
}

export type Run = (c: Context) => Promise<void>;

export interface Case {
  readonly run: Run;
  /** Files beside the common ones. */
  readonly tree?: TreeSpec;
  /** What a filesystem may lack; see `lacks` of the configurations. */
  readonly needs?: readonly Need[];
}

export type Need = 'dir-rename' | 'other-users';

export type Family = Readonly<Record<string, Case | Run>>;

/** The user that permission cases are. */
export const USER = 1234;

/** What every case finds in its directory. */
export const commonTree: TreeSpec = {
  file: file('hello world\n'),
  other: file('other\n', { mode: 0o600 }),
  dir: dir({ inner: 'inner\n', sub: dir({ deep: 'deep\n' }) }),
  empty: dir({}),
  link: symlink('file'),
  run: file('#!/bin/sh\nexit 7\n', { mode: 0o755 }),
};

/** A case in its full form. */
export function fullCase(given: Case | Run): Case {
  return typeof given === 'function' ? { run: given } : given;
}
