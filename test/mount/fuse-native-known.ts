// What libfuse 2.9's path API cannot express, one conformance case a line, with the reason. A case
// listed here that passes is a failure of the list.

import type { Known } from './conformance/run.js';

export const fuseNativeKnown: Known = {};
