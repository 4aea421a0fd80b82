// Private xattrs: which names users see, where theirs are stored, and that the two are inverse.

import fc from 'fast-check';
import t from 'tap';
import { dialects, privateName, storedName, visibleName } from '../../lib/union/private-xattrs.js';

t.test('names', async (t) => {
  t.equal(privateName('trusted', 'opaque'), 'trusted.overlay.opaque');
  t.equal(privateName('user', 'origin'), 'user.overlay.origin');
  t.same(dialects('redirect'), ['trusted.overlay.redirect', 'user.overlay.redirect']);
});

t.test('private ones are hidden', async (t) => {
  for (const name of ['trusted.overlay.opaque', 'user.overlay.origin', 'user.fuseoverlayfs.opaque', 'user.overlay.']) {
    t.equal(visibleName(name), undefined, name);
  }
  t.equal(storedName('user.fuseoverlayfs.x'), undefined);
});

t.test('names that look private are escaped', async (t) => {
  t.equal(storedName('trusted.overlay.opaque'), 'trusted.overlay.overlay.opaque');
  t.equal(visibleName('trusted.overlay.overlay.opaque'), 'trusted.overlay.opaque');
  t.equal(storedName('user.overlay.overlay.x'), 'user.overlay.overlay.overlay.x', 'and nest');
  t.equal(visibleName('user.overlay.overlay.overlay.x'), 'user.overlay.overlay.x');
});

t.test('others are left alone', async (t) => {
  for (const name of ['user.a', 'security.capability', 'system.posix_acl_access', 'user.overlayfs', 'trusted.o']) {
    t.equal(storedName(name), name);
    t.equal(visibleName(name), name);
  }
});

t.test('what can be stored is seen under its own name', async (t) => {
  const space = fc.constantFrom('user.', 'trusted.', 'user.overlay.', 'trusted.overlay.', 'user.overlay.overlay.');
  fc.assert(
    fc.property(space, fc.string({ maxLength: 20 }), (prefix, rest) => {
      const name = prefix + rest;
      const stored = storedName(name);
      return stored === undefined ? name.startsWith('user.fuseoverlayfs.') : visibleName(stored) === name;
    }),
  );
  t.pass();
});
