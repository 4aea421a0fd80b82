// The conformance map with `.wh.` whiteouts, as on a host that refuses char 0:0.

import t from 'tap';
import { fileWhiteouts } from '../support/configs.js';
import { plansFor } from './conformance/plans.js';
import { runConformance } from './conformance/run.js';

for (const plan of plansFor(fileWhiteouts)) await runConformance(t, plan);
