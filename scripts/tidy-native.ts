// The shape of one C++ file, by braces alone: no parser, so it reads only what clang-format style code looks like. A body
// is what stands between `{` at the end of an unindented line and the next unindented `}`.

import type { Finding, Source } from './tidy.js';

const longestFile = 400;
const longestFunction = 70;
const policyWords = /\b(?:whiteouts?|opaque|upper(?:dir|s)?|lower(?:dir|s)?)\b/i;
const notFunction =
  /^(?:extern|namespace|struct|class|enum|union|static const|const|constexpr|static constexpr|typedef)\b.*[^)]\s*\{$/;

/** One past the last line of the body that opens on line `start`. */
function endOfBody(lines: readonly string[], start: number): number {
  let end = start + 1;
  while (end < lines.length && !lines[end]?.startsWith('}')) end += 1;
  return end + 1;
}

function functionFindings(file: string, lines: readonly string[]): Finding[] {
  const findings: Finding[] = [];
  for (const [index, line] of lines.entries()) {
    const opens = /^[^\s/#}].*\{$|^\{$/.test(line);
    if (!opens || notFunction.test(line)) continue;
    const length = endOfBody(lines, index) - index;
    if (length > longestFunction) findings.push({ file, line: index + 1, message: `function has ${length} lines` });
  }
  return findings;
}

/** What is wrong with one file of native/. */
export function nativeFindings({ file, text }: Source): Finding[] {
  const lines = text.replace(/\n$/, '').split('\n');
  const findings = functionFindings(file, lines);
  if (lines.length > longestFile) findings.push({ file, line: 1, message: `has ${lines.length} lines` });
  for (const [index, line] of lines.entries()) {
    const word = policyWords.exec(line);
    if (word) findings.push({ file, line: index + 1, message: `native code knows the word ${word[0]}` });
  }
  return findings;
}
