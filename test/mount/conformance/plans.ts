// What each configuration is known to lack in the conformance map.

import { type Config, chosen } from '../../support/configs.js';
import { fuseNativeKnown } from '../fuse-native-known.js';
import { kernelKnown } from './kernel-known.js';
import type { Plan } from './run.js';

const extra: Readonly<Record<string, Omit<Plan, 'config'>>> = {
  'fuse-native': { known: fuseNativeKnown },
  kernel: { known: kernelKnown },
};

/** The plans of one test file: its configuration, or what the environment chose. */
export function plansFor(config: Config): Plan[] {
  return chosen([config]).map((each) => ({ config: each, ...extra[each.name] }));
}
