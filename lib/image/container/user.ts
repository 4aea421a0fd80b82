// Whom a container's process runs as: an image's `User` against the passwd and group files of the image. No I/O.

import { ImageError } from '../error.js';

export interface ProcessUser {
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids: readonly number[];
  readonly home: string;
}

const MAX_ID = 2 ** 31 - 1;

interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

interface Group {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

function rows(text: string): string[][] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(':'));
}

function accountsOf(passwd: string): Account[] {
  return rows(passwd).map(([name = '', , uid, gid, , home]) => ({
    ...{ name, uid: Number(uid), gid: Number(gid) },
    home: home || '/',
  }));
}

function groupsOf(group: string): Group[] {
  return rows(group).map(([name = '', , gid, members = '']) => ({
    ...{ name, gid: Number(gid) },
    members: members.split(',').filter((member) => member !== ''),
  }));
}

/** A number, or null for a name. */
function idOf(text: string): number | null {
  if (!/^\d+$/.test(text)) return null;
  const id = Number(text);
  if (id > MAX_ID) throw new ImageError(`user ${text}: ids go up to ${MAX_ID}`);
  return id;
}

/** `text` is USER, UID, USER:GROUP …; '' is root. Names come before numbers. */
export function resolveUser(text: string, passwd: string, group: string): ProcessUser {
  const [user = '', wantedGroup] = text.split(':');
  const accounts = accountsOf(passwd);
  const groups = groupsOf(group);
  const wanted = user === '' ? '0' : user;
  const account = accounts.find(({ name }) => name === wanted) ?? accounts.find(({ uid }) => uid === idOf(wanted));
  const uid = account?.uid ?? idOf(wanted);
  if (uid === null) throw new ImageError(`the image's /etc/passwd has no user ${wanted}: use a number, or --user`);
  const home = account?.home ?? '/';
  if (wantedGroup !== undefined && wantedGroup !== '') {
    const gid = groups.find(({ name }) => name === wantedGroup)?.gid ?? idOf(wantedGroup);
    if (gid === null)
      throw new ImageError(`the image's /etc/group has no group ${wantedGroup}: use a number, or --user`);
    return { uid, gid, additionalGids: [], home };
  }
  const gid = account?.gid ?? 0;
  const extra = account === undefined ? [] : groups.filter(({ members }) => members.includes(account.name));
  return { uid, gid, additionalGids: extra.map((one) => one.gid).filter((one) => one !== gid), home };
}
