// Names of images: docker's rules, written down as a table.

import t from 'tap';
import { familiarName, fullName, parseReference } from '../../lib/image/reference.js';

const digest = `sha256:${'a1'.repeat(32)}`;

const names: Readonly<Record<string, [full: string, familiar: string]>> = {
  debian: ['docker.io/library/debian:latest', 'debian:latest'],
  'debian:12': ['docker.io/library/debian:12', 'debian:12'],
  'team/app': ['docker.io/team/app:latest', 'team/app:latest'],
  'docker.io/debian': ['docker.io/library/debian:latest', 'debian:latest'],
  'index.docker.io/team/app:1': ['docker.io/team/app:1', 'team/app:1'],
  'localhost/app': ['localhost/app:latest', 'localhost/app:latest'],
  'localhost:5000/app': ['localhost:5000/app:latest', 'localhost:5000/app:latest'],
  'host.example/a/b/c:V1.0_x': ['host.example/a/b/c:V1.0_x', 'host.example/a/b/c:V1.0_x'],
  'host:80/a__b/c--d.e': ['host:80/a__b/c--d.e:latest', 'host:80/a__b/c--d.e:latest'],
  '[::1]:5000/app': ['[::1]:5000/app:latest', '[::1]:5000/app:latest'],
  'Host/app': ['Host/app:latest', 'Host/app:latest'],
  [`debian@${digest}`]: [`docker.io/library/debian@${digest}`, `debian@${digest}`],
  [`debian:12@${digest}`]: [`docker.io/library/debian@${digest}`, `debian@${digest}`],
};

t.test('whole names and short ones', async (t) => {
  for (const [text, [full, familiar]] of Object.entries(names)) {
    t.equal(fullName(parseReference(text)), full, text);
    t.equal(familiarName(full), familiar, text);
    t.equal(fullName(parseReference(familiar)), full, `${text}, back again`);
  }
});

t.test('an address is told what to leave out', async (t) => {
  for (const scheme of ['http://', 'https://', 'docker://', 'oci-archive://']) {
    t.throws(() => parseReference(`${scheme}localhost:5000/x`), { message: `leave out ${scheme}` });
  }
});

t.test('what is no name', async (t) => {
  const wrong = [
    '',
    'Debian',
    'a b',
    'a//b',
    '/a',
    'a/',
    '-a',
    'a..b',
    'a___b',
    'a:',
    'a:-x',
    `a:${'x'.repeat(129)}`,
    'a@sha256:12',
    'a@md5:1',
    'ab'.repeat(32),
    `${'a/'.repeat(130)}a`,
    'host_1.x/a',
    'a:b/c',
    '../a',
    'a\n',
  ];
  for (const text of wrong) t.throws(() => parseReference(text), { name: 'ImageError' }, JSON.stringify(text));
});
