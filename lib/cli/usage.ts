// The help text. No code.

export const usage = `usage: stratafs mount [-f] [-d] -o lowerdir=TOP:…:BOTTOM[,upperdir=U,workdir=W][,OPTION…] MOUNTPOINT
       stratafs mount --bundle DIR
       stratafs umount MOUNTPOINT
       stratafs diff UPPER|MOUNTPOINT [--lower DIR[:DIR…]]… [OPTION…]    --help lists its options
       stratafs snapshotter --address SOCKET --root DIR [--program NAME]
       stratafs bench [--quick] [OPTION…]      compare with what is installed; --help lists its options
       stratafs pull NAME[:TAG|@DIGEST], push IMAGE [NAME[:TAG]]
       stratafs import TAR|- NAME[:TAG]        an image of a root filesystem
       stratafs load [FILE|DIR|-], save [-o FILE|DIR/|-] IMAGE…
       stratafs images, history IMAGE, inspect IMAGE…, tag IMAGE NAME[:TAG], rmi IMAGE…
       stratafs du, verify [--discard], gc     what images take; what is damaged; what nobody needs
       stratafs create [--name C] IMAGE, start C [DIR], ps [-a], stop C…, rm [-f] C…
       stratafs run [--name C] [--rm] [-t] [-v HOST:PATH[:ro|:O]] [-e K=V] [-w DIR] IMAGE [COMMAND…]
       stratafs commit [-m MESSAGE] [-a AUTHOR] [-c INSTRUCTION]… [--squash] C|MOUNTPOINT|UPPER NAME[:TAG]
                                               images, containers: --root DIR, --json; each has --help
       stratafs --version | --help

Stacks read-only layer directories under a writable upper directory. Without
upperdir and workdir the mount is read-only.

  -f                    stay in the foreground
  -d                    foreground, and print each request and reply
  --channel=native      speak FUSE to the kernel directly (default)
  --channel=fuse-native go through the npm package fuse-native (libfuse 2.9)
  -o LIST               options, separated by commas:
     lowerdir=A:B:C     layers, top first; '\\:' is a colon in a path
                        lowerdir=A:B::D1::D2: D1 and D2 hold only data
     upperdir=DIR       writable layer
     workdir=DIR        scratch directory on the upper's filesystem
     ro                 read-only, even with an upper
     timeout=SECONDS    how long the kernel may trust names and attributes
     passthrough=auto|all|upper|off
     wakeups=fast|plain whether idle processors are kept from halting while requests follow each other closely
     redirect_dir=on|off, index=on|off, metacopy=on|off, volatile, fsync=0|1, noacl, static_nlink
     uidmapping=HOST:SHOWN:LEN[:…], gidmapping=…
     xattr_permissions=0|1|2
     squash_to_root, squash_to_uid=ID, squash_to_gid=ID, xino=off|auto|on, ino32_t
     fsname=NAME, allow_other, default_permissions, debug
     [no]dev [no]suid [no]exec [no]atime [no]diratime relatime strictatime sync dirsync
`;
