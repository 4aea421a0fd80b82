// Which ids users see for the ids that the layers have: ranges as in a user namespace, or one id for all.
// Pure: knows numbers and the values of the xattrs that hold ids; makes no call.

import { Buffer } from 'node:buffer';
import { MountError } from './layers.js';

/** Shown for an id that has no other. */
export const OVERFLOW_ID = 65534;
/** chown(2)'s "leave it alone"; never an id. */
export const NO_ID = 0xffffffff;

/** `length` ids from `host` on are shown from `shown` on. */
export interface IdRange {
  readonly host: number;
  readonly shown: number;
  readonly length: number;
}

/** Empty: ids are shown as they are. The first range that holds an id counts. */
export type IdMap = readonly IdRange[];

/** `host:shown:length[:host:shown:length…]`, as containers/storage writes it: a leading colon is accepted. */
export function parseIdMap(key: string, text: string): IdMap {
  const invalid = (): MountError => new MountError(`option ${key}: invalid mapping specified: ${text}`);
  const words = (text.startsWith(':') ? text.slice(1) : text).split(':');
  if (words.length % 3 !== 0 || words.some((word) => !/^\d{1,10}$/.test(word))) throw invalid();
  const numbers = words.map(Number);
  const map: IdRange[] = [];
  for (let at = 0; at < numbers.length; at += 3) {
    const [host, shown, length] = numbers.slice(at, at + 3) as [number, number, number];
    if (length === 0 || host + length > NO_ID || shown + length > NO_ID) throw invalid();
    map.push({ host, shown, length });
  }
  return map;
}

/** The ids of one kind, users' or groups'. */
export class IdView {
  constructor(
    readonly map: IdMap,
    /** Every id is shown as this one. */
    readonly squash: number | null,
  ) {}

  get plain(): boolean {
    return this.map.length === 0 && this.squash === null;
  }

  /** The shown id by the ranges alone; undefined for an id that has none. */
  mapped(host: number): number | undefined {
    if (this.map.length === 0) return host;
    const range = this.map.find((each) => host >= each.host && host - each.host < each.length);
    return range === undefined ? undefined : range.shown + host - range.host;
  }

  /** The layers' id for one that users name; undefined when there is none. */
  toHost(shown: number): number | undefined {
    if (this.map.length === 0) return shown;
    const range = this.map.find((each) => shown >= each.shown && shown - each.shown < each.length);
    return range === undefined ? undefined : range.host + shown - range.shown;
  }
}

/** The part of a mount's options that is about ids. */
export interface IdOptions {
  /** Which ids are shown for those of the layers; empty: their own. */
  uidMapping: IdMap;
  gidMapping: IdMap;
  /** All owners and groups are shown as one: 0, or the ids after it. */
  squashToRoot: boolean;
  squashToUid: number | null;
  squashToGid: number | null;
}

export interface IdViews {
  readonly users: IdView;
  readonly groups: IdView;
}

/** null when ids are shown as they are. */
export function idViews(options: IdOptions): IdViews | null {
  const root = options.squashToRoot ? 0 : null;
  const users = new IdView(options.uidMapping, options.squashToUid ?? root);
  const groups = new IdView(options.gidMapping, options.squashToGid ?? root);
  return users.plain && groups.plain ? null : { users, groups };
}

/** How one id changes on its way; undefined: it cannot be expressed. */
export type Translate = (view: IdView, id: number) => number | undefined;

/** To users: what has no id is nobody's. */
export const outward: Translate = (view, id) => view.mapped(id) ?? OVERFLOW_ID;
/** To the layers. */
export const inward: Translate = (view, id) => view.toHost(id);

const ACL_HEADER = 4;
const ACL_ENTRY = 8;
const ACL_USER = 0x02;
const ACL_GROUP = 0x08;

/** A POSIX ACL value with the ids of its named entries changed; null when one cannot be expressed. */
function translateAcl(views: IdViews, value: Uint8Array, translate: Translate): Uint8Array | null {
  const out = Buffer.from(value);
  for (let at = ACL_HEADER; at + ACL_ENTRY <= out.length; at += ACL_ENTRY) {
    const tag = out.readUInt16LE(at);
    if (tag !== ACL_USER && tag !== ACL_GROUP) continue;
    const id = translate(tag === ACL_USER ? views.users : views.groups, out.readUInt32LE(at + 4));
    if (id === undefined) return null;
    out.writeUInt32LE(id, at + 4);
  }
  return out;
}

const CAPS_2 = { version: 2, size: 20 };
const CAPS_3 = { version: 3, size: 24 };

/** File capabilities are a root's: version 3 names it, version 2 means id 0. */
function translateCapability(views: IdViews, value: Uint8Array, translate: Translate): Uint8Array | null {
  const from = Buffer.from(value);
  const version = from.length < CAPS_2.size ? 0 : from.readUInt8(3);
  const named = version === CAPS_3.version && from.length === CAPS_3.size;
  if (!named && version !== CAPS_2.version) return from;
  const root = translate(views.users, named ? from.readUInt32LE(CAPS_2.size) : 0);
  if (root === undefined) return null;
  const form = root === 0 ? CAPS_2 : CAPS_3;
  const out = Buffer.alloc(form.size);
  from.copy(out, 0, 0, CAPS_2.size);
  out.writeUInt8(form.version, 3);
  if (form === CAPS_3) out.writeUInt32LE(root, CAPS_2.size);
  return out;
}

/** The value of xattr `key` with its ids changed; null when one cannot be expressed. */
export function translateXattr(
  views: IdViews,
  key: string,
  value: Uint8Array,
  translate: Translate,
): Uint8Array | null {
  if (key.startsWith('system.posix_acl_')) return translateAcl(views, value, translate);
  return key === 'security.capability' ? translateCapability(views, value, translate) : value;
}
