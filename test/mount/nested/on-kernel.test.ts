// stratafs on kernel overlayfs.

import t from 'tap';
import { kernel, native, nested } from '../../support/configs.js';
import { runConformance } from '../conformance/run.js';
import { lowerOnOurs, upperOnKernel } from './known.js';

await runConformance(t, { config: nested(native, kernel, 'lower'), known: lowerOnOurs });
await runConformance(t, { config: nested(native, kernel, 'upper'), known: upperOnKernel });
