// The conformance map on the native channel, passthrough where the io-mode rule wants it.

import t from 'tap';
import { native } from '../support/configs.js';
import { plansFor } from './conformance/plans.js';
import { runConformance } from './conformance/run.js';

for (const plan of plansFor(native)) await runConformance(t, plan);
