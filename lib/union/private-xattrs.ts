// Names of the extended attributes that belong to the union itself, in every dialect, and how users'
// own attributes of such names are escaped (kernel overlayfs nests the same way). Pure.

const prefixes = ['trusted.overlay.', 'user.overlay.'] as const;
/** Of other tools; what they say of owners and modes would be believed at a later mount. */
const foreign = ['user.fuseoverlayfs.', 'user.containers.override_', 'security.fuseoverlayfs.'] as const;
const nested = 'overlay.';

export type Dialect = 'trusted' | 'user';

/** The attribute `suffix` as this dialect writes it, for example `trusted.overlay.opaque`. */
export function privateName(dialect: Dialect, suffix: string): string {
  return `${dialect}.overlay.${suffix}`;
}

/** `suffix` in every dialect that is read, most telling first. */
export function dialects(suffix: string): readonly string[] {
  return prefixes.map((prefix) => prefix + suffix);
}

/** How users see a stored attribute; undefined when it is private to the union. */
export function visibleName(stored: string): string | undefined {
  if (foreign.some((prefix) => stored.startsWith(prefix))) return undefined;
  for (const prefix of prefixes) {
    if (!stored.startsWith(prefix)) continue;
    const rest = stored.slice(prefix.length);
    return rest.startsWith(nested) ? prefix + rest.slice(nested.length) : undefined;
  }
  return stored;
}

/** Where a user's attribute is stored; undefined when the name may not be used. */
export function storedName(visible: string): string | undefined {
  if (foreign.some((prefix) => visible.startsWith(prefix))) return undefined;
  const prefix = prefixes.find((known) => visible.startsWith(known));
  return prefix === undefined ? visible : prefix + nested + visible.slice(prefix.length);
}
