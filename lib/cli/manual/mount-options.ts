// The words of `-o`, as the help and the manual page tell them. What they do is decided in union/options.

export const mountOptions: readonly (readonly [words: string, about: string])[] = [
  [
    'lowerdir=A:B:…',
    'layers, top first, 500 at most; \\: is a colon in a path, \\, a comma. A:B::D1::D2: D1 and D2 hold only data for metadata-only copies',
  ],
  ['upperdir=DIR', 'writable layer; without it the mount is read-only'],
  ['workdir=DIR', "directory on the upper's filesystem for what is being prepared"],
  ['ro, rw', 'ro: read-only, even with an upper'],
  ['timeout=SECONDS', 'how long the kernel may trust names and attributes; without end by itself'],
  ['passthrough=auto|all|upper|off', 'which files the kernel reads and writes without asking the driver'],
  ['wakeups=fast|plain', 'fast: idle processors are kept from halting while requests follow each other closely'],
  ['redirect_dir=on|off', 'on: directories of lowers can be renamed; off: that is EXDEV'],
  ['metacopy=on|off', 'on: chmod, chown, link and rename of a lower file copy its attributes alone'],
  ['index=on|off', 'on: names of one lower file stay linked when one of them is changed'],
  ['volatile, fsync=0|1', 'volatile and fsync=0: fsync does nothing, and a power failure may lose what was written'],
  ['noacl', 'no POSIX ACLs'],
  ['static_nlink', 'every directory has link count 1'],
  ['uidmapping=MAP, gidmapping=MAP', 'which ids are shown: HOST:SHOWN:LENGTH, repeated, with colons between'],
  ['squash_to_root', 'everything is shown as owned by root'],
  ['squash_to_uid=ID, squash_to_gid=ID', 'everything is shown as owned by these'],
  [
    'xattr_permissions=0|1|2',
    'owner, mode and type in an xattr: 1 security.fuseoverlayfs.override_stat, 2 user.containers.override_stat',
  ],
  ['xino=off|auto|on, ino32_t', 'accepted; inode numbers are unique and have 64 bits whatever is chosen'],
  ['allow_other', 'others than the user who mounts may use it; root says so by itself'],
  ['default_permissions', 'accepted; the kernel always checks owners and modes'],
  ['fsname=NAME', 'source in the mount table'],
  ['dev, nodev, suid, nosuid, exec, noexec', 'as for mount(8)'],
  [
    'noatime, relatime, atime, strictatime, diratime, nodiratime',
    'what reading does to access times in the upper; noatime by itself',
  ],
  ['sync, async, dirsync', 'as for mount(8)'],
  ['nostrictatime, lazytime, nolazytime', 'accepted'],
  ['debug', 'the same as -d'],
];
