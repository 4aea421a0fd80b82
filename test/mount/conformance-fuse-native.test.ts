// The conformance map through the package fuse-native; see fuse-native-known.ts.

import t from 'tap';
import { fuseNative } from '../support/configs.js';
import { plansFor } from './conformance/plans.js';
import { runConformance } from './conformance/run.js';

for (const plan of plansFor(fuseNative)) await runConformance(t, plan);
