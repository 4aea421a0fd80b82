// The conformance map on every configuration. The host filesystem tests the tests.

import t from 'tap';
import { chosen, fuseNative, host, native, nativeCached } from '../support/configs.js';
import { type Plan, runConformance } from './conformance/run.js';
import { fuseNativeKnown } from './fuse-native-known.js';

const extra: Readonly<Record<string, Omit<Plan, 'config'>>> = {
  'fuse-native': { known: fuseNativeKnown },
};

for (const config of chosen([host, native, nativeCached, fuseNative])) {
  await runConformance(t, { config, ...extra[config.name] });
}
