// Puts the one file of ECharts that the benchmark's page needs, with its licence, beside the compiled report: an installed
// stratafs draws charts without depending on the package, whose 62 MB of sources and builds nobody needs for a mount.

import { copyFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const from = join(root, 'node_modules', 'echarts');
const to = join(root, 'dist', 'benchmarks', 'report');

for (const [source, target] of [
  ['dist/echarts.esm.min.mjs', 'echarts.mjs'],
  ['LICENSE', 'echarts.LICENSE'],
  ['NOTICE', 'echarts.NOTICE'],
]) {
  copyFileSync(join(from, source), join(to, target));
}
