// The conformance map as a plain user who owns the layers, mounted by fusermount3.

import t from 'tap';
import { roomsMissing, runInside } from '../support/rooms.js';

const reason = roomsMissing();
if (reason === undefined) await runInside(t, 'user', 'mount/conformance/inside.js', 'user');
else t.pass('not run', { skip: reason });
