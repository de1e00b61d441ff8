import type { Command } from 'commander';
import type { Assessment, AssessmentResult, Outcome, ResultRow } from '../evidence/assess/types.ts';
import { pc } from './support/colors.ts';
import { connected, examples } from './support/command.ts';
import { usageError } from './support/failure.ts';
import { addFrameworkOptions, type FrameworkOptions, frameworkBody } from './support/framework-options.ts';
import { print, printJson, printList, terminalWidth } from './support/output.ts';
import { TextTable } from './support/table.ts';
import { safeLine } from './support/text.ts';

/** Reading a log of millions of leaves takes its time. */
const TIMEOUT_MS = 600_000;
/** Rows that are shown of an objective, unless more are asked for. */
const ROWS = 20;

const WORDS: Readonly<Record<Outcome, string>> = {
  pass: 'pass',
  fail: 'fail',
  not_evaluable: 'not evaluable',
  reported: 'reported',
  organizational: 'to supply',
};

interface AssessOptions extends FrameworkOptions {
  readonly principal?: string;
  readonly resource?: string;
  readonly control?: string;
  readonly rows?: boolean;
}

export function registerAssess(evidence: Command): void {
  const command = addFrameworkOptions(
    evidence
      .command('assess')
      .description(
        'assess the log as it is by a framework, without writing a package: evidence of operation',
      ),
  )
    .option('--principal <principal>', 'of this principal alone')
    .option('--resource <resource>', 'commands on this resource alone')
    .option('--control <control>', 'only this control, such as ac-2')
    .option('--rows', 'show the rows that fail, and those of reports');
  examples(
    command,
    'postern evidence assess --framework nist-800-53 --period 2026-Q3',
    'postern evidence assess --framework nist-800-53 --period 2026-07 --control ac-2.3 --rows',
    'postern evidence assess --framework-file ours.yaml --period 2026-07-01/2026-10-01 --json',
  );
  connected<AssessOptions>(command, async ({ api, options }) => {
    const { principal, resource, control } = options;
    if ((options.framework ?? options.frameworkFile) === undefined)
      throw usageError('name a framework: --framework or --framework-file');
    const body = {
      ...frameworkBody(options),
      ...(principal !== undefined && { principal }),
      ...(resource !== undefined && { resource }),
    };
    const all = await api.post<Assessment>('/v1/evidence/assess', body, TIMEOUT_MS);
    const results = all.results.filter((result) => control === undefined || result.control === control);
    if (results.length === 0) throw usageError(`${all.framework.id} has no control ${control}`);
    const assessment = { ...all, results };
    await (options.json ? printJson(assessment) : print(describe(assessment, options.rows ?? false)));
  });
}

export function registerFrameworks(evidence: Command): void {
  const command = evidence.command('frameworks').description('the frameworks that Postern can assess by');
  connected(command, async ({ api, options }) => {
    const items = await api.all<FrameworkSummary>('/v1/evidence/frameworks');
    await printList(
      items,
      [
        { title: 'id', value: (row) => row.id },
        { title: 'title', value: (row) => row.title, shrinkTo: 20 },
        { title: 'version', value: (row) => row.version },
        { title: 'controls', value: (row) => row.controls, align: 'right' },
        { title: 'assertions', value: (row) => row.assertions, align: 'right' },
        { title: 'reports', value: (row) => row.reports, align: 'right' },
        { title: 'to supply', value: (row) => row.organizational, align: 'right' },
      ],
      { json: options.json, empty: 'There are none.' },
    );
  });
}

interface FrameworkSummary {
  readonly id: string;
  readonly title: string;
  readonly version: string;
  readonly controls: number;
  readonly assertions: number;
  readonly reports: number;
  readonly organizational: number;
}

function describe({ framework, period, asOf, counts, results }: Assessment, rows: boolean): string {
  const table = new TextTable<AssessmentResult>(
    [
      { title: 'control', value: (row) => row.control },
      { title: 'objective', value: (row) => row.objective },
      {
        title: 'outcome',
        value: (row) => WORDS[row.outcome],
        paint: (text, row) => paint(text, row.outcome),
      },
      { title: 'looked at', value: (row) => row.examined, align: 'right' },
      { title: 'rows', value: (row) => row.failingCount + row.reportedCount || null, align: 'right' },
      { title: 'what', value: (row) => row.reason ?? row.document ?? row.asserts, shrinkTo: 30 },
    ],
    terminalWidth(),
  );
  const said = Object.entries(WORDS).map(([outcome, word]) => `${counts[outcome as Outcome]} ${word}`);
  const head = [
    `${safeLine(framework.title)} (${safeLine(framework.version)}), ${period.name}: ${period.since} to ${period.until}`,
    `Evidence of operation as of leaf ${asOf.size} of ${safeLine(asOf.origin)}, ${asOf.time ?? 'empty'}`,
    `${said.join(', ')}`,
  ];
  const shown = rows ? results.map(rowsOf).join('') : '';
  return `${head.join('\n')}\n\n${table.format(results)}${shown}`;
}

function paint(text: string, outcome: Outcome): string {
  if (outcome === 'fail') return pc.red(text);
  return outcome === 'pass' ? pc.green(text) : pc.dim(text);
}

function rowsOf({
  objective,
  asserts,
  failing,
  failingCount,
  reported,
  reportedCount,
}: AssessmentResult): string {
  const rows = failingCount > 0 ? failing : reported;
  const count = failingCount + reportedCount;
  if (count === 0) return '';
  const columns = Object.keys(rows[0] ?? {});
  const table = new TextTable<ResultRow>(
    columns.map((name) => ({ title: name, value: (row: ResultRow) => row[name] })),
    terminalWidth(),
  );
  const more = count > ROWS ? `... and ${count - ROWS} more; --json has up to 1,000\n` : '';
  const what = failingCount > 0 ? 'fails' : 'reports';
  return `\n${objective} ${what}: ${safeLine(asserts)}\n${table.format(rows.slice(0, ROWS))}${more}`;
}
