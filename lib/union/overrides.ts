// Which layers of a mount keep owners and modes in xattrs: found at the roots, or asked for by
// xattr_permissions=. Decides whose word is taken; reading and writing are override-calls'.

import { Buffer } from 'node:buffer';
import { errnoName } from '../errno.js';
import { log } from '../log.js';
import type { Syscalls } from '../sys/calls.js';
import { check } from '../sys/check.js';
import { shown } from '../sys/name.js';
import { Stat } from '../sys/stat.js';
import { mapsFewIds } from './features.js';
import { type Layer, MountError } from './layers.js';
import type { MountOptions } from './options.js';
import { OverrideCalls } from './override-calls.js';
import { formatOverride, type OverrideDialect, overrideDialects, overrideNames } from './override-stat.js';

/** What the root of a layer says. */
function found(sys: Syscalls, layer: Layer): OverrideDialect | null {
  const names = sys.listXattr(layer.fd, '');
  if (typeof names === 'number') return null;
  return overrideDialects.find((dialect) => names.includes(overrideNames[dialect])) ?? null;
}

/**
 * user.* xattrs are their owner's to write. A server that is root would show a stranger's files as
 * anybody's, setuid root included, so it believes strangers only when it is told to.
 */
function isBelieved(sys: Syscalls, options: MountOptions, layer: Layer, dialect: OverrideDialect): boolean {
  const stat = new Stat();
  if (dialect === 'security' || options.xattrPermissions !== 0) return true;
  if (sys.geteuid() !== 0 || mapsFewIds()) return true;
  check(sys.statAt(layer.fd, '', stat), `stat ${layer.path}`);
  if (stat.uid === 0) return true;
  log.warn(`${shown(layer.path)}: not root's, so its ${overrideNames[dialect]} is not believed`);
  return false;
}

/** What the upper is written in. Without the option it goes on as it was begun. */
function upperDialect(options: MountOptions, present: OverrideDialect | null): OverrideDialect | null {
  if (options.xattrPermissions === 1) return 'security';
  if (options.xattrPermissions === 2) return present === 'legacy' ? 'legacy' : 'containers';
  return present;
}

/** A new upper says at its root what it is: with the owner and mode of the topmost layer that says so too, or its own. */
function begin(sys: Syscalls, upper: Layer, dialect: OverrideDialect, like: Layer): void {
  const stat = new Stat();
  check(sys.statAt(like.fd, '', stat), `stat ${like.path}`);
  const value = formatOverride(dialect, stat.uid, stat.gid, stat.mode, 0);
  const written = sys.setXattr(upper.fd, '', overrideNames[dialect], Buffer.from(value), 0);
  if (written === 0) return;
  const why = errnoName(-written);
  throw new MountError(
    `option xattr_permissions: upperdir ${shown(upper.path)} takes no ${overrideNames[dialect]}: ${why}`,
  );
}

/** null when every layer's owners and modes are the host's. Throws MountError. */
export function overridesOf(sys: Syscalls, options: MountOptions, layers: readonly Layer[]): OverrideCalls | null {
  const dialects = layers.map((layer) => {
    const dialect = found(sys, layer);
    return dialect !== null && isBelieved(sys, options, layer, dialect) ? dialect : null;
  });
  const upper = layers[0]?.writable === true ? layers[0] : null;
  const present = upper === null ? null : (dialects[0] ?? null);
  const writes = upper === null ? null : upperDialect(options, present);
  if (upper !== null) dialects[0] = writes;
  if (dialects.every((dialect) => dialect === null)) return null;
  const overrides = new OverrideCalls(sys, writes, mapsFewIds());
  layers.forEach((layer, at) => {
    const dialect = dialects[at] ?? null;
    if (dialect !== null) overrides.mark(layer.fd, dialect);
  });
  if (upper !== null && writes !== null && present !== writes) {
    const like = layers.find((layer, at) => layer !== upper && dialects[at] !== null) ?? upper;
    begin(overrides.calls, upper, writes, like);
  }
  return overrides;
}
