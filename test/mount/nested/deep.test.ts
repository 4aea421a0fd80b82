// Three filesystems deep.

import t from 'tap';
import { kernel, native, nested } from '../../support/configs.js';
import { runConformance } from '../conformance/run.js';
import { kernelLowerOnOurs, upperOnOurs } from './known.js';

const two = nested(native, native, 'both');
await runConformance(t, { config: nested(native, two, 'both'), known: upperOnOurs });
const onKernel = nested(native, kernel, 'both');
await runConformance(t, { config: nested(kernel, onKernel, 'lower'), known: kernelLowerOnOurs });
