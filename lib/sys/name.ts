// One path component as bytes. Inside the driver a name is a latin1 string, one character a byte.

import { Buffer } from 'node:buffer';

/** The longest name Linux allows, bytes. */
export const NAME_MAX = 255;

/** True for a single component that may be handed to a *at call. */
export function isComponent(name: string): boolean {
  return name.length > 0 && name.length <= NAME_MAX && name !== '.' && name !== '..' && !/[/\0]/.test(name);
}

/** A byte string shown to people: UTF-8 where it is valid, U+FFFD where it is not. */
export function shown(name: string): string {
  return Buffer.from(name, 'latin1').toString('utf8');
}

/** The byte string of a path that came as a JavaScript (UTF-16) string, for example from argv. */
export function bytesOf(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}
