// The real work that is done in a chroot into the mount, as shell scripts, in order. Each ends with 0 only when what it
// did turned out right. Knows no layer and no filesystem.

export interface Step {
  readonly name: string;
  readonly script: string;
  /** Seconds. */
  readonly limit: number;
}

/** What the scripts need beyond a minimal system; git and libc6-dev have hundreds of files each. */
const packages = 'git gcc libc6-dev make sqlite3';

/** Installed files of the package, from dpkg's own list. */
const install: Step = {
  name: 'apt-get installs packages with hundreds of files',
  limit: 120,
  script: `
    apt-get -q update
    apt-get -q install -y --no-install-recommends ${packages}
    for package in git libc6-dev; do
      [ $(dpkg -L $package | wc -l) -gt 200 ]
      dpkg -L $package | while IFS= read -r path; do [ -e "$path" ] || [ -L "$path" ]; done
    done
    apt-get clean`,
};

/** The patch layer hides files of three packages: dpkg misses these and no others, until two packages are installed again. */
const verify: Step = {
  name: 'dpkg -V misses what a layer hides and nothing else; installed again, it is there',
  limit: 60,
  script: `
    cd /root
    dpkg -V >missing || true
    grep -q '/etc/issue.net$' missing
    grep -q '/usr/share/common-licenses/GPL-3$' missing
    grep -q '/usr/share/doc/tzdata/' missing
    not grep -vE '^missing +(c )?/(etc/issue.net|usr/share/common-licenses/.*|usr/share/doc/tzdata(/.*)?)$' missing
    [ "$(cat /usr/share/common-licenses/PATCHED)" = 'only this one' ]
    apt-get -q install -y --reinstall base-files tzdata
    dpkg -V >missing || true
    [ "$(tr -s ' ' <missing)" = 'missing c /etc/issue.net' ]
    [ -s /usr/share/common-licenses/GPL-3 ]
    [ -e /usr/share/common-licenses/PATCHED ]
    apt-get clean`,
};

const clone: Step = {
  name: 'git clones, checks out, packs and checks a repository',
  limit: 60,
  script: `
    rm -rf /root/git
    mkdir /root/git
    cd /root/git
    git config --global user.name Somebody
    git config --global user.email somebody@example.invalid
    git config --global init.defaultBranch main
    git init -q origin
    cd origin
    cp -a /usr/include/linux /usr/include/asm-generic .
    git add .
    git commit -q -m first
    git tag first
    for i in $(seq 1 15); do
      echo "/* change $i */" >>linux/fuse.h
      git mv asm-generic/errno.h asm-generic/errno.$i
      git commit -q -a -m "change $i"
      git mv asm-generic/errno.$i asm-generic/errno.h
    done
    git rm -q -r linux/can
    git commit -q -m 'without can'
    cd ..
    git clone -q --no-local origin packed
    git clone -q origin linked
    cd packed
    git checkout -q first
    [ -d linux/can ]
    diff -r linux /usr/include/linux
    git checkout -q main
    [ ! -e linux/can ]
    [ -z "$(git status --porcelain)" ]
    git fsck --full --strict
    git gc -q --prune=now
    git fsck --full --strict
    diff -r --exclude=.git . ../origin
    cd ../linked
    git fsck --full`,
};

const build: Step = {
  name: 'gcc builds a program of many files, and make finds nothing more to do',
  limit: 60,
  script: `
    rm -rf /root/build
    mkdir -p /root/build/src
    cd /root/build
    for i in $(seq 1 30); do
      printf '#include <stdio.h>\\n#include <sys/stat.h>\\nint part%d(int x) { return x + %d; }\\n' $i $i >src/part$i.c
    done
    {
      echo '#include <stdio.h>'
      for i in $(seq 1 30); do echo "int part$i(int);"; done
      echo 'int main(void) { int x = 0;'
      for i in $(seq 1 30); do echo "x = part$i(x);"; done
      echo 'printf("%d\\n", x); return 0; }'
    } >src/main.c
    {
      echo 'objects := $(patsubst src/%.c,%.o,$(wildcard src/part*.c))'
      echo 'all: static shared'
      echo '%.o: src/%.c ; gcc -O1 -fPIC -c -o $@ $<'
      echo 'libparts.a: $(objects) ; ar rc $@ $^'
      echo 'libparts.so: $(objects) ; gcc -shared -o $@ $^'
      echo 'static: main.o libparts.a ; gcc -o $@ $^'
      echo 'shared: main.o libparts.so ; gcc -o $@ $< -L. -lparts -Wl,-rpath,$(CURDIR)'
    } >Makefile
    make -s -j 4
    make -q
    [ "$(./static)" = 465 ]
    [ "$(./shared)" = 465 ]
    gcc -O1 -o static src/main.c src/part*.c
    [ "$(./static)" = 465 ]`,
};

const archive: Step = {
  name: 'tar out and back is the same, byte for byte',
  limit: 60,
  script: `
    rm -rf /root/tar
    mkdir -p /root/tar/back
    cd /root/tar
    # Without what no unpacking restores: access and change times, and a process number.
    pax='exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime'
    pack() {
      tar --sort=name --numeric-owner --xattrs --acls --pax-option="$pax" -C "$1" -cf "$2" \\
        etc usr/bin usr/include usr/lib/git-core usr/share/zoneinfo
    }
    pack / one.tar
    tar --xattrs --acls --numeric-owner -C back -xpf one.tar
    pack back two.tar
    cmp one.tar two.tar
    tar -C / -df one.tar
    diff -r --no-dereference /usr/lib/git-core back/usr/lib/git-core
    cp -a back again
    pack again three.tar
    cmp one.tar three.tar
    rm -rf again two.tar three.tar`,
};

const database: Step = {
  name: 'sqlite3 with a write-ahead log, four writers, two readers',
  limit: 60,
  script: `
    rm -rf /root/sql
    mkdir /root/sql
    cd /root/sql
    sqlite3 load.db 'PRAGMA journal_mode=WAL; CREATE TABLE t(id INTEGER PRIMARY KEY, who INTEGER, pad TEXT); CREATE INDEX w ON t(who);' >/dev/null
    rows='WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50) INSERT INTO t(who, pad) SELECT'
    writer() {
      { echo '.timeout 30000'
        for i in $(seq 1 300); do echo "BEGIN IMMEDIATE; $rows $1, hex(randomblob(200)) FROM n; COMMIT;"; done
      } | sqlite3 -bail load.db
    }
    visitor() {
      for i in $(seq 1 40); do
        sqlite3 -bail -cmd '.timeout 30000' load.db "BEGIN IMMEDIATE; $rows $1, hex(randomblob(2000)) FROM n; COMMIT;"
      done
    }
    reader() {
      for i in $(seq 1 100); do
        [ "$(sqlite3 -cmd '.timeout 30000' load.db 'SELECT count(*) % 50 FROM t')" = 0 ]
      done
    }
    jobs=()
    for job in 'writer 1' 'writer 2' 'writer 3' 'visitor 4' reader reader; do
      $job &
      jobs+=($!)
    done
    for job in "\${jobs[@]}"; do wait "$job"; done
    [ "$(sqlite3 load.db 'SELECT count(*) FROM t')" = 47000 ]
    [ "$(sqlite3 load.db 'PRAGMA integrity_check')" = ok ]
    sqlite3 load.db 'DELETE FROM t WHERE who = 2; VACUUM; PRAGMA wal_checkpoint(TRUNCATE);' >/dev/null
    [ "$(sqlite3 load.db 'PRAGMA integrity_check; SELECT count(*) FROM t;' | tr '\\n' ' ')" = 'ok 32000 ' ]`,
};

/** Directories that lie in layers are moved, made again, emptied in part and removed. */
const removal: Step = {
  name: 'directories of the layers are moved, emptied and removed',
  limit: 30,
  script: `
    cd /usr/share/zoneinfo
    mv Europe Europa
    [ -s Europa/Berlin ]
    mkdir Europe
    [ -z "$(ls -A Europe)" ]
    echo new >Europe/Berlin
    find America -name 'A*' -type f -print -delete >/root/deleted
    [ -s /root/deleted ]
    while IFS= read -r path; do [ ! -e "$path" ]; done </root/deleted
    [ $(ls /usr/share/doc | wc -l) -gt 50 ]
    rm -rf /usr/share/doc
    [ ! -e /usr/share/doc ]
    not grep -qx doc <(ls /usr/share)`,
};

/** The same again over the upper that the whole work has made, which is a layer by then. */
const removalAgain: Step = {
  name: 'directories that were moved, made again or removed, once more',
  limit: 30,
  script: `
    [ ! -e /usr/share/doc ]
    mkdir /usr/share/doc
    echo fresh >/usr/share/doc/fresh
    cd /usr/share/zoneinfo
    mv Europa Europe/below
    [ -s Europe/below/Berlin ]
    [ "$(cat Europe/Berlin)" = new ]
    rm -rf America
    ln /usr/bin/git /usr/bin/git-again
    chmod 700 /usr/bin/make
    chown 1234:4321 /usr/bin/gcc-12
    rm -rf /usr/include/linux`,
};

/** Everything, for a mount of the bare root filesystem. */
export const wholeWork: readonly Step[] = [install, verify, clone, build, archive, database, removal];

/** A part of it, for a mount over the upper of the first. */
export const shortWork: readonly Step[] = [clone, build, database, archive, removalAgain];
