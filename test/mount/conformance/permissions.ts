// What another user may do: default_permissions over the modes that the union shows.

import { fails, is, ok } from '../../support/expect.js';
import { O } from '../../support/linux.js';
import { dir, file } from '../../support/tree.js';
import { type Family, USER } from './case.js';

export const permissions: Family = {
  'reads what others may read, not the rest': async ({ client }) => {
    const user = await client(USER);
    await is(user.cat('file'), 'hello world\n');
    await fails(user.open('other', O.RDONLY), 'EACCES');
  },
  'writes nowhere without permission': async ({ client }) => {
    const user = await client(USER);
    await fails(user.open('file', O.WRONLY), 'EACCES');
    await fails(user.put('new', 'x'), 'EACCES');
    await fails(user.mkdir('newdir'), 'EACCES');
    await fails(user.unlink('file'), 'EACCES');
    await fails(user.symlink('x', 'newlink'), 'EACCES');
  },
  'the owner of a file changes it and root owns nothing of it': {
    tree: { mine: file('mine\n', { uid: USER, gid: USER, mode: 0o600 }) },
    run: async ({ a, client }) => {
      const user = await client(USER);
      await ok(user.put('mine', 'changed', O.WRONLY | O.TRUNC));
      await ok(user.chmod('mine', 0o640));
      const st = await ok(a.stat('mine'));
      await is([st.mode, st.uid, st.gid, st.size], [0o100640, USER, USER, 7]);
    },
  },
  'only the owner may chmod or set times': async ({ client }) => {
    const user = await client(USER);
    await fails(user.chmod('file', 0o777), 'EPERM');
    await fails(user.utimens('file', 1n, 1n), 'EPERM');
    await fails(user.chown('file', USER, USER), 'EPERM');
  },
  'a user may not give a file away': {
    tree: { mine: file('mine\n', { uid: USER, gid: USER }) },
    run: async ({ client }) => {
      const user = await client(USER);
      await fails(user.chown('mine', 0, -1), 'EPERM');
      await fails(user.chown('mine', -1, 99), 'EPERM');
      await ok(user.chown('mine', -1, USER));
    },
  },
  'a directory without x hides its content': {
    tree: {
      closed: dir({ in: file('x') }, { mode: 0o744 }),
      dark: dir({ in: file('x') }, { mode: 0o711 }),
    },
    run: async ({ client }) => {
      const user = await client(USER);
      await is(user.list('closed'), ['in']);
      await fails(user.stat('closed/in'), 'EACCES');
      await fails(user.list('dark'), 'EACCES');
      await is(user.cat('dark/in'), 'x');
    },
  },
  'group membership counts': {
    tree: { grouped: file('for the group\n', { gid: 555, mode: 0o640 }) },
    run: async ({ client }) => {
      await fails((await client(USER, USER)).open('grouped', O.RDONLY), 'EACCES');
      await is((await client(USER, 555)).cat('grouped'), 'for the group\n');
    },
  },
  'execution needs x': {
    tree: { script: file('#!/bin/sh\nexit 3\n', { mode: 0o744 }) },
    run: async ({ a, client }) => {
      await is(a.exec('./script'), 3);
      await fails((await client(USER)).exec('./script'), 'EACCES');
    },
  },
  'a chmod takes effect at once for another process': async ({ a, client }) => {
    const user = await client(USER);
    await is(user.cat('file'), 'hello world\n');
    await ok(a.chmod('file', 0o600));
    await fails(user.open('file', O.RDONLY), 'EACCES');
    await ok(a.chmod('file', 0o604));
    await is(user.cat('file'), 'hello world\n');
  },
  'chmod by a user outside the group drops setgid': {
    tree: { mine: file('x', { uid: USER, gid: 777 }) },
    run: async ({ a, client }) => {
      await ok((await client(USER)).chmod('mine', 0o2755));
      await is((await ok(a.stat('mine'))).mode, 0o100755);
    },
  },
};
