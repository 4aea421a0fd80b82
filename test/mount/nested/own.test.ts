// stratafs on stratafs: with its lower, its upper, or both in another of its mounts.

import t from 'tap';
import { native, nested } from '../../support/configs.js';
import { runConformance } from '../conformance/run.js';
import { lowerOnOurs } from './known.js';

await runConformance(t, { config: nested(native, native, 'lower'), known: lowerOnOurs });
await runConformance(t, { config: nested(native, native, 'upper') });
await runConformance(t, { config: nested(native, native, 'both'), known: lowerOnOurs });
