// Containers mounted and unmounted: a serving process for each mount, as `stratafs mount` starts one. Whether a container is
// mounted is the mount table's to say.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Container, makeUpper, mountList } from '../../image/container/containers.js';
import { isDead, mountOf, mountsOf, sourceName } from '../../image/container/mount-table.js';
import { separate } from '../../image/container/separate.js';
import type { Volume } from '../../image/container/volume.js';
import { removeTree } from '../../image/disk.js';
import { ImageError } from '../../image/error.js';
import { MNT_DETACH, UMOUNT_NOFOLLOW } from '../../sys/constants.js';
import { bytesOf } from '../../sys/name.js';
import { syscalls } from '../../sys/syscalls.js';
import { MountError } from '../../union/layers.js';
import { startServer } from '../mount.js';
import { umountCommand } from '../umount.js';

/** A process that has just ended may keep a mount busy for a moment. */
const PATIENCE_MS = 1000;
const PAUSE_MS = 50;

async function startMount(list: string, mountpoint: string): Promise<void> {
  let complaint = '';
  const code = await startServer(['--as=stratafs', '--serve', '-o', list, mountpoint], (text) => {
    complaint += text;
  });
  if (code !== 0) throw new ImageError(complaint.trim().replace(/^stratafs: /, '') || `the server ended with ${code}`);
}

function detach(mountpoint: string): void {
  syscalls.umount(bytesOf(mountpoint), MNT_DETACH | UMOUNT_NOFOLLOW);
}

/** Whether the container is mounted and answers; what a killed server left is taken away. */
export function isMounted(container: Container): boolean {
  for (const mountpoint of mountsOf(container.record.id)) if (isDead(mountpoint)) detach(mountpoint);
  return mountOf(container.record.id) !== null;
}

/** Mounts the container, which the caller has locked. */
export async function mountContainer(container: Container, mountpoint: string): Promise<string> {
  const { id, name } = container.record;
  if (isMounted(container)) throw new ImageError(`container ${name} is mounted at ${mountOf(id)} already`);
  const [upper, work] = [container.upper(), container.path('work')];
  // Of a commit that ended with its record the server had sealed everything.
  const [sealed] = container.unsaved().slice(-2, -1);
  if (sealed !== undefined) separate(syscalls, upper, sealed, work);
  const layers = { lowers: container.lowers(), upper, work, sealed: container.uppers().length - 1 };
  await startMount(mountList(layers, sourceName(id)), mountpoint);
  return mountOf(id) ?? mountpoint;
}

/** Mounts an overlay of a directory of the host; what is changed in it is gone when the container stops. */
export async function mountVolume(container: Container, at: number, { host }: Volume): Promise<string> {
  const home = join(container.path('volumes'), String(at));
  removeTree(home);
  const [upper, work, merged] = ['upper', 'work', 'merged'].map((part) => join(home, part)) as [string, string, string];
  mkdirSync(home, { recursive: true });
  makeUpper(upper, host);
  for (const directory of [work, merged]) mkdirSync(directory);
  await startMount(mountList({ lowers: [host], upper, work }, sourceName(container.record.id, String(at))), merged);
  return merged;
}

async function unmount(mountpoint: string, force: boolean): Promise<void> {
  for (let waited = 0; ; waited += PAUSE_MS) {
    try {
      umountCommand([mountpoint]);
      return;
    } catch (error) {
      if (!(error instanceof MountError)) throw error;
      if (force) return detach(mountpoint);
      if (waited >= PATIENCE_MS) throw new ImageError(`${error.message}; -f takes it away all the same`);
    }
    await sleep(PAUSE_MS);
  }
}

/** Unmounts the container, which the caller has locked, with its volumes, whose changes are thrown away. */
export async function unmountContainer(container: Container, force: boolean): Promise<void> {
  for (const mountpoint of mountsOf(container.record.id)) await unmount(mountpoint, force || isDead(mountpoint));
  removeTree(container.path('volumes'));
}
