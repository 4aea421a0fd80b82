// The installed command as callers run it: any working directory, hardly an environment, output read to
// its end, under each of its names.

import { execFile, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { command } from '../support/command.js';
import { eventually } from '../support/expect.js';
import { checkout, freshDirectory } from '../support/paths.js';
import { forceUnmount, isMounted, mountEntry } from '../support/server.js';

const execute = promisify(execFile);
const script = join(checkout, 'lib', 'cli', 'launch.sh');
const LAYERS = 'lowerdir=l,upperdir=u,workdir=w';

interface Place {
  readonly base: string;
  readonly mountpoint: string;
  readonly name: (called: string) => string;
}

async function inPlace(use: (place: Place) => Promise<void>): Promise<void> {
  const base = freshDirectory('launch');
  const mountpoint = join(base, 'm');
  for (const directory of ['l', 'u', 'w', 'm', 'bin']) mkdirSync(join(base, directory));
  writeFileSync(join(base, 'l', 'f'), 'lower\n');
  const name = (called: string): string => {
    const link = join(base, 'bin', called);
    symlinkSync(script, link);
    return link;
  };
  try {
    await use({ base, mountpoint, name });
  } finally {
    await forceUnmount(mountpoint);
    rmSync(base, { recursive: true, force: true });
  }
}

/** Resolves only when the caller's pipes have come to their end. */
function call(place: Place, program: string, ...argv: string[]): Promise<{ stdout: string; stderr: string }> {
  return execute(program, argv, { cwd: place.base, env: { PATH: '/usr/bin:/bin' }, timeout: 20_000 });
}

t.test('relative layers, a bare environment, pipes that end', (t) =>
  inPlace(async (place) => {
    const overlay = place.name('fuse-overlayfs');
    const { stdout, stderr } = await call(place, overlay, '-o', `${LAYERS},,private,`, 'm');
    t.equal(stdout, '');
    t.equal(stderr, 'unknown argument ignored: private\n');
    t.equal(readFileSync(join(place.mountpoint, 'f'), 'utf8'), 'lower\n');
    t.match(mountEntry(place.mountpoint), { type: 'fuse.fuse-overlayfs', source: 'fuse-overlayfs' });
    t.equal((await command(['umount', place.mountpoint])).code, 0);
  }),
);

t.test('the server holds none of the descriptors that its caller leaked', (t) =>
  inPlace(async (place) => {
    const overlay = place.name('stratafs-overlay');
    const leak = `exec 7<"$0" 9<"$0"; exec "$1" -o ${LAYERS} m`;
    await call(place, '/bin/sh', '-c', leak, join(place.base, 'l', 'f'), overlay);
    const { stdout } = await execute('sh', ['-c', 'ls -l /proc/[0-9]*/fd 2>/dev/null || true']);
    t.notMatch(stdout, join(place.base, 'l', 'f'));
    t.ok(isMounted(place.mountpoint));
  }),
);

t.test('certificates that the environment names are not loaded for a mount', (t) =>
  inPlace(async (place) => {
    const env = { PATH: '/usr/bin:/bin', NODE_EXTRA_CA_CERTS: join(place.base, 'none') };
    const overlay = place.name('fuse-overlayfs');
    const mounted = spawnSync(overlay, ['-o', LAYERS, 'm'], { cwd: place.base, env, encoding: 'utf8' });
    t.equal(mounted.stderr, '');
    t.equal(mounted.status, 0);
  }),
);

t.test('an error is the exit code and one line', (t) =>
  inPlace(async (place) => {
    const overlay = place.name('fuse-overlayfs');
    const failed = spawnSync(overlay, ['-o', 'lowerdir=none', 'm'], { cwd: place.base, encoding: 'utf8' });
    t.equal(failed.status, 1);
    t.equal(failed.stderr, 'stratafs: lowerdir none: no such file or directory\n');
    t.notOk(isMounted(place.mountpoint));
  }),
);

t.test('a mountpoint whose server was killed is mounted again', (t) =>
  inPlace(async (place) => {
    const overlay = place.name('fuse-overlayfs');
    const unique = `lowerdir=l,upperdir=${place.base}/u,workdir=w`;
    await call(place, overlay, '-o', unique, 'm');
    const { stdout } = await execute('pgrep', ['-f', `upperdir=${place.base}/u`]);
    process.kill(Number(stdout.trim()), 'SIGKILL');
    await eventually(async () => {
      const seen = spawnSync('stat', [place.mountpoint], { encoding: 'utf8' });
      return seen.stderr.includes('not connected');
    });
    await call(place, overlay, '-o', unique, 'm');
    t.equal(readFileSync(join(place.mountpoint, 'f'), 'utf8'), 'lower\n');
    t.equal(readFileSync('/proc/self/mountinfo', 'utf8').split(place.mountpoint).length, 2, 'one mount, not two');
  }),
);

t.test('two writable mounts of one upper: said, not refused; the first keeps what it prepares', (t) =>
  inPlace(async (place) => {
    const overlay = place.name('fuse-overlayfs');
    await call(place, overlay, '-o', LAYERS, 'm');
    rmSync(join(place.mountpoint, 'f'));
    mkdirSync(join(place.base, 'm2'));
    const { stderr } = await call(place, overlay, '-o', LAYERS, 'm2');
    t.match(stderr, /upperdir .* in use/);
    writeFileSync(join(place.mountpoint, 'f'), 'again\n');
    t.equal(readFileSync(join(place.mountpoint, 'f'), 'utf8'), 'again\n');
    await forceUnmount(join(place.base, 'm2'));
  }),
);

t.test('as the helper of mount(8)', (t) =>
  inPlace(async (place) => {
    const helper = place.name('mount.stratafs');
    await call(place, helper, 'overlay', 'm', '-f', '-n', '-o', LAYERS);
    t.notOk(isMounted(place.mountpoint), 'a dry run');
    await call(place, helper, 'overlay', 'm', '-n', '-t', 'stratafs', '-o', `rw,${LAYERS},dev,suid`);
    t.match(mountEntry(place.mountpoint), { type: 'fuse.stratafs' });
    t.notMatch(mountEntry(place.mountpoint)?.options, /nodev|nosuid/);
  }),
);

t.test('version and help go to stdout, whatever stands beside them', (t) =>
  inPlace(async (place) => {
    const overlay = place.name('fuse-overlayfs');
    t.match((await call(place, overlay, '--version')).stdout, /^fuse-overlayfs: version \d/);
    t.match((await call(place, overlay, '--help')).stdout, /^usage: /);
    for (const itself of [place.name('stratafs'), script]) {
      t.match((await call(place, itself, '--version')).stdout, /^stratafs \d/);
    }
  }),
);

t.test('by the link that npm makes, or straight, with nothing to help', (t) =>
  inPlace(async (place) => {
    const modules = join(place.base, 'lib', 'node_modules');
    mkdirSync(modules, { recursive: true });
    symlinkSync(checkout, join(modules, 'stratafs'));
    const link = join(place.base, 'bin', 'stratafs');
    symlinkSync('../lib/node_modules/stratafs/lib/cli/launch.sh', link);
    const env = { PATH: place.base, STRATAFS_NODE: process.execPath };
    for (const called of [link, script]) {
      const told = spawnSync(called, ['--version'], { cwd: place.base, env, encoding: 'utf8' });
      t.match(told, { status: 0, stdout: /^stratafs \d/, stderr: '' });
    }
  }),
);

t.test('without Node.js the message says what to do', (t) =>
  inPlace(async (place) => {
    const copy = join(place.base, 'lib', 'cli');
    mkdirSync(copy, { recursive: true });
    mkdirSync(join(place.base, 'dist', 'lib', 'cli'), { recursive: true });
    writeFileSync(join(copy, 'launch.sh'), readFileSync(script), { mode: 0o755 });
    const unbuilt = spawnSync(join(copy, 'launch.sh'), [], { encoding: 'utf8' });
    t.match(unbuilt, { status: 1, stderr: /npm run build/ });
  }),
);
