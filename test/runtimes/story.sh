# Sourced by the stories in this directory: what container runtimes do with stratafs in fuse-overlayfs's place, step by step, as TAP.
# A story runs in mount and process namespaces of its own with its files in one directory: nothing it starts outlives it.
# shellcheck shell=bash

set -uo pipefail
checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
launch=$checkout/lib/cli/launch.sh
story=${0##*/}
steps=0
failures=0

# Commands that a story cannot do without; says why it is skipped where one is missing.
story_needs() {
  local command
  [ "$(id -u)" -eq 0 ] || story_skip 'root is needed for namespaces'
  [ -c /dev/fuse ] || story_skip 'there is no /dev/fuse'
  for command in "$@"; do
    PATH=$PATH:/usr/sbin:/sbin command -v "$command" >/dev/null || story_skip "$command is not installed"
  done
  [ -x "$checkout/build/Release/stratafs-launcher" ] && [ -e "$checkout/dist/lib/cli/main.js" ] ||
    story_skip 'stratafs is not built (npm run build)'
}

story_skip() {
  printf '1..0 # SKIP %s\n' "$1"
  exit 0
}

# Starts the story again in its own namespaces, within a time limit, and clears up behind it.
story_begin() {
  if [ -n "${STORY_BASE-}" ]; then
    story_set_up
    return
  fi
  local base code=0
  base=$(mktemp -d "${STRATAFS_TEST_TMP:-${TMPDIR:-/tmp}}/stratafs-$story.XXXXXX")
  STORY_BASE=$base timeout --kill-after=20 "${STORY_TIMEOUT:-600}" \
    unshare --mount --propagation private --pid --fork --kill-child --mount-proc -- "$0" "$@" </dev/null || code=$?
  [ "$code" -ne 124 ] || echo "not ok - $story: it took longer than ${STORY_TIMEOUT:-600} s"
  rm -rf --one-file-system "$base" || {
    echo "not ok - $story: something is left in $base"
    code=1
  }
  exit "$code"
}

story_set_up() {
  base=$STORY_BASE
  bin=$base/bin
  mkdir -p "$bin" "$base/tmp" "$base/home"
  mount --make-rslave /
  mount -t tmpfs -o mode=755 tmpfs /run
  # crun 1.8 refuses the hybrid set-up of both versions of cgroups.
  umount /sys/fs/cgroup/unified 2>/dev/null
  ln -s "$launch" "$bin/stratafs-overlay"
  ln -s "$launch" "$bin/stratafs"
  ln -s "$launch" "$bin/fuse-overlayfs"
  export TMPDIR=$base/tmp HOME=$base/home PATH=$bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  cd "$base" || exit 1
}

# A small root filesystem with a shell and a directory of documentation, at $1.
story_rootfs() {
  local applet
  mkdir -p "$1"/{bin,etc,tmp,proc,sys,dev,run,usr/share/doc/server,var/www}
  cp /bin/busybox "$1/bin/busybox"
  for applet in sh ls cat rm mkdir echo stat touch ln mv cp find sleep true test id chown chmod readlink grep wc httpd wget; do
    ln -s busybox "$1/bin/$applet"
  done
  echo 'root:x:0:0:root:/:/bin/sh' >"$1/etc/passwd"
  echo 'root:x:0:' >"$1/etc/group"
  echo 'read me' >"$1/usr/share/doc/server/README"
  echo 'more' >"$1/usr/share/doc/server/manual"
  echo 'base' >"$1/etc/version"
}

# step NAME COMMAND…: ok when the command succeeds within a minute; its output shows when it does not.
step() {
  local name=$1 code=0
  shift
  steps=$((steps + 1))
  timeout --foreground --kill-after=5 "${STEP_TIMEOUT:-60}" "$@" >"$base/out" 2>&1 || code=$?
  if [ "$code" -eq 0 ]; then
    printf 'ok %d - %s\n' "$steps" "$name"
  else
    step_failed "$name" "exit code $code: $*"
  fi
  return "$code"
}

# step_fails NAME COMMAND…: ok when the command fails.
step_fails() {
  local name=$1 code=0
  shift
  steps=$((steps + 1))
  timeout --foreground --kill-after=5 "${STEP_TIMEOUT:-60}" "$@" >"$base/out" 2>&1 || code=$?
  if [ "$code" -ne 0 ] && [ "$code" -ne 124 ]; then
    printf 'ok %d - %s\n' "$steps" "$name"
  else
    step_failed "$name" "exit code $code, wanted a failure: $*"
  fi
}

# step_says NAME WANTED COMMAND…: ok when the command succeeds and prints exactly WANTED (lines; trailing newlines do not count).
step_says() {
  local name=$1 wanted=$2 code=0 found
  shift 2
  steps=$((steps + 1))
  found=$(timeout --foreground --kill-after=5 "${STEP_TIMEOUT:-60}" "$@" 2>"$base/err") || code=$?
  if [ "$code" -eq 0 ] && [ "$found" = "$wanted" ]; then
    printf 'ok %d - %s\n' "$steps" "$name"
    return
  fi
  printf 'found:\n%s\nwanted:\n%s\n' "$found" "$wanted" | cat - "$base/err" >"$base/out"
  step_failed "$name" "exit code $code: $*"
}

step_failed() {
  failures=$((failures + 1))
  printf 'not ok %d - %s\n' "$steps" "$1"
  { echo "$2"; tail -n 40 "$base/out"; } | sed 's/^/# /'
}

# step_in_shell NAME FUNCTION…: the same as step for a function of the story itself, without a limit of its own.
step_in_shell() {
  local name=$1 code=0
  shift
  steps=$((steps + 1))
  "$@" >"$base/out" 2>&1 || code=$?
  if [ "$code" -eq 0 ]; then printf 'ok %d - %s\n' "$steps" "$name"; else step_failed "$name" "exit code $code: $*"; fi
}

# Waits until a command succeeds, ten seconds at most.
story_await() {
  local tries
  for ((tries = 0; tries < 100; tries++)); do
    "$@" >/dev/null 2>&1 && return 0
    sleep 0.1
  done
  return 1
}

# How many of our servers run in this story's process namespace.
story_servers() { pgrep -fc -- '--as=[a-z-]* --serve' || true; }

# Every mount made by us is gone, and every server with it.
story_end() {
  steps=$((steps + 1))
  if story_await test "$(story_servers)" = 0 && ! grep -q ' fuse\.' /proc/self/mountinfo; then
    printf 'ok %d - no server and no mount is left\n' "$steps"
  else
    { grep ' fuse\.' /proc/self/mountinfo; pgrep -af -- '--serve'; } >"$base/out"
    step_failed 'no server and no mount is left' 'left:'
  fi
  printf '1..%d\n' "$steps"
  [ "$failures" -eq 0 ]
  exit
}
