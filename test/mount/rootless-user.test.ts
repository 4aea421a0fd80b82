// Without privileges, as a plain user, with fusermount3: what the conformance map does not ask.

import t from 'tap';
import { roomsMissing, runInside } from '../support/rooms.js';

const reason = roomsMissing();
if (reason === undefined) await runInside(t, 'user', 'mount/rootless/as-user.js');
else t.pass('not run', { skip: reason });
