// What whole jobs work on, generated here without a network: a source archive, a git repository, an npm project whose
// dependencies are local archives, Debian packages with a small system to install them into, a C project.

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { bottomOf, type Kitchen, padded, type Recipe, range } from './recipe.js';
import { writeWarm } from './trees.js';

function put(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

/** Files of 0.5 to 16 KiB in nested directories, a dozen in each, the same on every run. */
function writeSources(directory: string, count: number): void {
  for (const index of range(count)) {
    const part = Math.floor(index / 12);
    const place = `m${part % 17}/s${part % 7}/part${part}`;
    const lines = range(10 + ((index * 37) % 300)).map((line) => `static int v${index}_${line} = ${line * index};`);
    put(join(directory, place, `file${index}.c`), `${lines.join('\n')}\n`);
  }
}

function recipe(key: string, layers: number, make: (kitchen: Kitchen) => Promise<void>): Recipe {
  const whole = async (kitchen: Kitchen): Promise<void> => {
    writeWarm(kitchen);
    await make(kitchen);
  };
  return { key: `${key} in ${layers}`, layers, make: whole };
}

export function sourceArchive(layers: number, files: number): Recipe {
  return recipe(`archive of ${files}`, layers, async (kitchen) => {
    writeSources(join(kitchen.inputs, 'source'), files);
    await kitchen.script(kitchen.inputs, 'tar -cf source.tar source && rm -rf source');
  });
}

/** A bare repository of 20 commits, with a tag `first` on the first one. */
export function gitRepository(layers: number, files: number): Recipe {
  return recipe(`git repository of ${files}`, layers, async (kitchen) => {
    writeSources(join(kitchen.inputs, 'origin'), files);
    const script = `
      cd origin
      git init -q -b main .
      # Its tidying up in the background would move objects away while they are cloned.
      git config gc.auto 0
      git add .
      git commit -q -m first
      git tag first
      for i in $(seq 1 20); do
        find . -name "file*$i.c" -exec sh -c 'for f; do echo "/* change */" >>"$f"; done' sh {} +
        git commit -q -a -m "change $i"
      done
      cd ..
      git clone -q --bare origin origin.git
      rm -rf origin`;
    await kitchen.script(kitchen.inputs, script);
  });
}

/** `project` needs packages that lie as archives beside it; npm's cache in $INPUTS knows them. */
export function npmProject(layers: number, count: number): Recipe {
  return recipe(`npm project of ${count}`, layers, async (kitchen) => {
    const bottom = bottomOf(kitchen);
    const dependencies: Record<string, string> = {};
    for (const index of range(count)) {
      const name = `part-${padded(index)}`;
      const place = join(kitchen.inputs, 'packages', name, 'package');
      put(join(place, 'package.json'), JSON.stringify({ name, version: '1.0.0', main: 'lib/f0.js' }));
      for (const file of range(30)) put(join(place, 'lib', `f${file}.js`), `exports.f = ${file};\n`.repeat(100));
      dependencies[name] = `file:../archives/${name}.tgz`;
    }
    const description = { name: 'project', version: '1.0.0', private: true, dependencies };
    put(join(bottom, 'project/package.json'), JSON.stringify(description, null, 2));
    mkdirSync(join(bottom, 'archives'));
    const script = `
      for place in "$INPUTS"/packages/*; do tar -C "$place" -czf "archives/\${place##*/}.tgz" package; done
      cd project
      npm install --package-lock-only --offline --ignore-scripts --no-audit --no-fund --cache "$INPUTS/npm" >/dev/null`;
    await kitchen.script(bottom, script);
  });
}

const APT_CONFIGURATION = `
Dir "@ROOT@";
Dir::State::status "@ROOT@/var/lib/dpkg/status";
Dir::Bin::dpkg "/usr/bin/dpkg";
Dir::Bin::methods "/usr/lib/apt/methods";
DPkg::Options { "--root=@ROOT@"; "--force-not-root"; "--force-bad-path"; "--force-depends"; "--log=@ROOT@/var/log/dpkg.log"; };
DPkg::Path "";
DPkg::Pre-Invoke ""; DPkg::Post-Invoke ""; DPkg::Pre-Install-Pkgs "";
APT::Sandbox::User "root";
APT::Install-Recommends "false";
APT::Update::Post-Invoke ""; APT::Update::Post-Invoke-Success "";
Binary::apt-get::APT::Color "false";
`;

function describePackage(place: string, name: string, version: string): void {
  const control = [
    `Package: ${name}`,
    `Version: ${version}`,
    'Architecture: all',
    'Maintainer: Nobody <nobody@example.invalid>',
    'Description: files to install',
  ];
  put(join(place, 'DEBIAN/control'), `${control.join('\n')}\n`);
  for (const file of range(100)) {
    put(join(place, `usr/share/${name}/d${file % 5}/f${file}`), `${version} ${file}\n`.repeat(200));
  }
}

/** `system` in the bottom layer has version 1 of all packages installed; $INPUTS/new has version 2 of them. */
export function packages(layers: number, count: number): Recipe {
  return recipe(`${count} Debian packages`, layers, async (kitchen) => {
    for (const [folder, version] of [
      ['old', '1'],
      ['new', '2'],
    ] as const) {
      mkdirSync(join(kitchen.inputs, folder));
      for (const index of range(count)) {
        describePackage(join(kitchen.inputs, 'tree', folder, `bench-${index}`), `bench-${index}`, version);
      }
    }
    put(join(kitchen.inputs, 'apt.conf'), APT_CONFIGURATION);
    const script = `
      for folder in old new; do
        for place in "$INPUTS/tree/$folder"/*; do dpkg-deb -Znone --root-owner-group --build "$place" "$INPUTS/$folder" >/dev/null; done
      done
      rm -rf "$INPUTS/tree"
      mkdir -p system/var/lib/dpkg/{info,updates,triggers} system/var/{log,lib/apt/lists/partial,cache/apt/archives/partial}
      mkdir -p system/etc/apt/{apt.conf.d,preferences.d,sources.list.d,trusted.gpg.d}
      touch system/var/lib/dpkg/status
      dpkg --root="$PWD/system" --force-not-root --force-bad-path --log=/dev/null -i "$INPUTS"/old/*.deb >/dev/null`;
    await kitchen.script(bottomOf(kitchen), script);
  });
}

export function cProject(layers: number, count: number): Recipe {
  return recipe(`C project of ${count}`, layers, async (kitchen) => {
    const project = join(bottomOf(kitchen), 'project');
    for (const index of range(count)) {
      const functions = range(30).map((each) => `int part${index}_${each}(int x) { return x * ${each} + ${index}; }`);
      const head = '#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include "all.h"';
      put(join(project, `src/part${index}.c`), `${head}\n${functions.join('\n')}\n`);
    }
    const declarations = range(count).map((index) => `int part${index}_0(int);`);
    put(join(project, 'src/all.h'), `${declarations.join('\n')}\n`);
    const calls = range(count).map((index) => `x += part${index}_0(x);`);
    put(
      join(project, 'src/main.c'),
      `#include "all.h"\nint main(void) { int x = 0; ${calls.join(' ')} return x < 0; }\n`,
    );
    const makefile = [
      'objects := $(patsubst src/%.c,%.o,$(wildcard src/*.c))',
      'program: $(objects) ; $(CC) -o $@ $^',
      '%.o: src/%.c src/all.h ; $(CC) -O1 -c -o $@ $<',
    ];
    put(join(project, 'Makefile'), `${makefile.join('\n')}\n`);
  });
}
