// Every command with its words, in the order in which people are told of them.

import { allImageCommands } from '../families.js';
import { common } from '../image-command.js';
import type { CommandWords } from '../words.js';
import { mounting, services } from './plain-commands.js';

export interface Section {
  readonly title: string;
  readonly commands: readonly (readonly [name: string, command: CommandWords])[];
}

const aboutImages = 'import load save pull push images history inspect tag rmi du verify gc'.split(' ');
const aboutContainers = 'create start ps stop rm run commit'.split(' ');

export async function allCommands(): Promise<Section[]> {
  const known = await allImageCommands();
  const left = Object.keys(known).filter((name) => ![...aboutImages, ...aboutContainers].includes(name));
  const of = (names: readonly string[]): Section['commands'] =>
    names.map((name) => {
      const command = known[name] as CommandWords;
      return [name, { ...command, options: { ...command.options, ...common } }];
    });
  return [
    { title: 'Mounts', commands: Object.entries(mounting) },
    { title: 'Images', commands: of([...aboutImages, ...left]) },
    { title: 'Containers', commands: of(aboutContainers) },
    { title: 'More', commands: Object.entries(services) },
  ];
}
