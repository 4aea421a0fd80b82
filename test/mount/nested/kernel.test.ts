// Kernel overlayfs on stratafs.

import t from 'tap';
import { kernel, native, nested } from '../../support/configs.js';
import { runConformance } from '../conformance/run.js';
import { kernelAllOnOurs, kernelLowerOnOurs } from './known.js';

await runConformance(t, { config: nested(kernel, native, 'lower'), known: kernelLowerOnOurs });
await runConformance(t, { config: nested(kernel, native, 'both'), known: kernelAllOnOurs });
