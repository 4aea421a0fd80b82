// The conformance map: every family by its name.

import { attributes } from './attributes.js';
import type { Family } from './case.js';
import { create } from './create.js';
import { data } from './data.js';
import { directories } from './directories.js';
import { filesystem } from './filesystem.js';
import { locks } from './locks.js';
import { lookup } from './lookup.js';
import { mapping } from './mapping.js';
import { openFlags } from './open-flags.js';
import { ownership } from './ownership.js';
import { permissions } from './permissions.js';
import { remove } from './remove.js';
import { rename } from './rename.js';
import { unlinked } from './unlinked.js';
import { xattrs } from './xattrs.js';

export const conformanceMap: Readonly<Record<string, Family>> = {
  lookup,
  attributes,
  directories,
  create,
  remove,
  rename,
  'open flags': openFlags,
  data,
  mapping,
  xattrs,
  locks,
  permissions,
  ownership,
  unlinked,
  filesystem,
};
