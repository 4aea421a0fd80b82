// The help text says every option that there is, and none that there is not.

import t from 'tap';
import { mountOptions } from '../../lib/cli/manual/mount-options.js';
import { mountUsage, usage } from '../../lib/cli/usage.js';
import { applyList, defaultOptions, refuseUnknown } from '../../lib/union/options.js';

/** What stands for a value in the help, as a value. */
const values: Readonly<Record<string, string>> = {
  'A:B:…': '/a:/b',
  DIR: '/x',
  SECONDS: '1',
  MAP: '0:1000:1',
  ID: '7',
  NAME: 'x',
};

const samples = mountOptions
  .flatMap(([words]) => words.split(', '))
  .flatMap((word) => {
    const [key, value] = word.split('=') as [string, string | undefined];
    if (value === undefined) return [key];
    const all = values[value] === undefined ? value.split('|') : [values[value] as string];
    return all.map((one) => `${key}=${one}`);
  });

t.test('every word of the help is an option', async (t) => {
  t.ok(samples.length > 50);
  for (const word of samples) t.doesNotThrow(() => applyList(defaultOptions(), word, refuseUnknown), word);
});

t.test('every option is a word of the help', async (t) => {
  const text = mountUsage();
  const known =
    'lowerdir upperdir workdir timeout passthrough wakeups redirect_dir metacopy index fsync uidmapping gidmapping';
  const more = 'squash_to_root squash_to_uid squash_to_gid xattr_permissions xino fsname ro rw volatile allow_other';
  const last = 'default_permissions debug noacl ino32_t static_nlink nodev nosuid noexec relatime strictatime dirsync';
  for (const word of `${known} ${more} ${last}`.split(' ')) t.match(text, new RegExp(`\\b${word}\\b`), word);
});

t.test('it fits a terminal', async (t) => {
  for (const line of `${await usage()}${mountUsage()}`.split('\n')) t.ok(line.length <= 100, line);
});
