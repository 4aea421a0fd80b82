#!/bin/sh
# The installed command, under every name it has (stratafs, stratafs-overlay, fuse-overlayfs, mount.stratafs): finds Node.js and
# the built program from where this file lies, never from the working directory. A PATH without node is no obstacle.

# Most callers come by the link that npm made, or straight: starting readlink takes longer than all else here.
self=${0%/*}/../lib/node_modules/stratafs/lib/cli/launch.sh
case $0 in /*) [ -L "$0" ] || self=$0 ;; esac
[ "$self" -ef "$0" ] 2>/dev/null || self=$(LC_ALL=C readlink -f -- "$0") || exit 1
root=${self%/lib/cli/launch.sh}
name=${0##*/}
[ "$name" != launch.sh ] || name=stratafs
main=$root/dist/lib/cli/start.cjs
if [ ! -e "$main" ]; then
  echo "stratafs: $root is not built; run npm ci && npm run build there" >&2
  exit 1
fi

launcher=$root/build/Release/stratafs-launcher
if [ ! -x "$launcher" ]; then
  case $(uname -m) in
    x86_64) launcher=$root/prebuilds/linux-x64/stratafs-launcher ;;
    aarch64) launcher=$root/prebuilds/linux-arm64/stratafs-launcher ;;
  esac
fi

recorded=
[ ! -r "$root/build/Release/node-path" ] || IFS= read -r recorded <"$root/build/Release/node-path"
runs() { case $1 in /*) [ -x "$1" ] ;; *) false ;; esac; }
for node in "${STRATAFS_NODE-}" "$recorded" "${0%/*}/node" "${root%/lib/node_modules/*}/bin/node" \
  /usr/local/bin/node /usr/bin/node ''; do
  if runs "$node"; then break; fi
done
[ -n "$node" ] || node=$(command -v node)
if ! runs "$node"; then
  echo 'stratafs: no Node.js found; put node into PATH or name it in STRATAFS_NODE' >&2
  exit 1
fi

if [ -x "$launcher" ]; then exec "$launcher" "$name" "$node" "$main" "$@"; fi
exec "$node" "$main" "--as=$name" "$@"
