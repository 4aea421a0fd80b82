// The conformance map on the native channel without passthrough.

import t from 'tap';
import { nativeCached } from '../support/configs.js';
import { plansFor } from './conformance/plans.js';
import { runConformance } from './conformance/run.js';

for (const plan of plansFor(nativeCached)) await runConformance(t, plan);
