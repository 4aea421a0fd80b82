// The commands that speak with registries.

import { findImage } from '../image/images.js';
import { familiarName, fullName, parseReference } from '../image/reference.js';
import { pull } from '../image/registry/pull.js';
import { push } from '../image/registry/push.js';
import { maxUnpacked, mostUnpacked, platformOf } from './archives.js';
import type { ImageCommand } from './image-command.js';

const plainHttp = {
  'plain-http': { type: 'boolean', about: 'speak HTTP; to this machine that is done by itself where there is no TLS' },
} as const;

const pullCommand: ImageCommand = {
  words: '[OPTION…] NAME[:TAG|@DIGEST]',
  about: 'Brings an image from a registry. Credentials are those of docker login and podman login.',
  options: {
    ...plainHttp,
    platform: { type: 'string', value: 'OS/ARCH', about: 'which image of an index; that of this machine by itself' },
    ...maxUnpacked,
  },
  operands: [1, 1],
  run: (call) =>
    call.store('write', async (store) => {
      const reference = parseReference(call.operands[0] as string);
      const request = {
        reference,
        platform: platformOf(call),
        options: { plainHttp: call.flag('plain-http') },
        most: mostUnpacked(call),
      };
      const { id, descriptor } = await pull(store, request, call.progress);
      const name = familiarName(fullName(reference));
      call.answer({ name, id, digest: descriptor.digest }, `${id}\n`);
    }),
};

const pushCommand: ImageCommand = {
  words: '[OPTION…] IMAGE [NAME[:TAG]]',
  about: 'Sends an image to the registry in its name, or under another name.',
  options: plainHttp,
  operands: [1, 2],
  run: (call) =>
    call.store('read', async (store) => {
      const [local, target] = call.operands as [string, string | undefined];
      const image = findImage(store, local);
      const reference = parseReference(target ?? image.name ?? local);
      await push(store, { image, reference, options: { plainHttp: call.flag('plain-http') } }, call.progress);
      const { digest } = image.descriptor;
      call.answer({ name: familiarName(fullName(reference)), digest }, `${digest}\n`);
    }),
};

export const commands: Readonly<Record<string, ImageCommand>> = { pull: pullCommand, push: pushCommand };
