// Where things are on this host: the checkout, its cache, and a fresh directory for one test.
// Knows no filesystem under test.

import { existsSync, mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

function findCheckout(from: string): string {
  if (existsSync(join(from, 'binding.gyp'))) return from;
  const parent = dirname(from);
  if (parent === from) throw new Error('no checkout above the tests');
  return findCheckout(parent);
}

/** The checkout this test was built from. */
export const checkout = findCheckout(dirname(fileURLToPath(import.meta.url)));

/** The built command; STRATAFS_MAIN names another build to test. */
export const mainScript = process.env.STRATAFS_MAIN ?? join(checkout, 'dist', 'lib', 'cli', 'main.js');

/** A directory that survives runs; never committed. */
export function cacheDirectory(): string {
  const path = join(checkout, '.cache', 'tests');
  mkdirSync(path, { recursive: true });
  return path;
}

/** A new empty directory on a host filesystem that can hold every layer feature. */
export function freshDirectory(label: string): string {
  const parent = process.env.STRATAFS_TEST_TMP ?? tmpdir();
  return mkdtempSync(join(parent, `stratafs-${label.replace(/[^a-z0-9-]/gi, '_')}-`));
}
