// The manual page and the scripts for completion: every command and every option is in them, and their readers take them.

import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { USAGE as benchUsage } from '../../benchmarks/options.js';
import { common } from '../../lib/cli/image-command.js';
import { allCommands } from '../../lib/cli/manual/commands.js';
import { completionFor } from '../../lib/cli/manual/completion.js';
import { manualPage } from '../../lib/cli/manual/man.js';
import { mountOptions } from '../../lib/cli/manual/mount-options.js';
import { services } from '../../lib/cli/manual/plain-commands.js';
import { plainUsage } from '../../lib/cli/usage.js';
import { helpOf } from '../../lib/cli/words.js';
import { file as member, onStore, tarOf } from '../support/images.js';
import { checkout, freshDirectory, mainScript } from '../support/paths.js';

const sections = await allCommands();
const commands = sections.flatMap((section) => section.commands);
const scripts = Object.fromEntries(['bash', 'zsh', 'fish'].map((shell) => [shell, completionFor(shell, sections)]));
const page = manualPage({ version: '1.2.3', sections, common });
/** As people see it: roff's escapes are gone. */
const read = page.replaceAll('\\-', '-').replaceAll('\\e', '\\');
const has = (tool: string): boolean => spawnSync('sh', ['-c', `command -v ${tool}`]).status === 0;

t.test('every command and option says what it is for', async (t) => {
  t.equal(commands.length, 26);
  for (const [name, command] of commands) {
    t.match(helpOf(name, command), new RegExp(`^usage: stratafs ${name}\\b`));
    for (const [key, { about, type, value }] of Object.entries(command.options ?? {})) {
      t.ok(about, `${name} --${key}`);
      t.equal(value !== undefined, type === 'string', `${name} --${key}: a value has a name`);
    }
  }
});

t.test('every command and option is in the manual page and in the scripts', async (t) => {
  for (const [name, { options = {} }] of commands) {
    t.match(read, `\n.B stratafs ${name} `, name);
    for (const [key, { short, shortOnly }] of Object.entries(options)) {
      const forms = [...(shortOnly ? [] : [`--${key}`]), ...(short ? [`-${short}`] : [])];
      for (const form of forms) t.match(read, new RegExp(`\\n\\.B (?:.*, )?${form}\\b`), `${name} ${form} in the page`);
      const line = scripts.bash?.split('\n').find((one) => one.startsWith(`    ${name}) if`)) ?? '';
      for (const form of forms) t.match(`${line} `, new RegExp(`[ ']${form}[ ']`), `${name} ${form} in bash's`);
      const fish = shortOnly ? ` -s ${short}` : ` -l ${key}`;
      t.match(scripts.fish, new RegExp(`__fish_seen_subcommand_from ${name}'${fish}\\b`), `${name} ${key} in fish's`);
    }
  }
  for (const [words] of mountOptions) t.match(read, `.B ${words.replace('…', '...')}\n`, words);
});

t.test('bench has the options that the harness has', async (t) => {
  const told = [...benchUsage.matchAll(/^ {2}--([a-z]+)/gm)].map(([, name]) => name);
  const own = Object.keys(services.bench?.options ?? {}).filter((name) => name !== 'help');
  t.same(own.sort(), told.sort());
  t.equal(plainUsage('bench'), null, 'it tells them by itself');
});

t.test('groff and man take the page without a warning', { skip: !has('groff') && 'no groff' }, async (t) => {
  const strict = spawnSync('groff', ['-man', '-ww', '-Tascii'], { input: page, encoding: 'utf8' });
  t.match(strict, { status: 0, stderr: '', stdout: 'STRATAFS(1)' });
  t.match(page, /^[\n -~]*$/, 'in ASCII');
  const built = join(checkout, 'dist', 'man', 'stratafs.1');
  t.equal(
    readFileSync(built, 'utf8').replace(/"stratafs [^"]*"/, ''),
    page.replace(/"stratafs [^"]*"/, ''),
    'as built',
  );
  const man = spawnSync('man', ['-l', '--warnings', built], { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } });
  t.match(man, has('man') ? { status: 0, stderr: '' } : { status: null });
});

const base = freshDirectory('completion');
const root = join(base, 'store');
t.teardown(() => rmSync(base, { recursive: true, force: true }));
const stratafs = join(base, 'stratafs');
writeFileSync(stratafs, `#!/bin/sh\nexec '${process.execPath}' '${mainScript}' "$@"\n`);
chmodSync(stratafs, 0o755);

t.before(async () => {
  const run = onStore(root);
  await run(['import', '-', 'web:1.0'], await tarOf([member('f', '')]));
  await run(['tag', 'web:1.0', 'localhost:5000/team/web']);
  await run(['create', '--name', 'work', 'web:1.0']);
});

/** What bash offers at the end of a line. */
function offered(line: string): string[] {
  const words = line.split(' ');
  // As readline has them: cut at colons.
  const cut = words.flatMap((word) => word.split(/(?<=:)|(?=:)/).filter((part, at) => part !== '' || at === 0));
  const list = cut.map((word) => `'${word}'`).join(' ');
  const script = `${scripts.bash}
COMP_LINE='${line}' COMP_POINT=\${#COMP_LINE} COMP_WORDS=(${list}) COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
_stratafs 2>/dev/null; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const env = { PATH: `${base}:${process.env.PATH}`, STRATAFS_ROOT: root };
  const { stdout, stderr } = spawnSync('bash', ['--norc', '-c', script], {
    encoding: 'utf8',
    cwd: base,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.equal(stderr, '');
  return stdout.split('\n').filter(Boolean).sort();
}

t.test('bash completes', async (t) => {
  t.same(offered('stratafs comm'), ['commit']);
  t.same(offered('stratafs '), [...commands.map(([name]) => name), '--help', '--version'].sort());
  t.same(offered('stratafs commit --s'), ['--squash']);
  t.same(offered('stratafs run --runtime c'), ['crun']);
  t.same(offered('stratafs rmi we'), ['web:1.0']);
  t.same(offered('stratafs rmi web:'), ['1.0'], 'after a colon only what follows it');
  t.same(offered('stratafs push localhost:5000/t'), ['5000/team/web:latest']);
  t.same(offered('stratafs stop '), ['work']);
  t.same(offered(`stratafs --root ${root} start w`), ['work']);
  t.same(offered('stratafs save -o st'), ['store', 'stratafs']);
  t.same(offered('stratafs mount -o redirect'), ['redirect_dir=']);
  t.same(offered('stratafs completion z'), ['zsh']);
});

for (const shell of ['zsh', 'fish']) {
  t.test(`${shell} takes its script`, { skip: !has(shell) && `no ${shell}` }, async (t) => {
    const script = join(base, `script.${shell}`);
    writeFileSync(script, scripts[shell] ?? '');
    const { status, stderr } = spawnSync(shell, ['-n', script], { encoding: 'utf8' });
    t.match({ status, stderr }, { status: 0, stderr: '' });
  });
}

t.test('fish completes', { skip: !has('fish') && 'no fish' }, async (t) => {
  const complete = (line: string): string[] => {
    const script = `${scripts.fish}\ncomplete -C '${line}'`;
    const env = { PATH: `${base}:${process.env.PATH}`, STRATAFS_ROOT: root, HOME: base };
    const { stdout } = spawnSync('fish', ['-c', script], { encoding: 'utf8', cwd: base, env });
    return stdout.split('\n').flatMap((one) => (one === '' ? [] : [one.split('\t')[0] as string]));
  };
  t.same(complete('stratafs comm'), ['commit']);
  t.same(complete('stratafs commit --sq'), ['--squash']);
  t.same(complete('stratafs rmi we'), ['web:1.0']);
  t.same(complete('stratafs run --runtime '), ['crun', 'runc']);
});

t.test('other shells', async (t) => {
  const { status, stderr } = spawnSync(stratafs, ['completion', 'csh'], { encoding: 'utf8' });
  t.match({ status, stderr }, { status: 1, stderr: 'stratafs: usage: stratafs completion bash|zsh|fish\n' });
});
