// The conformance map in a user namespace: layers, mount, server and clients know only its ids.

import t from 'tap';
import { roomsMissing, runInside } from '../support/rooms.js';

const reason = roomsMissing();
if (reason === undefined) await runInside(t, 'userns', 'mount/conformance/inside.js', 'userns');
else t.pass('not run', { skip: reason });
