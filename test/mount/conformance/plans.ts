// What each configuration is known to lack in the conformance map.

import { type Config, chosen } from '../../support/configs.js';
import { fuseNativeKnown } from '../fuse-native-known.js';
import { fileWhiteoutsKnown, userKnown, usernsKnown } from '../rootless-known.js';
import { kernelKnown } from './kernel-known.js';
import type { Plan } from './run.js';

const extra: Readonly<Record<string, Omit<Plan, 'config'>>> = {
  'fuse-native': { known: fuseNativeKnown },
  'file-whiteouts': { known: fileWhiteoutsKnown },
  userns: { known: usernsKnown },
  user: { known: userKnown, lacks: ['other-users'] },
  kernel: { known: kernelKnown },
};

export function planOf(config: Config): Plan {
  return { config, ...extra[config.name] };
}

/** The plans of one test file: its configuration, or what the environment chose. */
export function plansFor(config: Config): Plan[] {
  return chosen([config]).map(planOf);
}
