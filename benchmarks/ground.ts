// Where a run takes place: its scratch directory, and the filesystems that layers and uppers lie on. As root these are images of
// the run's own, mounted in its private namespace and unlinked at once, so that nothing is left of them however it ends.

import { mkdirSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import type { Filesystem } from './cases/case.js';
import { type Command, isInstalled, run } from './process.js';

const LIMIT_MS = 60_000;
const GIBIBYTE = 2 ** 30;
const root = process.getuid?.() === 0;

const MKFS: Readonly<Record<Filesystem, (inodes: number) => readonly string[]>> = {
  // Inode tables are left to be cleared when they are first used, and not by a thread in the middle of a sample.
  ext4: (inodes) => ['-q', '-F', '-N', String(inodes), '-E', 'lazy_itable_init=1,lazy_journal_init=1,nodiscard'],
  xfs: () => ['-q', '-f', '-K', '-m', 'reflink=1'],
  btrfs: () => ['-q', '-f', '-K'],
};

const MOUNT_OPTIONS: Readonly<Record<Filesystem, string>> = {
  ext4: 'noinit_itable',
  xfs: 'defaults',
  btrfs: 'defaults',
};

export class Grounds {
  private readonly made = new Map<Filesystem, Promise<string>>();

  /** `own` is a directory that the caller named and that is used as it is. */
  constructor(
    private readonly scratch: string,
    private readonly own: boolean,
    private readonly inodes: number,
  ) {}

  /** Whether plain rows run on an image. */
  get usesImage(): boolean {
    return root && !this.own && isInstalled('mkfs.ext4');
  }

  /** The directory that plain rows use, or one on a filesystem of the wanted kind; throws why there is none. */
  async place(filesystem?: Filesystem): Promise<string> {
    if (filesystem === undefined && !this.usesImage) return this.plain();
    const kind = filesystem ?? 'ext4';
    const known = this.made.get(kind) ?? this.image(kind);
    this.made.set(kind, known);
    return known;
  }

  private plain(): string {
    const path = join(this.scratch, 'plain');
    mkdirSync(path, { recursive: true });
    return path;
  }

  private async image(kind: Filesystem): Promise<string> {
    if (!root) throw new Error(`an image of ${kind} needs root`);
    const [file, path] = [join(this.scratch, `${kind}.img`), join(this.scratch, kind)];
    mkdirSync(path);
    const { bavail, bsize } = statfsSync(this.scratch);
    const bytes = Math.min(64 * GIBIBYTE, Math.floor((bavail * bsize * 0.8) / GIBIBYTE) * GIBIBYTE);
    const step = (command: Command): Promise<string> => run(command, LIMIT_MS);
    await step({ file: 'truncate', args: ['-s', String(bytes), file] });
    await step({ file: `mkfs.${kind}`, args: [...MKFS[kind](this.inodes), file] });
    const device = await attach(file);
    await step({ file: 'mount', args: ['-o', MOUNT_OPTIONS[kind], device, path] });
    // Mounted, the device is let go of when the last mount ends; the unlinked file goes with it.
    await step({ file: 'losetup', args: ['-d', device] });
    rmSync(file);
    return path;
  }
}

/** A loop device that does not cache what the image's filesystem caches already, where the host can. */
async function attach(file: string): Promise<string> {
  const attempt = (args: readonly string[]): Promise<string> =>
    run({ file: 'losetup', args: ['--find', '--show', ...args, file] }, LIMIT_MS);
  const output = await attempt(['--direct-io=on']).catch(() => attempt([]));
  return output.trim();
}
