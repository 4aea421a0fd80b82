// Writes the manual pages into dist/man, from where npm installs them.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { common } from '../lib/cli/image-command.js';
import { allCommands } from '../lib/cli/manual/commands.js';
import { manualPage } from '../lib/cli/manual/man.js';

const checkout = fileURLToPath(new URL('../..', import.meta.url));
const pages = join(checkout, 'dist', 'man');
const { version } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8')) as { version: string };

mkdirSync(pages, { recursive: true });
writeFileSync(join(pages, 'stratafs.1'), manualPage({ version, sections: await allCommands(), common }));
for (const other of ['stratafs-overlay.1', 'mount.stratafs.8'])
  writeFileSync(join(pages, other), '.so man1/stratafs.1\n');
