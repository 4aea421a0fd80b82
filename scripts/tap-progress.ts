// Reads tap's TAP 14 on stdin and tells it to a person: one line for each test file as it ends, every failing assertion in
// full, and at the end what was skipped or is known to fail. The last line is `N passed, N failed, N skipped`, from tap's
// own closing totals. Exit code 1 when something failed, when no test ran, and when the totals never came.

import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

export interface Totals {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

const resultLine = /^( *)(not ok|ok) \d+(?: - (.*?))?(?: # (SKIP|TODO|time=\S+)\b ?(.*))?(?: \{)?$/;
const totalsLine = /^# \{ (.*) \}$/;

function parseTotals(list: string, failedFiles: number): Totals {
  const counts = new Map(list.split(', ').map((pair) => pair.split(': ') as [string, string]));
  const count = (name: string): number => Number(counts.get(name) ?? 0);
  // A file that crashed after its last assertion fails without a failed assertion.
  return {
    passed: count('pass'),
    failed: Math.max(count('fail'), failedFiles),
    skipped: count('skip') + count('todo'),
  };
}

/** Follows one TAP stream line by line. */
export class Progress {
  totals: Totals | undefined;
  private file: string | undefined;
  private failedFiles = 0;
  private deepestFailure = -1;
  private showDetails = false;
  private sawFailureInFile = false;
  private readonly notRun: string[] = [];

  constructor(private readonly print: (line: string) => void) {}

  /** Takes the next line of the stream. */
  line(line: string): void {
    const subtest = /^# Subtest: (.*)$/.exec(line);
    if (subtest) this.file = subtest[1];
    const totals = totalsLine.exec(line);
    if (totals?.[1] !== undefined) this.totals = parseTotals(totals[1], this.failedFiles);
    const result = resultLine.exec(line);
    if (result) this.result(result, line);
    else if (/^Bail out!/.test(line)) this.print(line);
    else this.detail(line);
  }

  /** Says what was left out, then the line everything else is judged by. Returns the exit code. */
  end(): number {
    for (const entry of this.notRun) this.print(entry);
    if (this.totals === undefined) {
      this.print('tap gave no totals: the run did not finish');
      return 1;
    }
    const { passed, failed, skipped } = this.totals;
    if (passed + failed === 0) this.print('no test ran');
    this.print(`${passed} passed, ${failed} failed, ${skipped} skipped`);
    return failed > 0 || passed === 0 ? 1 : 0;
  }

  private result(match: RegExpExecArray, line: string): void {
    const indent = (match[1] ?? '').length;
    const ok = match[2] === 'ok';
    const directive = match[4];
    this.showDetails = false;
    if (directive === 'SKIP' || directive === 'TODO') this.leftOut(directive, match[3] ?? '', match[5] ?? '');
    else if (!ok && indent > 0) this.failure(indent, line);
    if (indent === 0) this.fileEnded(ok, match);
  }

  private leftOut(directive: string, name: string, reason: string): void {
    const word = directive === 'SKIP' ? 'skipped' : 'known failure';
    this.notRun.push(`${word}: ${this.file ?? ''}: ${name}${reason === '' ? '' : ` (${reason})`}`);
  }

  /** A failed assertion is shown in full; the subtests around it only by name. */
  private failure(indent: number, line: string): void {
    const around = this.deepestFailure > indent;
    this.deepestFailure = indent;
    this.sawFailureInFile = true;
    this.showDetails = !around;
    this.print(
      around ? `    in: ${line.trim().replace(/^not ok \d+ - /, '')}` : `  ${this.file ?? ''}: ${line.trim()}`,
    );
  }

  private fileEnded(ok: boolean, match: RegExpExecArray): void {
    const time = match[4]?.startsWith('time=') ? ` (${match[4].slice(5)})` : '';
    const skipped = match[4] === 'SKIP' ? ' (skipped)' : '';
    this.print(`${ok ? 'ok    ' : 'NOT OK'} ${match[3] ?? ''}${time}${skipped}`);
    if (!ok) this.failedFiles += 1;
    this.showDetails = !ok && !this.sawFailureInFile;
    this.deepestFailure = -1;
    this.sawFailureInFile = false;
  }

  private detail(line: string): void {
    if (!this.showDetails) return;
    if (line.trim() === '...') this.showDetails = false;
    else if (line.trim() !== '---') this.print(`    ${line}`);
  }
}

async function main(): Promise<void> {
  const progress = new Progress((line) => process.stdout.write(`${line}\n`));
  for await (const line of createInterface({ input: process.stdin })) progress.line(line);
  process.exitCode = progress.end();
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) await main();
