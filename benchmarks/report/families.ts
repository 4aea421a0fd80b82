// What each family is about, in a sentence or two, for the page that shows the figures.

import type { Family } from '../cases/case.js';

export const familyTexts: Readonly<Record<Family, { readonly title: string; readonly about: string }>> = {
  lookup: {
    title: 'Lookup',
    about:
      'lstat by path of names that are there and names that are not. Cold: nobody has the names in memory; hot: asked before. The lines show what more layers, deeper paths and larger directories cost.',
  },
  listing: {
    title: 'Listing',
    about:
      'readdir, alone and with lstat of every entry, per entry. Every directory exists in every layer, so each is a merge.',
  },
  open: {
    title: 'Opening files, starting programs',
    about:
      'Small files opened, read whole and closed; python3 importing 500 modules; a binary started again and again.',
  },
  'copy-up': {
    title: 'Copy-up',
    about:
      'The first change to a file of a lower, by size and by filesystem. Kernel overlayfs and stratafs make the data durable before the copy is published; the other FUSE peers do not.',
  },
  namespace: {
    title: 'Namespace',
    about:
      'Names made, moved and removed, in the upper and over the lowers. “failed” at renaming a merged directory is EXDEV: mv would copy it.',
  },
  data: {
    title: 'Data',
    about:
      'The bytes of one big file: in sequence and at random, through the page cache, past it (O_DIRECT), mapped, and with fsync. First: the union’s page cache is empty; again: it is not.',
  },
  jobs: {
    title: 'Whole jobs',
    about: 'What people run: unpack, clone, install, build, insert. Time around the whole script.',
  },
  growth: {
    title: 'Growth',
    about:
      'Time and server memory as the number of nodes visited, open files, clients and mounts goes up. Lines that stay flat are good.',
  },
  latency: {
    title: 'Latency of the others',
    about: 'The 99th percentile of a lookup by one client while another one’s slow request runs.',
  },
  start: {
    title: 'Start and end',
    about: 'From the mount command to the mount, an idle mount’s memory, and from umount to the server’s end.',
  },
  image: {
    title: 'Images',
    about:
      'An upper made into a layer, a layer unpacked, an image pulled from a registry on this machine. The peers are tools for images and mount nothing; stratafs makes all of it last on the disk and keeps it unpacked as well, the others do neither or one.',
  },
};
