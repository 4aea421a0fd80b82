// All cases, in the order of the table.

import type { Case } from './case.js';
import { dataCases } from './data.js';
import { lookupCases } from './lookup.js';
import { memoryCases } from './memory.js';
import { namespaceCases } from './namespace.js';

export const cases: readonly Case[] = [...lookupCases, ...namespaceCases, ...dataCases, ...memoryCases];
