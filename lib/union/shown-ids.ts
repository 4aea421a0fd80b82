// The calls as a union makes them that shows other ids than its layers have: every id that goes in or
// out is changed here, so that nothing above knows. Only made where a mapping or a squash is asked for.

import { errno } from '../errno.js';
import type { SingleCalls, Syscalls } from '../sys/calls.js';
import { compound } from '../sys/compound.js';
import { STAT_WORDS, type Stat, W } from '../sys/stat.js';
import { type IdView, type IdViews, inward, NO_ID, OVERFLOW_ID, outward, translateXattr } from './ids-mapping.js';

/** Stands for the server itself where it has no shown id: nobody can name it. */
const SERVER = 0xfffffffe;

/** True when the layers' id belongs to nobody here: `overflow` is what a user namespace makes of those it does not map. */
function unknown(view: IdView, host: number, overflow: boolean): boolean {
  return (overflow && host === OVERFLOW_ID) || (view.squash === null && view.mapped(host) === undefined);
}

/** Changes the ids of one record, which begins at word `at`. */
function showIds(views: IdViews, words: Uint32Array, at: number, overflow: boolean): void {
  const show = (view: IdView, word: number): void => {
    const host = words[at + word] as number;
    if (unknown(view, host, overflow)) words[at + W.unmapped] = 1;
    words[at + word] = view.squash ?? view.mapped(host) ?? OVERFLOW_ID;
  };
  show(views.users, W.uid);
  show(views.groups, W.gid);
}

/** `overflow`: the server's user namespace maps not all ids, and shows those as 65534. */
export function withShownIds(sys: Syscalls, views: IdViews, overflow: boolean): Syscalls {
  const { users, groups } = views;
  const squashed = users.squash !== null || groups.squash !== null;
  const server = { uid: sys.geteuid(), gid: sys.getegid() };
  const shown = { uid: users.mapped(server.uid) ?? SERVER, gid: groups.mapped(server.gid) ?? SERVER };
  const refused = squashed ? 0 : -errno.EOVERFLOW;
  const hostId = (view: IdView, id: number): number | undefined => (id === NO_ID ? NO_ID : view.toHost(id));
  const single: SingleCalls = {
    ...sys,
    statAt(dirfd: number, name: string, out: Stat): number {
      const result = sys.statAt(dirfd, name, out);
      if (result === 0) showIds(views, out.words, 0, overflow);
      return result;
    },
    statMany(dirfd, names, out, results) {
      const result = sys.statMany(dirfd, names, out, results);
      names.forEach((_, at) => {
        if (results[at] === 0) showIds(views, out, at * STAT_WORDS, overflow);
      });
      return result;
    },
    // A squashed owner is not the layers' to refuse: what cannot be stored is not stored.
    chownAt(dirfd, name, uid, gid) {
      const user = hostId(users, uid);
      const group = hostId(groups, gid);
      if (user === undefined || group === undefined) return refused;
      const result = sys.chownAt(dirfd, name, user, group);
      return squashed && (result === -errno.EPERM || result === -errno.EINVAL) ? 0 : result;
    },
    setFsIds(uid, gid) {
      if (uid === shown.uid && gid === shown.gid) return sys.setFsIds(server.uid, server.gid);
      // Who runs the server may act as itself where its id is nobody's here: a runtime prepares a container's root so.
      const user = users.toHost(uid) ?? (uid === server.uid ? uid : undefined);
      const group = groups.toHost(gid) ?? (gid === server.gid ? gid : undefined);
      return user === undefined || group === undefined ? refused : sys.setFsIds(user, group);
    },
    geteuid: () => shown.uid,
    getegid: () => shown.gid,
    getXattr(dirfd, name, key) {
      const value = sys.getXattr(dirfd, name, key);
      return typeof value === 'number' ? value : (translateXattr(views, key, value, outward) ?? -errno.EOVERFLOW);
    },
    setXattr(dirfd, name, key, value, flags) {
      const stored = translateXattr(views, key, value, inward);
      return stored === null ? -errno.EOVERFLOW : sys.setXattr(dirfd, name, key, stored, flags);
    },
  };
  return { ...single, ...compound(single) };
}
