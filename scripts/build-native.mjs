// Builds native/ into build/Release (the addon and the launcher) when that is older than its sources.
// `--prebuild` also copies both to prebuilds/, where node-gyp-build and launch.sh find them. Knows nothing of TypeScript.

import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const release = join(root, 'build', 'Release');
const built = join(release, 'stratafs.node');
const launcher = join(release, 'stratafs-launcher');

function fail(message) {
  console.error(`stratafs: ${message}`);
  process.exit(1);
}

function modified(path) {
  return existsSync(path) ? statSync(path).mtimeMs : 0;
}

function isFresh() {
  const sources = readdirSync(join(root, 'native'), { recursive: true })
    .filter((name) => /\.(cc|c|h)$/.test(name))
    .map((name) => join(root, 'native', name));
  const newest = Math.max(...[...sources, join(root, 'binding.gyp')].map(modified));
  return modified(built) > newest && existsSync(launcher);
}

function requireTool(tool) {
  const found = spawnSync(tool, ['--version'], { stdio: 'ignore' });
  if (!found.error) return;
  fail(`the addon needs ${tool} to build; install a C++17 compiler and make (Debian: apt install g++ make)`);
}

/** Headers that came with this node, so that node-gyp need not download them. */
function headerOption() {
  const prefix = join(dirname(process.execPath), '..');
  return existsSync(join(prefix, 'include', 'node', 'node_api.h')) ? [`--nodedir=${prefix}`] : [];
}

function build() {
  const gyp = join(root, 'node_modules', '.bin', 'node-gyp');
  if (!existsSync(gyp)) fail('node-gyp is missing; run npm install first');
  requireTool('make');
  requireTool(process.env.CXX ?? 'g++');
  const result = spawnSync(gyp, ['rebuild', ...headerOption()], { cwd: root, stdio: 'inherit' });
  if (result.status !== 0) fail(`node-gyp ended with ${result.status ?? result.signal}`);
  // Callers of the launcher may have a PATH without node.
  writeFileSync(join(release, 'node-path'), process.execPath);
}

/** Node-API fits every runtime, the C library does not. */
function prebuild() {
  const libc = process.report.getReport().header.glibcVersionRuntime ? 'glibc' : 'musl';
  const folder = join(root, 'prebuilds', `linux-${process.arch}`);
  const target = join(folder, `stratafs.napi.${libc}.node`);
  mkdirSync(folder, { recursive: true });
  copyFileSync(built, target);
  copyFileSync(launcher, join(folder, 'stratafs-launcher'));
  console.log(`stratafs: ${target}`);
}

if (process.platform !== 'linux') fail('only Linux has the FUSE this driver speaks');
if (!isFresh()) build();
if (process.argv.includes('--prebuild')) prebuild();
