// The READDIR behind the last name answered by the addon on a real mount served by this process and used by others.

import { test } from 'tap';
import { syscalls as sys } from '../../lib/sys/syscalls.js';
import { op, run, served } from './tiny-server.js';

const skip = sys.geteuid() !== 0 && 'needs root';
const ROOT = 1;

test('only the very next request, of that directory and behind that cookie', { skip }, async (t) => {
  const left = await served(async (server) => {
    // The request before the READDIR, whichever it is, tells it.
    const list = async (nodeid: number, cookie: number): Promise<number> => {
      const listings = (): number => server.count(op.READDIR) + server.count(op.READDIRPLUS);
      const before = listings();
      server.hook = (opcode) => {
        if (opcode !== op.READDIR && opcode !== op.READDIRPLUS) server.channel.listed(nodeid, cookie);
        return 0;
      };
      await run('sh', '-c', 'ls -d "$1/none"; ls "$1"', 'sh', server.mountpoint);
      return listings() - before;
    };
    t.ok((await list(7, 0)) > 0, 'another directory');
    t.ok((await list(ROOT, 3)) > 0, 'another cookie');
    t.match(server.channel.counters(), { listed: 0 });
    t.equal(await list(ROOT, 0), 0);
    t.match(server.channel.counters(), { listed: 1, replyErrors: 0 });
    t.throws(() => server.channel.listed('x' as never, 0), TypeError);
  });
  t.same(left, []);
});
