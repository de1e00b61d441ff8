import { type Command, Option } from 'commander';
import { PARTS, TEXT_MODES } from '../evidence/format.ts';
import { registerAssess, registerFrameworks } from './evidence-assess.ts';
import { registerCompare } from './evidence-compare.ts';
import { checkOut, exportTo, registerJobs } from './evidence-jobs.ts';
import { registerParameters } from './evidence-parameters.ts';
import { registerSchedule } from './evidence-schedule.ts';
import { connected, examples } from './support/command.ts';
import { usageError } from './support/failure.ts';
import { addFrameworkOptions, type FrameworkOptions, frameworkBody } from './support/framework-options.ts';
import { parseMoment } from './support/time.ts';

interface ExportOptions extends FrameworkOptions {
  readonly out?: string;
  readonly wait: boolean;
  readonly principal?: string;
  readonly resource?: string;
  readonly since?: string;
  readonly until?: string;
  readonly statements?: string;
  readonly with?: readonly string[];
}

export function register(program: Command): void {
  const evidence = program
    .command('evidence')
    .description('evidence packages: the record, to be verified by anyone');
  const command = evidence
    .command('export')
    .description('write an evidence package: who could do what, what was done, and the proof that it is all')
    .option('--out <path>', 'where to: a new file.zip, or a new folder')
    .option('--no-wait', 'have it made, and fetch it later: postern evidence fetch')
    .option('--principal <principal>', 'of this principal alone; nothing of others is shown')
    .option('--resource <resource>', 'on this resource alone')
    .option('--since <time>', 'from a day, a time, or a duration ago', (text) => parseMoment(text, -1))
    .option('--until <time>', 'until then, exclusive', (text) => parseMoment(text, -1))
    .addOption(
      new Option(
        '--statements <how>',
        'statement texts in full, with literals masked, or as commitments alone; bind values only with full',
      )
        .choices(TEXT_MODES)
        .default('full'),
    )
    .option(
      '--with <parts>',
      `the activity in other forms besides, by commas: ${PARTS.join(', ')}; none (both with --framework, else none)`,
      partsOf,
    );
  addFrameworkOptions(command);
  registerAssess(evidence);
  registerFrameworks(evidence);
  registerParameters(evidence);
  registerJobs(evidence);
  registerSchedule(evidence);
  registerCompare(evidence);
  examples(
    command,
    'postern evidence export --out 2026-Q3.zip --framework nist-800-53 --period 2026-Q3',
    'postern evidence export --out 2026-Q4.zip --since 2026-10-01 --until 2027-01-01',
    'postern evidence export --out quarter.zip --since 2026-10-01 --with ocsf,parquet',
    'postern evidence export --out batch.zip --principal nightly-ledger-batch --statements masked',
  );
  connected<ExportOptions>(command, async ({ api, options }) => {
    const { out, principal, resource, since, until, statements } = options;
    const parts = options.with;
    if ((out === undefined) === (options.wait !== false))
      throw usageError('name where to with --out, or leave the package to be fetched with --no-wait');
    if (out !== undefined) checkOut(out);
    const body = {
      ...(principal !== undefined && { principal }),
      ...(resource !== undefined && { resource }),
      ...(since !== undefined && { since }),
      ...(until !== undefined && { until }),
      ...(statements !== undefined && { statements }),
      ...(parts !== undefined && { parts }),
      ...frameworkBody(options),
    };
    await exportTo(api, body, out ?? null, options.json === true);
  });
}

function partsOf(text: string): readonly string[] {
  if (text === 'none') return [];
  const parts = [...new Set(text.split(',').map((part) => part.trim()))];
  const unknown = parts.find((part) => !(PARTS as readonly string[]).includes(part));
  if (unknown !== undefined) {
    throw usageError(`${JSON.stringify(unknown)} is no part of a package`, `There are: ${PARTS.join(', ')}.`);
  }
  return parts;
}
