// The conformance map within a room (see support/rooms.ts); the argument names the configuration.

import t from 'tap';
import { byName } from '../../support/configs.js';
import { planOf } from './plans.js';
import { runConformance } from './run.js';

await runConformance(t, planOf(byName(process.argv[2] as string)));
