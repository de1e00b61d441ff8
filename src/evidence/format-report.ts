import type { Report } from './findings.ts';
import type { TextMode } from './format.ts';
import { lossWords } from './losses.ts';

const STATEMENTS: Readonly<Record<TextMode, string | null>> = {
  full: null,
  masked: 'statements masked, bind values withheld',
  commitments: 'statements and bind values by commitment only',
};

/** Erasures, and losses, that are told one by one; the others are counted. */
const TOLD = 20;

/** A report as plain text for a terminal. What came out of the package is shown without control characters. */
export function formatReport(report: Report): string {
  const lines: string[] = [];
  const { key, log, parameters } = report;
  lines.push(
    report.ok ? 'VERIFIED: everything in this package holds.' : 'NOT VERIFIED: this package does not hold.',
    '',
  );
  if (log !== null) lines.push(`  log       ${log.origin}, ${log.size} leaves, root ${log.root}`);
  if (parameters !== null) {
    const about = [
      parameters.principal === null ? 'all principals' : `principal ${parameters.principal.name}`,
      parameters.resource === null ? null : `resource ${parameters.resource.name}`,
      parameters.since === null ? null : `since ${parameters.since}`,
      parameters.until === null ? null : `until ${parameters.until}`,
      STATEMENTS[parameters.statements],
    ];
    lines.push(`  about     ${about.filter((part) => part !== null).join(', ')}`);
  }
  if (key !== null) {
    const [first, ...others] = key.vkey.split('\n');
    lines.push(`  key       ${first}`, ...others.map((other) => `            ${other}`));
    lines.push(
      key.pinned
        ? '            given by you: the signatures are of that key'
        : '            taken from the package itself: it shows that the package is of one piece, not whose log it is.',
    );
    if (!key.pinned)
      lines.push('            Give the key you hold from elsewhere with --key to know whose it is.');
  }
  lines.push(...witnessLines(report.witnesses));
  lines.push('');
  const width = Math.max(...report.checks.map(({ name }) => name.length));
  for (const { name, ok, count, detail } of report.checks) {
    const looked =
      ok && count === 0 ? 'nothing to check' : `${count} checked${detail === '' ? '' : `, ${detail}`}`;
    lines.push(`  ${ok ? 'ok  ' : 'FAIL'}  ${name.padEnd(width)}  ${looked}`);
  }
  lines.push(...lossLines(report.losses), ...erasureLines(report.erasures));
  if (report.findings.length > 0) lines.push('', 'What is wrong:');
  for (const { file, leaf, record, message } of report.findings) {
    const where = [
      file,
      leaf === undefined ? null : `leaf ${leaf}`,
      record === undefined ? null : `record ${record}`,
    ];
    lines.push(`  ${where.filter((part) => part !== null).join(', ')}`, `      ${message}`);
  }
  return `${lines.map(printable).join('\n')}\n`;
}

function lossLines(losses: Report['losses']): string[] {
  if (losses.length === 0) return [];
  const told = losses
    .slice(0, TOLD)
    .flatMap((loss) => [`  leaf ${loss.leaf}, ${loss.time}`, `      ${lossWords(loss)}`]);
  const more = losses.length - TOLD;
  const rest = more > 0 ? [`  and ${more} more losses`] : [];
  return ['', 'LOST, by the log itself (the package holds; the record is not whole):', ...told, ...rest];
}

function erasureLines(erasures: Report['erasures']): string[] {
  if (erasures.length === 0) return [];
  const told = erasures
    .slice(0, TOLD)
    .flatMap(({ payloads, kinds, principal, day, by, time, reason, leaf }) => [
      `  ${payloads} ${payloads === 1 ? 'text' : 'texts'} (${kinds.join(', ')}) of ${principal?.name ?? 'no principal'} of ${day}, leaf ${leaf}`,
      `      by ${by.name} at ${time}: ${reason}`,
    ]);
  const more = erasures.length - TOLD;
  return ['', 'Texts erased, by the log:', ...told, ...(more > 0 ? [`  and ${more} more erasures`] : [])];
}

function witnessLines(witnesses: Report['witnesses']): string[] {
  if (witnesses === null) return ['  witnesses none known: no policy names any (--policy FILE)'];
  const { policy, met, cosigned, absent, earlier } = witnesses;
  const whose = policy === 'given' ? 'your policy' : "the package's own policy";
  const lines = [`  witnesses ${whose} is ${met ? 'met' : 'NOT met'} by the checkpoint`];
  for (const { witness, key, time } of cosigned) {
    lines.push(`            ${witness} (${key}) cosigned it at ${secondsAsTime(time)}`);
  }
  for (const name of absent) lines.push(`            ${name} did not cosign it`);
  if (earlier !== null)
    lines.push(`            it is met by the checkpoint of ${earlier} leaves, which the log continues`);
  if (policy === 'package') {
    lines.push(
      '            It says whom the operator chose. Give the policy that you hold with --policy FILE.',
    );
  }
  return lines;
}

/** Any number of seconds can stand in a cosignature; what no calendar has is shown as it is. */
export function secondsAsTime(seconds: number): string {
  const time = new Date(seconds * 1000);
  return Number.isNaN(time.getTime()) ? `${seconds} s` : time.toISOString();
}

function printable(line: string): string {
  return line.replace(
    /[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
