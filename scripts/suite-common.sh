# Sourced by the scripts/suite-* runners of outside test suites: options, a world that dies with the runner, mounts of each
# kind, and the verdict. The suites themselves are neither fetched nor built here.
# shellcheck shell=bash

suite_checkout=$PWD
suite_name=${0##*/suite-}

suite_die() {
  printf 'scripts/suite-%s: %s\n' "$suite_name" "$*" >&2
  exit 2
}

# The opening comment of the runner is its help.
suite_help() { sed -n '2,/^$/s/^# \{0,1\}//p' "scripts/suite-$suite_name"; }

# suite_begin ARGUMENT…: sets suite_on, suite_path, suite_words and suite_base, and goes on in namespaces of its own: what a
# test leaves behind, processes or mounts, dies with them.
suite_begin() {
  local arguments=("$@") start=$OLDPWD
  suite_on=stratafs suite_path='' suite_words=()
  while [ $# -gt 0 ]; do
    case $1 in
      -h | --help)
        suite_help
        exit 0
        ;;
      --on)
        [ $# -ge 2 ] || suite_die '--on needs a value'
        suite_on=$2
        shift
        ;;
      --on=*) suite_on=${1#--on=} ;;
      -*) suite_die "unknown option $1" ;;
      *) if [ -z "$suite_path" ]; then suite_path=$1; else suite_words+=("$1"); fi ;;
    esac
    shift
  done
  case $suite_on in stratafs | overlay | ext4 | fuse-overlayfs) ;; *) suite_die "--on: '$suite_on' is none of stratafs, overlay, ext4, fuse-overlayfs" ;; esac
  [ -n "$suite_path" ] || suite_die "the path of a built $suite_name is missing (--help says more)"
  if [ -z "${STRATAFS_SUITE_BASE-}" ]; then suite_enter "${arguments[@]}"; fi
  suite_base=$STRATAFS_SUITE_BASE
  case $suite_path in /*) ;; *) suite_path=${STRATAFS_SUITE_START:-$start}/$suite_path ;; esac
  suite_results=$suite_base/results
  : >"$suite_results"
}

# Runs the runner again inside, and removes what it leaves on disk.
suite_enter() {
  local code=0
  [ "$(id -u)" -eq 0 ] || suite_die 'needs root, to mount'
  if [ "$suite_on" = fuse-overlayfs ] && ! command -v fuse-overlayfs >/dev/null; then suite_die 'there is no fuse-overlayfs in PATH'; fi
  if [ "$suite_on" = stratafs ] && [ ! -e dist/lib/cli/main.js ]; then suite_die 'stratafs is not built (npm ci && npm run build)'; fi
  STRATAFS_SUITE_BASE=$(mktemp -d "${TMPDIR:-/tmp}/stratafs-suite.XXXXXX")
  export STRATAFS_SUITE_BASE STRATAFS_SUITE_START=$OLDPWD
  chmod 755 "$STRATAFS_SUITE_BASE"
  trap suite_leave EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  timeout --foreground --kill-after=20 "${STRATAFS_SUITE_TIMEOUT:-7200}" \
    unshare --mount --propagation private --pid --fork --kill-child --mount-proc -- "scripts/suite-$suite_name" "$@" </dev/null || code=$?
  [ "$code" -ne 124 ] || suite_die "the run took longer than ${STRATAFS_SUITE_TIMEOUT:-7200} s and was stopped"
  exit "$code"
}

suite_leave() {
  local device
  for device in $(losetup --list --noheadings --output NAME,BACK-FILE | awk -v base="$STRATAFS_SUITE_BASE/" 'index($2, base) == 1 { print $1 }'); do
    losetup -d "$device"
  done
  rm -rf --one-file-system "$STRATAFS_SUITE_BASE"
}

# suite_need FILE…: each must be in the suite, or it is not one, or not built.
suite_need() {
  local file
  [ -d "$suite_path" ] || suite_die "$suite_path: no such directory"
  for file in "$@"; do
    [ -e "$suite_path/$file" ] || suite_die "$suite_path is not a built $suite_name: it has no $file"
  done
  suite_path=$(cd "$suite_path" && pwd -P)
}

# A fresh ext4 for all layers, whatever this host's temporary directory is on. suite_disk SIZE
suite_disk() {
  suite_fs=$suite_base/fs
  mkdir "$suite_fs"
  truncate -s "$1" "$suite_base/disk"
  mkfs.ext4 -q -F "$suite_base/disk"
  mount -o loop "$suite_base/disk" "$suite_fs" || suite_die 'no loop device for the layers'
  chmod 755 "$suite_fs"
}

# suite_mount KIND NAME [OPTIONS]: mounts KIND at $suite_mnt, with layers of its own under NAME. What was put into
# $suite_fs/NAME/lower before is what the lower layer holds.
suite_mount() {
  local kind=$1 at=$suite_fs/$2 layers
  suite_mnt=$at/mnt
  mkdir -p "$at/lower" "$at/upper" "$at/work" "$suite_mnt"
  layers="lowerdir=$at/lower,upperdir=$at/upper,workdir=$at/work${3:+,$3}"
  case $kind in
    ext4) mount --bind "$at/lower" "$suite_mnt" ;;
    overlay) mount -t overlay overlay -o "$layers" "$suite_mnt" ;;
    fuse-overlayfs) fuse-overlayfs -o "$layers,allow_other,dev,suid" "$suite_mnt" 2>/dev/null ;;
    stratafs) node "$suite_checkout/dist/lib/cli/main.js" mount -o "$layers,allow_other,dev,suid" "$suite_mnt" ;;
  esac
}

# suite_unmount NAME: takes the mount down and empties its layers.
suite_unmount() {
  cd "$suite_checkout" || exit
  timeout 20 umount "$suite_fs/$1/mnt" 2>/dev/null || umount -l "$suite_fs/$1/mnt"
  rm -rf --one-file-system "${suite_fs:?}/$1"
}

# suite_helpers TYPE…: lets mount(8) start what is tested for `-t TYPE`, and umount(8) wait until the driver has let go of its
# layers, as the suites unmount those next. A source `suite-NAME`, with no layers among the options, has them in
# $suite_fs/NAME. The helpers are laid over /sbin in this namespace only.
suite_helpers() {
  local own=$suite_base/sbin sbin type
  export suite_fs
  mkdir -p "$own"
  cat >"$own/mount.fuse" <<'END'
#!/bin/sh
from=$1
at=$2
layers=$suite_fs/${from#suite-}
shift 2
case "$from $*" in
  *remount*) set -- "$@" ;;
  *lowerdir=*) set -- "$@" -o "fsname=$from" ;;
  suite-*) set -- "$@" -o "fsname=$from,lowerdir=$layers/lower,upperdir=$layers/upper,workdir=$layers/work" ;;
esac
END
  # shellcheck disable=SC2016
  case $suite_on in
    stratafs) printf 'exec node %q --as=mount.stratafs "$from" "$at" "$@"\n' "$suite_checkout/dist/lib/cli/main.js" ;;
    *) printf 'case $* in *remount*) exec mount -i "$@" "$at" ;; esac\nexec fuse-overlayfs "$@" "$at" 2>/dev/null\n' ;;
  esac >>"$own/mount.fuse"
  if [ "$suite_on" = stratafs ]; then
    printf '#!/bin/sh\nexec node %q --as=umount.stratafs "$@"\n' "$suite_checkout/dist/lib/cli/main.js" >"$own/umount.fuse"
  else cat >"$own/umount.fuse" <<'END'
#!/bin/sh
umount -i "$1" || exit
tries=0
while pgrep -f "^([^ ]*/)?fuse-overlayfs .*$1\$" >/dev/null && [ $tries -lt 100 ]; do
  sleep 0.02
  tries=$((tries + 1))
done
END
  fi
  chmod 755 "$own"/*
  for type in "$@"; do ln "$own/mount.fuse" "$own/mount.$type"; done
  ln "$own/umount.fuse" "$own/umount.fuse.$suite_on"
  sbin=$(cd /sbin && pwd -P)
  mount -t overlay overlay -o "lowerdir=$own:$sbin" "$sbin"
}

# suite_wanted NAME: is the test among those asked for by words?
suite_wanted() {
  local word
  [ ${#suite_words[@]} -gt 0 ] || return 0
  for word in "${suite_words[@]}"; do
    case $1 in *"$word"*) return 0 ;; esac
  done
  return 1
}

# suite_note pass|fail|skip NAME
suite_note() {
  printf '%s %s\n' "$1" "$2" >>"$suite_results"
  [ "$1" != fail ] || printf 'not ok %s\n' "$2"
}

suite_of() { sed -n "s/^$1 //p" "$suite_results"; }

# suite_verdict AGAINST [CALLED]: what fails is run again on AGAINST, by the runner's `suite_run KIND NAME…`; what fails there too, or
# stands in scripts/suites-known.txt with its reason, is named and does not count.
suite_verdict() {
  local against=$1 against_name=${2:-$1} failing=() counted=() name reason passed skipped
  mapfile -t failing < <(suite_of fail)
  passed=$(suite_of pass | wc -l)
  skipped=$(suite_of skip | wc -l)
  if [ ${#failing[@]} -gt 0 ] && [ "$against" != none ] && [ "$against" != "$suite_on" ]; then
    printf '# the same on %s\n' "$against_name"
    : >"$suite_results"
    suite_run "$against" "${failing[@]}"
  else
    : >"$suite_results"
  fi
  for name in ${failing[@]+"${failing[@]}"}; do
    reason=$(awk -F '\t' -v suite="$suite_name" -v name="$name" '$1 == suite && $2 == name { print $3 }' scripts/suites-known.txt)
    if grep -qxF "fail $name" "$suite_results"; then
      printf '# fails on %s too: %s\n' "$against_name" "$name"
    elif [ "$suite_on" = stratafs ] && [ -n "$reason" ]; then
      printf '# known: %s: %s\n' "$name" "$reason"
    else
      counted+=("$name")
    fi
  done
  [ ${#counted[@]} -eq 0 ] || printf 'failed: %s\n' "${counted[@]}"
  printf '%s passed, %s failed, %s skipped, %s set aside\n' "$passed" "${#counted[@]}" "$skipped" $((${#failing[@]} - ${#counted[@]}))
  [ $((passed + ${#failing[@]})) -gt 0 ] && [ ${#counted[@]} -eq 0 ]
}
