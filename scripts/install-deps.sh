# Sourced by scripts/quickstart and scripts/test: brings a fresh checkout to the point where dist/ can run. Each step looks
# first and does nothing when there is nothing to do; each says what it will do before it does it. Progress goes to stderr.
# shellcheck shell=bash

deps_say() { printf '%s\n' "$*" >&2; }

deps_die() {
  deps_say "scripts/${0##*/}: $*"
  exit 1
}

# Is the thing the package is wanted for here? Commands are looked for by name, so that one from elsewhere counts too.
deps_have() {
  case $1 in
    g++ | make | python3 | git | sqlite3 | debootstrap | strace) PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null ;;
    fuse3) command -v fusermount3 >/dev/null ;;
    attr) command -v getfattr >/dev/null && command -v setfattr >/dev/null ;;
    acl) command -v getfacl >/dev/null && command -v setfacl >/dev/null ;;
    libfuse2) PATH=$PATH:/usr/sbin:/sbin ldconfig -p 2>/dev/null | grep -q 'libfuse\.so\.2 ' ;;
    *) dpkg-query -W -f='${db:Status-Abbrev}' "$1" 2>/dev/null | grep -q '^ii' ;;
  esac
}

# deps_packages NAME…: installs the Debian packages that are missing.
deps_packages() {
  local name missing=() log
  for name in "$@"; do deps_have "$name" || missing+=("$name"); done
  [ ${#missing[@]} -eq 0 ] && return 0
  [ "$(id -u)" -eq 0 ] || deps_die "missing Debian packages: ${missing[*]} (as root: apt-get install ${missing[*]})"
  command -v apt-get >/dev/null || deps_die "missing: ${missing[*]}, and there is no apt-get to install them with"
  deps_say "Installing Debian packages: ${missing[*]}"
  log=$(mktemp)
  if ! { DEBIAN_FRONTEND=noninteractive apt-get update &&
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 </dev/null; then
    tail -n 30 "$log" >&2
    rm -f "$log"
    deps_die "apt-get could not install: ${missing[*]}"
  fi
  rm -f "$log"
}

deps_node() {
  local major
  command -v node >/dev/null || deps_die 'Node.js 20 or newer is needed, and there is no node in PATH'
  command -v npm >/dev/null || deps_die 'npm is needed, and there is none in PATH'
  major=$(node -p 'process.versions.node.split(".")[0]')
  [ "$major" -ge 20 ] || deps_die "Node.js 20 or newer is needed; this is $(node --version)"
}

# The stamp holds the checksum of the lock file that node_modules was made from. One made by a plain `npm ci` counts
# when it is newer than the lock file.
deps_npm() {
  local stamp=node_modules/.stratafs-lock sum
  sum=$(sha256sum <package-lock.json)
  if [ -x node_modules/.bin/tsc ]; then
    if [ -e "$stamp" ]; then
      [ "$(cat "$stamp")" = "$sum" ] && return 0
    elif [ node_modules/.package-lock.json -nt package-lock.json ]; then
      return 0
    fi
  fi
  deps_say "Installing npm packages into node_modules ($(grep -c '^    "node_modules/' package-lock.json) of them)"
  npm ci --include=dev --no-audit --no-fund --loglevel=error >&2 </dev/null || deps_die 'npm ci failed'
  printf '%s\n' "$sum" >"$stamp"
}

deps_native() {
  local built
  built=$(find build/Release -maxdepth 1 -name '*.node' -print -quit 2>/dev/null || true)
  if [ -n "$built" ] && [ -z "$(find native binding.gyp scripts/build-native.mjs -newer "$built" -print -quit)" ]; then
    return 0
  fi
  deps_say 'Building the native addon'
  node scripts/build-native.mjs >&2 </dev/null || deps_die 'the native addon does not build'
  # A build that found nothing to change leaves an old time stamp behind; without this it would be asked every time.
  find build/Release -maxdepth 1 -name '*.node' -exec touch {} +
}

# Every source that dist/ is compiled from, one per line.
deps_sources() {
  { find lib scripts test benchmarks \( -name '*.ts' -o -name '*.cts' \) ! -name '*.d.ts' 2>/dev/null || true; } | LC_ALL=C sort
}

# Removes what a source that is gone has left in dist/: a stale test would still run.
deps_prune() {
  local output source
  while IFS= read -r output; do
    source=${output#dist/}
    [ -e "${source%.js}.ts" ] || rm -f "$output" "${output%.js}.d.ts"
  done < <(find dist -name '*.js')
}

# dist/.sources lists what was compiled, and its time is that of the last complete compilation.
deps_typescript() {
  local stamp=dist/.sources begun
  if [ -e "$stamp" ] && [ dist/.sources -nt tsconfig.json ] && cmp -s "$stamp" <(deps_sources) &&
    [ -z "$(find lib scripts test benchmarks node_modules/.package-lock.json -newer "$stamp" \( -name '*.ts' -o -name '*.cts' -o -name .package-lock.json \) -print -quit 2>/dev/null || true)" ]; then
    return 0
  fi
  deps_say 'Compiling TypeScript'
  mkdir -p dist
  begun=$(mktemp)
  # tsc trusts its own notes; without outputs they are wrong.
  [ -e dist/lib/index.js ] || rm -f dist/.tsbuildinfo
  deps_prune
  if ! node_modules/.bin/tsc -p tsconfig.json >&2; then
    rm -f "$begun"
    deps_die 'TypeScript does not compile'
  fi
  deps_sources >"$stamp"
  touch -r "$begun" "$stamp"
  rm -f "$begun"
}

# The one file that the command starts from: of these modules, with bytecode for this Node.js.
deps_program() {
  local cache
  cache=$(node -p '`program.${process.versions.v8}-${process.arch}.cache`')
  [ -e "dist/lib/cli/$cache" ] && [ ! dist/.tsbuildinfo -nt dist/lib/cli/program.cjs ] && return 0
  deps_say 'Bundling the program'
  node dist/scripts/bundle-program.js >&2 || deps_die 'the program cannot be bundled'
}

# The manual pages, out of the words of the commands.
deps_manual() {
  [ -e dist/man/stratafs.1 ] && [ ! dist/.tsbuildinfo -nt dist/man/stratafs.1 ] && return 0
  node dist/scripts/write-manual.js >&2 || deps_die 'the manual cannot be written'
}

# deps_build: everything after the Debian packages. To be called with the checkout as working directory.
deps_build() {
  deps_node
  deps_npm
  deps_native
  deps_typescript
  deps_program
  deps_manual
}
