// The help text says every option that there is, and none that there is not.

import t from 'tap';
import { usage } from '../../lib/cli/usage.js';
import { applyList, defaultOptions, refuseUnknown } from '../../lib/union/options.js';

t.test('every word of the help is an option', async (t) => {
  const plain = ['ro', 'volatile', 'noacl', 'static_nlink', 'allow_other', 'default_permissions', 'debug'];
  const valued = [
    'lowerdir',
    'upperdir',
    'workdir',
    'timeout=1',
    'passthrough=auto',
    'redirect_dir=on',
    'index=on',
    'metacopy=on',
    'fsync=0',
  ];
  for (const word of [...plain, 'fsname=x', ...valued.map((one) => (one.includes('=') ? one : `${one}=/x`))]) {
    t.doesNotThrow(() => applyList(defaultOptions(), word, refuseUnknown), word);
    t.match(usage, (word.split('=')[0] as string).replace('static_nlink', 'static_nlink'), word);
  }
});

t.test('it fits a terminal', async (t) => {
  for (const line of usage.split('\n')) t.ok(line.length <= 110, line);
});
