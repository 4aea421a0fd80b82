// `stratafs snapshotter --address SOCKET --root DIR`: containerd's snapshots on stratafs mounts, until SIGTERM.

import { isAbsolute, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { serveSnapshots } from '../snapshotter/service.js';
import { Snapshots } from '../snapshotter/snapshots.js';
import { MountError } from '../union/layers.js';

const PROGRAM = 'stratafs-overlay';

interface Settings {
  readonly address: string;
  readonly root: string;
  readonly program: string;
}

function settingsOf(argv: readonly string[]): Settings {
  const { values } = parseArgs({
    args: [...argv],
    options: { address: { type: 'string' }, root: { type: 'string' }, program: { type: 'string', default: PROGRAM } },
  });
  const { address, root, program } = values;
  if (address === undefined || root === undefined) {
    throw new MountError('usage: stratafs snapshotter --address SOCKET --root DIR [--program NAME]');
  }
  if (!isAbsolute(address)) throw new MountError(`--address ${address}: containerd wants an absolute path`);
  return { address, root: resolve(root), program };
}

function settings(argv: readonly string[]): Settings {
  try {
    return settingsOf(argv);
  } catch (error) {
    throw new MountError(`snapshotter: ${(error as Error).message}`);
  }
}

export async function snapshotterCommand(argv: readonly string[]): Promise<number> {
  const { address, root, program } = settings(argv);
  const snapshots = await Snapshots.open(root, program);
  const service = await serveSnapshots(snapshots, address);
  process.stdout.write(`serving containerd snapshots of ${root} on ${address}\n`);
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(signal, () => resolve());
  });
  await service.close();
  await snapshots.close();
  return 0;
}
