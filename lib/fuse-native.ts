// The second channel's assembly (see session/fuse-native-channel.ts).

import type { Mounted } from './mounted.js';
import { MountError } from './union/layers.js';
import type { MountOptions } from './union/options.js';

export async function mountFuseNative(_options: MountOptions, mountpoint: string): Promise<Mounted> {
  throw new MountError(`mountpoint ${mountpoint}: --channel=fuse-native is not there yet`);
}
