// What people write and what images say of how a container runs: instructions, users, volumes, the bundle's config.json.

import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { applyInstructions, splitWords, withEnv } from '../../../lib/image/container/instructions.js';
import { parseMountTable } from '../../../lib/image/container/mount-table.js';
import { readRooted } from '../../../lib/image/container/rooted.js';
import { argumentsOf, runtimeSpec } from '../../../lib/image/container/spec.js';
import { resolveUser } from '../../../lib/image/container/user.js';
import { parseVolume } from '../../../lib/image/container/volume.js';
import { freshDirectory } from '../../support/paths.js';

t.test('words: quotes keep blanks, backslashes keep what follows', async (t) => {
  t.same(splitWords(`a  "b c" d\\ e 'f\\g' ''`), ['a', 'b c', 'd e', 'f\\g', '']);
  t.throws(() => splitWords('a "b'), /a " is missing/);
});

t.test('every instruction', async (t) => {
  const before = { Env: ['PATH=/bin', 'A=old'], Cmd: ['old'], WorkingDir: '/srv', Labels: { kept: 'yes' } };
  const changes: [string, object][] = [
    ['CMD ["a","b c"]', { Cmd: ['a', 'b c'] }],
    ['cmd a "b c"', { Cmd: ['/bin/sh', '-c', 'a "b c"'] }],
    ['ENV A=b C="d e"', { Env: ['PATH=/bin', 'A=b', 'C=d e'] }],
    ['ENV A b c', { Env: ['PATH=/bin', 'A=b c'] }],
    ['EXPOSE 80 53/udp', { ExposedPorts: { '80/tcp': {}, '53/udp': {} } }],
    ['LABEL x="1 2"', { Labels: { kept: 'yes', x: '1 2' } }],
    ['USER web:staff', { User: 'web:staff' }],
    ['WORKDIR data/../logs', { WorkingDir: '/srv/logs' }],
    ['VOLUME ["/a b"]', { Volumes: { '/a b': {} } }],
    ['VOLUME /a /b', { Volumes: { '/a': {}, '/b': {} } }],
    ['STOPSIGNAL SIGUSR1', { StopSignal: 'SIGUSR1' }],
  ];
  for (const [line, wanted] of changes) t.same(applyInstructions(before, [line]), { ...before, ...wanted }, line);
  const { Cmd: _gone, ...rest } = before;
  t.same(applyInstructions(before, ['ENTRYPOINT ["e"]']), { ...rest, Entrypoint: ['e'] }, 'without the old arguments');
  t.same(applyInstructions(before, ['CMD ["n"]', 'ENTRYPOINT ["e"]']), { ...before, Cmd: ['n'], Entrypoint: ['e'] });
  const wrong = [
    'RUN x',
    'CMD',
    'ENV =x',
    'ENV A',
    'LABEL a',
    'EXPOSE eighty',
    'EXPOSE 65536',
    'EXPOSE 0',
    'EXPOSE 9-8',
  ];
  for (const line of [...wrong, 'CMD ["a"', 'ENTRYPOINT ["a", 1]', 'USER a b', 'STOPSIGNAL FOO', 'STOPSIGNAL 65']) {
    t.throws(() => applyInstructions({}, [line]), { name: 'ImageError', message: `--change '${line}': ` }, line);
  }
  t.match(applyInstructions({}, ['CMD [ -f /x ] && y', 'STOPSIGNAL term']), {
    Cmd: ['/bin/sh', '-c', '[ -f /x ] && y'],
    StopSignal: 'SIGTERM',
  });
});

t.test('a variable keeps its place', async (t) => {
  t.same(withEnv(['A=1', 'B=2'], [['A', '3']]), ['A=3', 'B=2']);
});

const passwd = 'root:x:0:0:root:/root:/bin/sh\nweb:x:33:34:web:/srv:/bin/false\n7:x:70:71::/seven:\n';
const group = 'root:x:0:\nstaff:x:50:web,root\nweb:x:34:web\n';

t.test('users by name, by number, with a group, and unknown', async (t) => {
  const user = (text: string) => resolveUser(text, passwd, group);
  t.same(user(''), { uid: 0, gid: 0, additionalGids: [50], home: '/root' });
  t.same(user('web'), { uid: 33, gid: 34, additionalGids: [50], home: '/srv' });
  t.same(user('33'), user('web'));
  t.same(user('7').uid, 70, 'names come first');
  t.same(user('1234'), { uid: 1234, gid: 0, additionalGids: [], home: '/' });
  t.same(user('web:staff'), { uid: 33, gid: 50, additionalGids: [], home: '/srv' });
  t.same(user('5:6'), { uid: 5, gid: 6, additionalGids: [], home: '/' });
  for (const wrong of ['nobody', 'web:none', '99999999999']) t.throws(() => user(wrong), { name: 'ImageError' }, wrong);
});

t.test('volumes', async (t) => {
  t.same(parseVolume('/tmp:/v/../w'), { host: '/tmp', path: '/w', readOnly: false, overlay: false });
  t.match(parseVolume('/tmp:/v:ro'), { readOnly: true, overlay: false });
  t.match(parseVolume('/tmp:/v:O,Z'), { readOnly: false, overlay: true });
  for (const wrong of ['/tmp', 'name:/v', '/tmp:v', '/tmp:/', '/tmp:/v:nocopy', '/none/such:/v', '/tmp:/v:ro:x']) {
    t.throws(() => parseVolume(wrong), { name: 'ImageError' }, wrong);
  }
});

const root = { uid: 0, gid: 0, additionalGids: [], home: '/root' };
const request = {
  ...{ config: {}, rootfs: '/r', command: ['x'], env: [], workdir: null, user: root, hostname: 'h' },
  ...{ terminal: false, binds: [], annotations: {} },
};

t.test('what runs: the entrypoint, then the command or what stands for it', async (t) => {
  const config = { Entrypoint: ['e'], Cmd: ['c'] };
  t.same(argumentsOf(config, []), ['e', 'c']);
  t.same(argumentsOf(config, ['x', 'y']), ['e', 'x', 'y']);
  t.throws(() => argumentsOf({}, []), /no command/);
});

t.test('config.json', async (t) => {
  const config = { Env: ['A=image', 'B=image'], WorkingDir: '/srv' };
  const bind = { source: '/s', destination: '/d', readOnly: true };
  const spec = runtimeSpec({ ...request, config, env: ['A=mine'], binds: [bind] });
  t.match(spec, {
    root: { path: '/r' },
    process: { cwd: '/srv', args: ['x'], capabilities: { effective: /CAP_CHOWN/ } },
    linux: { namespaces: [{ type: 'mount' }, { type: 'pid' }, { type: 'ipc' }, { type: 'uts' }] },
  });
  const { process: run, mounts } = spec as { process: { env: string[] }; mounts: { destination: string }[] };
  t.same(run.env.slice(1), ['HOSTNAME=h', 'HOME=/root', 'A=mine', 'B=image']);
  t.match(mounts.at(-1), { destination: '/d', options: ['rbind', 'rprivate', 'ro'] });
  const user = runtimeSpec({ ...request, user: { ...root, uid: 5 }, workdir: '/w' });
  t.match(user, { process: { cwd: '/w', user: { uid: 5 }, capabilities: { effective: [], permitted: [] } } });
});

t.test('the mount table, with blanks in paths', async (t) => {
  const text =
    '36 35 0:40 / /a\\040b\\134 rw,noatime shared:1 master:2 - fuse.stratafs container:ab\\043 rw\nnonsense\n';
  t.same(parseMountTable(text), [{ mountpoint: '/a b\\', type: 'fuse.stratafs', source: 'container:ab#' }]);
});

t.test('no link leads out of a root', async (t) => {
  const base = freshDirectory('rooted');
  t.teardown(() => rmSync(base, { recursive: true }));
  mkdirSync(`${base}/root/etc`, { recursive: true });
  writeFileSync(`${base}/secret`, 'outside');
  writeFileSync(`${base}/root/secret`, 'inside');
  for (const [name, target] of Object.entries({ up: '../../../../secret', away: '/secret', self: 'self', dir: '..' })) {
    symlinkSync(target, `${base}/root/etc/${name}`);
  }
  const read = (path: string): string | undefined => readRooted(`${base}/root`, path, 100)?.toString();
  t.equal(read('/secret'), 'inside');
  t.equal(read('/../secret'), 'inside');
  for (const link of ['up', 'away', 'dir/secret']) t.equal(read(`/etc/${link}`), 'inside', link);
  for (const none of ['/etc/self', '/etc', '/none', '/secret/x', '/']) t.equal(read(none), undefined, none);
  t.equal(readRooted(`${base}/root`, 'secret', 2)?.toString(), 'in');
});
