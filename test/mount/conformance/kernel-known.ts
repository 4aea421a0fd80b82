// Where kernel overlayfs itself differs from a plain filesystem, one conformance case a line. Run
// with STRATAFS_TEST_CONFIGS=kernel to check the tests; ours must pass these.

import type { Known } from './run.js';

export const kernelKnown: Known = {
  'create: char 0:0 is a device like others': 'kernel overlayfs takes no whiteouts from users',
  'rename: an open file that was replaced keeps its bytes (lower)': 'a lower file open read-only keeps its nlink',
  'data: SEEK_DATA and SEEK_HOLE find the pieces (lower)': 'copies up in steps of 1 MiB',
  'data: holes stay holes when one byte is written (lower)': 'copies up in steps of 1 MiB',
  'unlinked: fstat of a read-only descriptor says nlink 0 (lower)': 'a lower file open read-only keeps its nlink',
  'unlinked: fchmod of a read-only descriptor (lower)': 'no copy-up without a name',
  'directories: attributes of an open removed directory (lower)': 'no copy-up of a removed directory',
};
