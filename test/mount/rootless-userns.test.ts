// Without privileges, in a user namespace: what the conformance map does not ask.

import t from 'tap';
import { roomsMissing, runInside } from '../support/rooms.js';

const reason = roomsMissing();
if (reason === undefined) await runInside(t, 'userns', 'mount/rootless/in-userns.js');
else t.pass('not run', { skip: reason });
