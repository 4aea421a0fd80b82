// What the name that the program was called by changes: container runtimes call it in place of
// fuse-overlayfs and pass it words for other programs; people want their mistakes named.

import { MountError } from '../union/layers.js';
import { applyList, type MountOptions, refuseUnknown } from '../union/options.js';

/** The program whose place is taken. */
export const FUSE_OVERLAYFS = 'fuse-overlayfs';

export interface Manner {
  /** The name callers know it by. */
  readonly name: string;
  /** In fuse-overlayfs's place: what is not known is reported and ignored. */
  readonly dropIn: boolean;
  /** mount(8)'s helper: `-f` is a dry run there, `-n`, `-s`, `-v` and `-t TYPE` are mount's own words. */
  readonly mountHelper: boolean;
  /** umount(8)'s helper. */
  readonly umountHelper: boolean;
}

/** Options of fuse-overlayfs that mean nothing here: what they tune is done well without them, or not at all. */
const tuning = [
  'threaded',
  'fast_ino',
  'fast_ino_check',
  'writeback',
  'noxattrs',
  'plugins',
  'context',
  'sync',
  'max_write',
  'kernel_cache',
  'splice_read',
  'splice_write',
  'splice_move',
  'no_splice_read',
  'no_splice_write',
  'no_splice_move',
];

export function mannerOf(name: string): Manner {
  return {
    name,
    dropIn: name !== 'stratafs',
    mountHelper: name.startsWith('mount.'),
    umountHelper: name.startsWith('umount.'),
  };
}

/** What is done with an option that no mount knows. */
export function unknownOption(manner: Manner): (word: string) => void {
  const lenient = manner.dropIn && !manner.mountHelper;
  return (word) => {
    const key = word.split('=', 1)[0] as string;
    if (word === 'verity=off') return;
    if (key === 'verity' && !lenient) throw new MountError(UNVERIFIED);
    if (!manner.dropIn) refuseUnknown(word);
    if (!tuning.includes(key)) reportIgnored(word);
  };
}

/** Who asks for a check that is not made must not believe that it is. fuse-overlayfs's callers know that it makes none. */
const UNVERIFIED = 'option verity: fs-verity digests are not checked here, so that only verity=off is true';

/** What is done with an argument that no mount knows. */
export function unknownArgument(manner: Manner, word: string): void {
  if (!manner.dropIn) throw new MountError(`unknown argument '${word}'`);
  reportIgnored(word);
}

function reportIgnored(word: string): void {
  process.stderr.write(`unknown argument ignored: ${word}\n`);
}

/** Takes commas inside a quoted value away from the option list: SELinux contexts hold them, `context="a:c1,c2"`. */
function withoutContext(list: string): string {
  return list.replace(/(^|,)context="[^"]*"/g, '');
}

/** What `--version` prints: nobody parses it, some show it. */
export function versionText(manner: Manner, version: string): string {
  const first = `stratafs ${version}\n`;
  return manner.dropIn ? `${FUSE_OVERLAYFS}: version ${version} (stratafs)\n` : first;
}

/** Adds one `-o` list in this manner. */
export function applyInManner(options: MountOptions, list: string, manner: Manner): void {
  applyList(options, manner.dropIn ? withoutContext(list) : list, unknownOption(manner));
}
