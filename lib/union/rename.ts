// Rename, in one order: a plan (a value that can be printed), preparations that change nothing users
// see, one renameat2 that publishes, and the bookkeeping of names.

import { ErrnoError, errno, fail } from '../errno.js';
import { check } from '../sys/check.js';
import { DT_CHR, DT_DIR, RENAME_EXCHANGE, RENAME_NOREPLACE, RENAME_WHITEOUT } from '../sys/constants.js';
import { markImpure } from './copy-metadata.js';
import { copyUp, indexBeforeLoss, upperOf, writableWork } from './copy-up.js';
import { refuseBadName } from './create.js';
import type { LayerDir } from './dir-fds.js';
import { DirNode, type Entry, FileNode, type Inode, WHITEOUT } from './inode.js';
import { namesIn } from './lookup.js';
import { WH } from './marks.js';
import { markHolder } from './nested-whiteout.js';
import { refuseProtected, refuseProtectedName } from './protection.js';
import { keepDataFound, writeRedirect } from './redirect.js';
import { beforeNameGoes, isEmpty, rmdir } from './remove.js';
import { clearReplaced, mustGoFirst } from './rename-clear.js';
import { type RenameEnd, settleExchange, settleMove } from './rename-names.js';
import { settleStack } from './stack.js';
import type { Union } from './union.js';
import { addWhiteout, replaceFileByWhiteout, setOpaque } from './whiteout.js';

/** All that a rename will do, decided before anything is touched. */
export interface RenamePlan {
  readonly exchange: boolean;
  /** The old name must hide what deeper layers show there. */
  readonly whiteoutOld: boolean;
  /** A whiteout of the upper stands at the new name; a directory can only swap places with it. */
  readonly swapWhiteout: boolean;
  /** A whiteout of the upper, in whichever form, stands at the new name. */
  readonly whiteoutThere: boolean;
  /** Directories that move onto a name that deeper layers have: cut off from them. */
  readonly opaque: readonly DirNode[];
  /** Directories with deeper parts: those are found by a redirect. */
  readonly redirect: readonly DirNode[];
  /** An empty merged directory is replaced; its whiteouts go first. */
  readonly clear: DirNode | null;
}

/** Decides; throws the errno that the whole rename answers. */
export function planRename(u: Union, from: RenameEnd, to: RenameEnd, flags: number): RenamePlan {
  if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE)) !== 0) throw fail('EINVAL', 'rename flags');
  const exchange = (flags & RENAME_EXCHANGE) !== 0;
  const source = from.entry;
  if (source === null || source.kind === WHITEOUT) throw fail('ENOENT', 'rename');
  const target = to.entry !== null && to.entry.kind !== WHITEOUT ? to.entry : null;
  if (exchange && target === null) throw fail('ENOENT', 'rename exchange');
  if (target !== null && (flags & RENAME_NOREPLACE) !== 0) throw fail('EEXIST', 'rename');
  const sourceDir = dirOf(from);
  const targetDir = target === null ? null : dirOf(to);
  const replaced = exchange ? null : targetDir;
  if (replaced !== null && !isEmpty(u, replaced)) throw fail('ENOTEMPTY', 'rename');
  const moving = [sourceDir, exchange ? targetDir : null].filter((dir) => dir !== null);
  for (const dir of moving) settleStack(u, dir);
  const merged = moving.filter((dir) => dir.stack.length > (dir.upper === null ? 0 : 1));
  if (merged.length > 0 && !(u.options.redirectDir && u.features.dialect !== null)) {
    throw fail('EXDEV', 'rename of a directory with lower parts');
  }
  const whiteoutThere = to.entry?.kind === WHITEOUT && to.entry.dir.layer.writable;
  return {
    exchange,
    whiteoutOld: !exchange && (source.beneath || !source.dir.layer.writable),
    swapWhiteout: whiteoutThere && sourceDir !== null,
    whiteoutThere,
    opaque: to.entry === null && !exchange ? [] : moving.filter((dir) => !merged.includes(dir)),
    redirect: merged,
    clear: replaced,
  };
}

function dirOf(end: RenameEnd): DirNode | null {
  if (end.entry?.kind !== DT_DIR) return null;
  if (!(end.entry.node instanceof DirNode)) throw fail('ESTALE', 'rename of a directory the kernel does not know');
  return end.entry.node;
}

function endOf(u: Union, dir: DirNode, name: string): RenameEnd {
  const entry: Entry | null = namesIn(u, dir).entries.get(name) ?? null;
  return { dir, name, entry };
}

/** renameat2 on the merged tree. */
export function rename(
  u: Union,
  oldDir: DirNode,
  oldName: string,
  newDir: DirNode,
  newName: string,
  flags: number,
): void {
  writableWork(u);
  refuseBadName(u, newName);
  const from = endOf(u, oldDir, oldName);
  let to = endOf(u, newDir, newName);
  refuseProtectedEnds(u, from, to);
  let plan = planRename(u, from, to, flags);
  bringUp(u, from);
  if (plan.clear !== null && mustGoFirst(u, plan.clear)) {
    // Two steps: a crash between them shows neither the old directory nor what it hid.
    rmdir(u, newDir, newName);
    to = endOf(u, newDir, newName);
    plan = planRename(u, from, to, flags);
  }
  if (plan.exchange) bringUp(u, to);
  else indexBeforeLoss(u, to.entry?.node ?? null);
  const oldUpper = upperOf(u, oldDir);
  const newUpper = upperOf(u, newDir);
  for (const dir of plan.opaque) setOpaque(u, u.dirFds.fd(dir.upper as LayerDir), '');
  for (const end of plan.exchange ? [from, to] : [from]) keepDataFound(u, end.entry?.node as Inode, oldDir === newDir);
  for (const dir of plan.redirect) writeRedirect(u, dir, oldDir === newDir);
  if (plan.clear !== null) clearReplaced(u, plan.clear, newUpper, newName);
  for (const dir of plan.exchange ? new Set([oldDir, newDir]) : [newDir]) markImpure(u, dir);
  markHolder(u, newDir, from.entry?.node ?? null);
  if (plan.exchange) markHolder(u, oldDir, to.entry?.node ?? null);
  const loses = plan.exchange ? null : (to.entry?.node ?? null);
  const replaced = loses instanceof FileNode ? beforeNameGoes(u, loses, to.entry?.dir.layer.writable ?? false) : null;
  try {
    publish(u, plan, { dir: oldUpper, name: oldName }, { dir: newUpper, name: newName });
  } catch (error) {
    replaced?.();
    throw error;
  }
  if (plan.exchange) settleExchange(u, from, to, oldUpper, newUpper);
  else settleMove(u, from, to, newUpper, plan.whiteoutOld);
}

/** A name goes here and one comes there, perhaps in another's place. */
function refuseProtectedEnds(u: Union, from: RenameEnd, to: RenameEnd): void {
  refuseProtectedName(u, from.dir, from.entry?.node ?? null);
  const replaced = to.entry?.node ?? null;
  if (replaced === null) refuseProtected(u, to.dir, true);
  else refuseProtectedName(u, to.dir, replaced);
}

/** Copies what will move up into the upper. */
function bringUp(u: Union, end: RenameEnd): void {
  const node: Inode | null = end.entry?.node ?? null;
  if (node === null) throw fail('ESTALE', 'rename of what the kernel does not know');
  copyUp(u, node, 'attributes');
}

interface At {
  readonly dir: LayerDir;
  readonly name: string;
}

/** The one step that users see. */
function publish(u: Union, plan: RenamePlan, old: At, next: At): void {
  const oldFd = u.dirFds.fd(old.dir);
  const newFd = u.dirFds.fd(next.dir);
  const move = (flags: number): number => u.sys.renameAt(oldFd, old.name, newFd, next.name, flags);
  if (plan.exchange) {
    check(move(RENAME_EXCHANGE), 'rename exchange');
    return;
  }
  if (!plan.swapWhiteout || !swapWithWhiteout(u, plan, old, next, move)) moveAway(u, plan, old, move);
  // The whiteout at the new name may have been a `.wh.` file.
  if (plan.whiteoutThere) u.sys.unlinkAt(newFd, WH + next.name, 0);
}

type Move = (flags: number) => number;

/** The new name is free, or a file that goes. */
function moveAway(u: Union, plan: RenamePlan, old: At, move: Move): void {
  if (plan.whiteoutOld && u.features.renameWhiteout) {
    check(move(RENAME_WHITEOUT), 'rename');
    return;
  }
  check(move(0), 'rename');
  // Two steps on hosts that cannot do it in one: a crash between them shows the lower's name again.
  if (plan.whiteoutOld) addWhiteout(u, writableWork(u), old.dir, old.name);
}

/**
 * A directory takes a whiteout's place; the whiteout comes to the old name, where it may be wanted.
 * False when the new name is free now: the whiteout was a `.wh.` file beside it, or had to go first.
 */
function swapWithWhiteout(u: Union, plan: RenamePlan, old: At, next: At, move: Move): boolean {
  const there = u.sys.statAt(u.dirFds.fd(next.dir), next.name, u.scratch);
  if (there === -errno.ENOENT) return false;
  check(there, 'rename');
  // A whiteout by xattr counts only in a directory that says so, as the old name's may not.
  if (u.scratch.mode >>> 12 !== DT_CHR) replaceFileByWhiteout(u, writableWork(u), next.dir, next.name);
  if (!u.features.renameExchange) u.sys.unlinkAt(u.dirFds.fd(next.dir), next.name, 0);
  const swapped = u.features.renameExchange ? move(RENAME_EXCHANGE) : -errno.ENOENT;
  if (swapped === -errno.ENOENT) return false;
  if (swapped < 0) throw new ErrnoError(-swapped, 'rename');
  if (!plan.whiteoutOld) u.sys.unlinkAt(u.dirFds.fd(old.dir), old.name, 0);
  return true;
}
