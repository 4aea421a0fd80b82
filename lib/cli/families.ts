// Which commands are about images, and which module has them: loaded when one is called, never by a mount.

import type { ImageCommand } from './image-command.js';

type Family = () => Promise<{ readonly commands: Readonly<Record<string, ImageCommand>> }>;

const viewing: Family = () => import('./images.js');
const transfers: Family = () => import('./transfers.js');
const archives: Family = () => import('./archives.js');
const containers: Family = () => import('./container/commands.js');

const families: Readonly<Record<string, Family>> = {
  images: viewing,
  history: viewing,
  inspect: viewing,
  tag: viewing,
  rmi: viewing,
  gc: viewing,
  du: viewing,
  verify: viewing,
  pull: transfers,
  push: transfers,
  import: archives,
  load: archives,
  save: archives,
  create: containers,
  start: containers,
  stop: containers,
  ps: containers,
  rm: containers,
  run: containers,
  commit: containers,
};

/** All of them, with their words. */
export async function allImageCommands(): Promise<Readonly<Record<string, ImageCommand>>> {
  const loaded = await Promise.all([...new Set(Object.values(families))].map((family) => family()));
  return Object.assign({}, ...loaded.map(({ commands }) => commands));
}

/** Runs the command `name` to its exit code; null when there is no such command about images. */
export async function imageCommand(name: string, argv: readonly string[]): Promise<number | null> {
  const family = Object.hasOwn(families, name) ? families[name] : undefined;
  if (family === undefined) return null;
  const { runImageCommand } = await import('./image-command.js');
  const command = (await family()).commands[name] as ImageCommand;
  return runImageCommand(name, command, argv);
}
