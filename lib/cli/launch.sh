#!/bin/sh
# The installed command, under every name it has (stratafs, stratafs-overlay, fuse-overlayfs, mount.stratafs): finds Node.js and
# the built program from where this file lies, never from the working directory. A PATH without node is no obstacle.

self=$(readlink -f -- "$0") || exit 1
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
for node in "${STRATAFS_NODE-}" "$recorded" "${0%/*}/node" "${root%/lib/node_modules/*}/bin/node" \
  /usr/local/bin/node /usr/bin/node "$(command -v node)"; do
  case $node in /*) [ ! -x "$node" ] || break ;; esac
  node=
done
if [ -z "$node" ]; then
  echo 'stratafs: no Node.js found; put node into PATH or name it in STRATAFS_NODE' >&2
  exit 1
fi

if [ -x "$launcher" ]; then exec "$launcher" "$name" "$node" "$main" "$@"; fi
exec "$node" "$main" "--as=$name" "$@"
