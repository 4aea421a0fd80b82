// What the called name changes: a drop-in reports and ignores, the command itself refuses.

import { mkdirSync, rmSync } from 'node:fs';
import t from 'tap';
import { parseMount } from '../../lib/cli/arguments.js';
import { applyInManner, mannerOf, versionText } from '../../lib/cli/manner.js';
import { defaultOptions } from '../../lib/union/options.js';
import { freshDirectory } from '../support/paths.js';

const base = freshDirectory('cli-manner');
for (const name of ['a', 'b', 'u', 'w', 'm']) mkdirSync(`${base}/${name}`);
t.teardown(() => rmSync(base, { recursive: true }));

/** Runs `action` and returns what it wrote to stderr. */
function spoken(action: () => void): string {
  const write = process.stderr.write;
  let text = '';
  process.stderr.write = (chunk: string | Uint8Array): boolean => {
    text += String(chunk);
    return true;
  };
  try {
    action();
  } finally {
    process.stderr.write = write;
  }
  return text;
}

t.test('names', async (t) => {
  t.match(mannerOf('stratafs'), { dropIn: false, mountHelper: false });
  t.match(mannerOf('stratafs-overlay'), { dropIn: true, mountHelper: false });
  t.match(mannerOf('fuse-overlayfs'), { dropIn: true, mountHelper: false });
  t.match(mannerOf('mount.stratafs'), { dropIn: true, mountHelper: true });
});

t.test('the version names the program whose place is taken', async (t) => {
  t.equal(versionText(mannerOf('stratafs'), '1.2.3'), 'stratafs 1.2.3\n');
  t.match(versionText(mannerOf('fuse-overlayfs'), '1.2.3'), /^fuse-overlayfs: version 1\.2\.3/);
});

t.test('unknown options are said and ignored, tuning is not even said', async (t) => {
  const options = defaultOptions();
  const said = spoken(() =>
    applyInManner(options, 'private,remote,threaded=1,,fast_ino=1,volatile,', mannerOf('fuse-overlayfs')),
  );
  t.equal(said, 'unknown argument ignored: private\nunknown argument ignored: remote\n');
  t.equal(options.volatile, true);
});

t.test('a quoted SELinux context keeps its commas to itself', async (t) => {
  const options = defaultOptions();
  const said = spoken(() =>
    applyInManner(options, 'lowerdir=/a,context="system_u:object_r:x:s0:c1,c2",ro', mannerOf('fuse-overlayfs')),
  );
  t.match(options, { lowers: ['/a'], readOnly: true });
  t.equal(said, '');
});

t.test('the command refuses what a drop-in ignores', async (t) => {
  t.throws(() => applyInManner(defaultOptions(), 'private', mannerOf('stratafs')), { message: /private/ });
  t.throws(() => applyInManner(defaultOptions(), 'threaded=1', mannerOf('stratafs')), { message: /threaded=1/ });
});

t.test('verity=on and verity=require are refused, not ignored, but in the place of fuse-overlayfs', async (t) => {
  for (const name of ['stratafs', 'mount.stratafs']) {
    for (const word of ['verity=on', 'verity=require', 'verity']) {
      t.throws(() => applyInManner(defaultOptions(), word, mannerOf(name)), {
        message: /option verity: .*not checked/,
      });
    }
    applyInManner(defaultOptions(), 'verity=off', mannerOf(name));
  }
  const said = spoken(() => applyInManner(defaultOptions(), 'verity=on,verity=off', mannerOf('fuse-overlayfs')));
  t.equal(said, 'unknown argument ignored: verity=on\n');
});

const layers = `lowerdir=${base}/a:${base}/b,upperdir=${base}/u,workdir=${base}/w`;

t.test('the calls of the runtimes', async (t) => {
  const calls = [
    ['-o', `${layers},`, `${base}/m`],
    ['-o', `${layers},,volatile`, `${base}/m`],
    ['overlay', `${base}/m`, '-o', `workdir=${base}/w,upperdir=${base}/u,lowerdir=${base}/a:${base}/b,dev,suid`],
    [
      'overlay',
      `${base}/m`,
      '-o',
      `workdir=${base}/w`,
      '-o',
      `upperdir=${base}/u`,
      '-o',
      `lowerdir=${base}/a:${base}/b`,
    ],
  ];
  for (const argv of calls) {
    const { options, mountpoint } = parseMount(argv, mannerOf('fuse-overlayfs'));
    t.match(
      { options, mountpoint },
      {
        options: {
          lowers: [`${base}/a`, `${base}/b`],
          upper: `${base}/u`,
          workdir: `${base}/w`,
          subtype: 'fuse-overlayfs',
          fsname: 'fuse-overlayfs',
          exclusive: false,
        },
        mountpoint: `${base}/m`,
      },
    );
  }
});

t.test('-f is a dry run for the helper of mount(8), the foreground for everybody else', async (t) => {
  const argv = ['overlay', `${base}/m`, '-f', '-n', '-t', 'stratafs', '-o', layers];
  t.match(parseMount(argv, mannerOf('mount.stratafs')), { dryRun: true, foreground: false });
  const helped = parseMount([...argv, '-o', 'nosuid'], mannerOf('mount.stratafs'));
  t.same(helped.options.flags, ['dev', 'suid', 'nosuid'], 'mount(8) passes no word that is its default');
  const said = spoken(() => {
    t.match(parseMount(['-f', '-o', layers, `${base}/m`], mannerOf('stratafs-overlay')), {
      dryRun: false,
      foreground: true,
    });
  });
  t.equal(said, '');
});
