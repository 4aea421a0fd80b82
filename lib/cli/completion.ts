// `stratafs completion SHELL`, and the names that its scripts ask for: `stratafs completion images|containers [--root DIR]`.

import { listContainers } from '../image/container/containers.js';
import { listImages } from '../image/images.js';
import { familiarName } from '../image/reference.js';
import { Store } from '../image/store.js';
import { MountError } from '../union/layers.js';
import { storeRoot } from './image-command.js';
import { allCommands } from './manual/commands.js';
import { completionFor } from './manual/completion.js';

function imageNames(root: string): Promise<string[]> {
  return Store.with(root, 'read', async (store) =>
    listImages(store).flatMap(({ name }) => (name === null ? [] : [familiarName(name)])),
  );
}

/** Entry of the command: returns the exit code. */
export async function completionCommand([what = '', option, root = null]: readonly (string | null)[]): Promise<number> {
  const store = storeRoot(option === '--root' ? root : null);
  const names = {
    images: () => imageNames(store),
    containers: async () => listContainers(store).map(({ record }) => record.name),
  };
  if (what === 'images' || what === 'containers') {
    process.stdout.write((await names[what]()).map((name) => `${name}\n`).join(''));
    return 0;
  }
  const script = completionFor(what ?? '', await allCommands());
  if (script === null) throw new MountError('usage: stratafs completion bash|zsh|fish');
  process.stdout.write(script);
  return 0;
}
