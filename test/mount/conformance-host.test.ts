// The conformance map on a plain host directory: tests the tests.

import t from 'tap';
import { host } from '../support/configs.js';
import { plansFor } from './conformance/plans.js';
import { runConformance } from './conformance/run.js';

for (const plan of plansFor(host)) await runConformance(t, plan);
