// Recipes of things that are run from a mount: Python modules, and one small binary.

import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bottomOf, type Recipe, range } from './recipe.js';
import { writeWarm } from './trees.js';

/** `start.py` imports packages of ten modules each, dealt out to the layers. */
export function pythonModules(layers: number, count: number): Recipe {
  return {
    key: `${count} python modules in ${layers}`,
    layers,
    make: (kitchen) => {
      writeWarm(kitchen);
      for (const index of range(count)) {
        const directory = join(kitchen.layers[index % layers] as string, 'modules', `p${Math.floor(index / 10)}`);
        mkdirSync(directory, { recursive: true });
        const body = range(40).map((line) => `def f${line}(x):\n    return x + ${line}\n`);
        writeFileSync(join(directory, `m${index}.py`), body.join('\n'));
      }
      const imports = range(count).map((index) => `import p${Math.floor(index / 10)}.m${index}`);
      const head = 'import sys\nsys.path.insert(0, "modules")\n';
      writeFileSync(join(bottomOf(kitchen), 'start.py'), `${head}${imports.join('\n')}\n`);
    },
  };
}

/** The client itself, which can be called to do nothing. */
export function binary(layers: number): Recipe {
  return {
    key: `binary in ${layers}`,
    layers,
    make: (kitchen) => {
      writeWarm(kitchen);
      copyFileSync(kitchen.program, join(bottomOf(kitchen), 'client'));
    },
  };
}
