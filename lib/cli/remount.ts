// `mount -o remount`: what the kernel can change of a running mount, it changes; every other word is compared with the
// options that the mount runs with, and one that would change something is refused by name.

import { Buffer } from 'node:buffer';
import { errno } from '../errno.js';
import { remountFuse } from '../session/mount.js';
import { check } from '../sys/check.js';
import { MS_RDONLY, O_DIRECTORY, O_RDONLY } from '../sys/constants.js';
import { bytesOf, shown } from '../sys/name.js';
import { syscalls } from '../sys/syscalls.js';
import { accessTimes } from '../union/access-times.js';
import { MountError } from '../union/layers.js';
import { flagWords, type MountOptions, splitWords } from '../union/options.js';
import { TRUSTED_OPTIONS, USER_OPTIONS } from '../union/told-layers.js';
import { resolvedDirectory, sortWords } from './arguments.js';
import { applyInManner, type Manner } from './manner.js';

/** Words that mount(8) takes from the mount table and gives back, and the one that led here. */
const own = /^(remount|allow_other|default_permissions|(user_id|group_id|rootmode|fd|max_read|blksize)=.*)$/;

/** ST_* and the words for it. */
const ST_NOATIME = 0x400;
const ST_NODIRATIME = 0x800;
const ST_RELATIME = 0x1000;
const ST_FLAGS = 0x1f;

/** What is mounted: its flags as statfs tells them, and its options; null where they are too long to tell. */
interface Running {
  readonly flags: number;
  readonly options: MountOptions | null;
}

function runningAt(mountpoint: string): Running {
  const fd = check(syscalls.openPath(mountpoint, O_RDONLY | O_DIRECTORY), shown(mountpoint));
  try {
    const numbers = syscalls.statFs(fd);
    const values = [TRUSTED_OPTIONS, USER_OPTIONS].map((key) => syscalls.getXattr(fd, '', key));
    const told = values.find((value) => typeof value !== 'number' || value === -errno.E2BIG);
    if (typeof numbers === 'number' || told === undefined) {
      throw new MountError(`mountpoint ${shown(mountpoint)}: no mount of stratafs that you may change`);
    }
    const text = typeof told === 'number' ? 'null' : Buffer.from(told).toString('latin1');
    return { flags: numbers.flags, options: JSON.parse(text) as MountOptions | null };
  } finally {
    syscalls.close(fd);
  }
}

function timesOf(flags: number): string[] {
  const times = (flags & ST_NOATIME) !== 0 ? 'noatime' : (flags & ST_RELATIME) !== 0 ? 'relatime' : 'strictatime';
  return [times, (flags & ST_NODIRATIME) !== 0 ? 'nodiratime' : 'diratime'];
}

/** Which times reading changes was decided when the layers were opened; words that say the same are welcome. */
function refuseOtherTimes(running: Running, words: readonly string[]): void {
  const now = timesOf(running.flags);
  if (accessTimes([...now, ...words]) === accessTimes(now)) return;
  const culprit = words.findLast((word) => word.endsWith('atime'));
  throw new MountError(`option ${culprit}: a remount does not change access times: unmount and mount anew`);
}

type Layers = Pick<MountOptions, 'lowers' | 'dataLowers' | 'upper' | 'workdir'>;

/** Layers as the server has them: without symlinks. */
function resolvedLayers({ lowers, dataLowers, upper, workdir }: Layers): Layers {
  const real = (option: string, path: string): string => resolvedDirectory(option, path).path;
  return {
    lowers: lowers.map((path) => real('lowerdir', path)),
    dataLowers: dataLowers.map((path) => real('lowerdir', path)),
    upper: upper === null ? null : real('upperdir', upper),
    workdir: workdir === null ? null : real('workdir', workdir),
  };
}

function refuseOther(running: Running, word: string, manner: Manner): void {
  if (running.options === null) throw new MountError(`option ${word}: the mount has too many layers to compare`);
  const before = JSON.stringify(running.options);
  const wanted = JSON.parse(before) as MountOptions;
  applyInManner(wanted, word.replaceAll(',', '\\,'), manner);
  if (JSON.stringify(wanted) === before) return;
  if (JSON.stringify({ ...wanted, ...resolvedLayers(wanted) }) === before) return;
  throw new MountError(`option ${word}: a remount does not change it: unmount and mount anew`);
}

function refuseWriting(mountpoint: string, { options }: Running): void {
  if (options === null || (options.upper !== null && !options.readOnly)) return;
  const why = options.upper === null ? 'the mount has no upperdir' : 'it was mounted with ro: unmount and mount anew';
  throw new MountError(`mountpoint ${shown(mountpoint)}: cannot be made writable: ${why}`);
}

/** Entry: returns the exit code. */
export function remountCommand(argv: readonly string[], manner: Manner): number {
  const sorted = sortWords(argv.map(bytesOf), manner);
  const given = sorted.positional.at(-1);
  if (given === undefined) throw new MountError('no mountpoint');
  const mountpoint = resolvedDirectory('mountpoint', given).path;
  const running = runningAt(mountpoint);
  const words = sorted.lists.flatMap(splitWords).filter((word) => word !== '' && !own.test(word));
  const flags = words.filter((word) => (flagWords as readonly string[]).includes(word));
  const access = words.filter((word) => word === 'ro' || word === 'rw').at(-1);
  // mount(8) names the source, and gives all words that are to hold; by hand only those that change are given.
  const whole = sorted.positional.length > 1;
  const readOnly = access === 'ro' || (access === undefined && !whole && (running.flags & MS_RDONLY) !== 0);
  for (const word of words)
    if (!flags.includes(word) && word !== 'ro' && word !== 'rw') refuseOther(running, word, manner);
  refuseOtherTimes(running, flags);
  if (!readOnly) refuseWriting(mountpoint, running);
  if (sorted.dryRun) return 0;
  remountFuse(syscalls, { mountpoint, flags: whole ? 0 : running.flags & ST_FLAGS, words: flags, readOnly });
  return 0;
}
