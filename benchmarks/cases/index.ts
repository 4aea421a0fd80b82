// All cases, in the order of the report.

import type { Case, Scale } from './case.js';
import { copyUpCases } from './copy-up.js';
import { dataCases } from './data.js';
import { growthCases } from './growth.js';
import { imageCases } from './image.js';
import { jobCases } from './jobs.js';
import { latencyCases } from './latency.js';
import { listingCases } from './listing.js';
import { lookupCases } from './lookup.js';
import { namespaceCases } from './namespace.js';
import { openCases } from './open.js';
import { startCases } from './start.js';

export function allCases(scale: Scale): Case[] {
  const every = [
    lookupCases,
    listingCases,
    openCases,
    copyUpCases,
    namespaceCases,
    dataCases,
    jobCases,
    growthCases,
    latencyCases,
    startCases,
    imageCases,
  ];
  return every.flatMap((family) => family(scale));
}
