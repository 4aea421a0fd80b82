// The help texts: all commands in short, and one of them in full. Loaded when somebody asks.

import { allCommands } from './manual/commands.js';
import { mountOptions } from './manual/mount-options.js';
import { mounting, services } from './manual/plain-commands.js';
import { type CommandWords, helpOf, inShort, twoColumns } from './words.js';

const HEAD = `usage: stratafs COMMAND [OPTION…] …
       stratafs -o lowerdir=TOP:…:BOTTOM[,upperdir=U,workdir=W][,OPTION…] MOUNTPOINT
       stratafs COMMAND --help | --help | --version
`;

export async function usage(): Promise<string> {
  const sections = await allCommands();
  const texts = sections.map(({ title, commands }) => {
    const rows = commands.map(([name, command]) => [name, inShort(command)] as const);
    return `\n${title}\n${twoColumns(rows)}`;
  });
  return HEAD + texts.join('');
}

/** The help of mount, of which the callers of fuse-overlayfs expect the options. */
export function mountUsage(): string {
  const command = mounting.mount as CommandWords;
  return `${helpOf('mount', command)}\nOptions after -o\n${twoColumns(mountOptions)}`;
}

/** The help of a command that reads its arguments by itself; null for others, and for bench, which has its own. */
export function plainUsage(name: string): string | null {
  if (name === 'mount') return mountUsage();
  const command = name === 'bench' ? undefined : { ...mounting, ...services }[name];
  return command === undefined ? null : helpOf(name, command);
}
