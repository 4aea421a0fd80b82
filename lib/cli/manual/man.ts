// The manual page, in the language of man(7), out of the same words as the help. Plain ASCII, so that no reader needs to be told of
// an encoding.

import type { CommandWords, OptionWords } from '../words.js';
import { optionForms } from '../words.js';
import type { Section } from './commands.js';
import { mountOptions } from './mount-options.js';

/** Text as roff takes it: nothing in it is a request. */
function plain(text: string): string {
  const safe = text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replaceAll('…', '...').replaceAll('~', '\\(ti');
  const ascii = safe.replace(
    /[^\n -~]/gu,
    (one) => `\\[u${(one.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}]`,
  );
  return ascii.replace(/^(?=[.'])/gm, '\\&');
}

const paragraph = (text: string): string => `.PP\n${plain(text)}\n`;
const item = (left: string, right: string): string => `.TP\n.B ${plain(left)}\n${plain(right)}\n`;

function optionItem([name, option]: readonly [string, OptionWords]): string {
  return item(optionForms(name, option), `${option.about ?? ''}.`);
}

function commandText([name, command]: readonly [string, CommandWords], common: ReadonlySet<string>): string {
  const own = Object.entries(command.options ?? {}).filter(([key]) => !common.has(key));
  const options = own.map(optionItem).join('');
  const nested = options === '' ? '' : `.RS\n${options}.RE\n`;
  return `.TP\n.B stratafs ${name} ${plain(command.words)}\n${plain(command.about)}\n${nested}`;
}

interface Words {
  readonly version: string;
  readonly sections: readonly Section[];
  /** Options that every command about images has; told once. */
  readonly common: Readonly<Record<string, OptionWords>>;
}

const files = [
  [
    '/var/lib/stratafs, ~/.local/share/stratafs',
    'the store of root, and of everybody else: an OCI layout with every layer unpacked once',
  ],
  [
    '~/.docker/config.json, $XDG_RUNTIME_DIR/containers/auth.json',
    'credentials for registries, as docker login and podman login write them',
  ],
] as const;

const environment = [
  ['STRATAFS_ROOT', 'the store, when \\-\\-root does not say'.replaceAll('\\-', '-')],
  ['STRATAFS_NODE', 'the Node.js that runs the program'],
  ['STRATAFS_STATS', 'a file to which the driver appends one line of counts on SIGUSR1'],
  ['SOURCE_DATE_EPOCH', 'the time that commit and import say everything was made at'],
  ['FUSE_OVERLAYFS_DISABLE_OVL_WHITEOUT', 'whiteouts as files .wh.NAME'],
  ['NODE_EXTRA_CA_CERTS', "an authority of one's own for registries"],
] as const;

const example = `stratafs import rootfs.tar base
stratafs run --name install base apt-get install -y nginx
stratafs commit -m 'install the server' install server:1.0
stratafs push server:1.0 localhost:5000/server:1.0`;

/** stratafs(1) as roff. */
export function manualPage({ version, sections, common }: Words): string {
  const shared = new Set(Object.keys(common));
  const groups = sections.map(({ title, commands }) => {
    const imagesOf = title === 'Images' || title === 'Containers';
    const texts = commands.map((one) => commandText(one, imagesOf ? shared : new Set(['help'])));
    return `.SS ${title}\n${texts.join('')}`;
  });
  return `.\\" Made from the words of the commands; see lib/cli/manual.
.TH STRATAFS 1 "" "stratafs ${plain(version)}" "User Commands"
.SH NAME
stratafs \\- a union filesystem in user space, and its layers as container images
.SH SYNOPSIS
.B stratafs
.I COMMAND
.RI [ OPTION ...]
.br
.B stratafs \\-o
lowerdir=\\fITOP\\fR:...:\\fIBOTTOM\\fR[,upperdir=\\fIU\\fR,workdir=\\fIW\\fR][,\\fIOPTION\\fR...]
.I MOUNTPOINT
.br
.B mount \\-t stratafs \\-o
.I LIST
none
.I MOUNTPOINT
.SH DESCRIPTION
${plain(`Stacks read-only layer directories under a writable upper directory, in the on-disk format of Linux overlayfs. Layers are brought from, made into and sent as OCI images; containers are uppers over an image's layers, run by crun or runc.`)}
${paragraph('stratafs-overlay and mount.stratafs are the same program with the command line of fuse-overlayfs and of a helper of mount(8).')}.SH COMMANDS
${groups.join('')}.SH OPTIONS OF EVERY COMMAND ABOUT IMAGES AND CONTAINERS
${Object.entries(common).map(optionItem).join('')}.SH OPTIONS OF A MOUNT
${plain('Words of the list after -o, separated by commas. A word that is not here is an error.')}
${mountOptions.map(([words, about]) => item(words, `${about}.`)).join('')}.SH ENVIRONMENT
${environment.map(([name, about]) => item(name, `${about}.`)).join('')}.SH FILES
${files.map(([name, about]) => item(name, `${about}.`)).join('')}.SH EXIT STATUS
${plain('0, or 1 after an error, which is one line on standard error; run exits as the command in the container does. Results go to standard output, progress to standard error.')}
.SH EXAMPLES
.nf
${plain(example)}
.fi
.SH SEE ALSO
.BR mount (8),
.BR crun (1),
.BR skopeo (1),
.BR podman (1)
`;
}
