import type { Report } from './findings.ts';

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
    ];
    lines.push(`  about     ${about.filter((part) => part !== null).join(', ')}`);
  }
  if (key !== null) {
    lines.push(`  key       ${key.vkey}`);
    lines.push(
      key.pinned
        ? '            given by you: the signatures are of that key'
        : '            taken from the package itself: it shows that the package is of one piece, not whose log it is.',
    );
    if (!key.pinned)
      lines.push('            Give the key you hold from elsewhere with --key to know whose it is.');
  }
  lines.push('');
  const width = Math.max(...report.checks.map(({ name }) => name.length));
  for (const { name, ok, count, detail } of report.checks) {
    const looked =
      ok && count === 0 ? 'nothing to check' : `${count} checked${detail === '' ? '' : `, ${detail}`}`;
    lines.push(`  ${ok ? 'ok  ' : 'FAIL'}  ${name.padEnd(width)}  ${looked}`);
  }
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

function printable(line: string): string {
  return line.replace(
    /[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
