import type { Command } from 'commander';
import type { ErasurePreview } from './support/api-types.ts';
import { connected, examples } from './support/command.ts';
import { CliError, usageError } from './support/failure.ts';
import { note, print, printJson } from './support/output.ts';
import { ask } from './support/prompt.ts';
import { formatFields } from './support/table.ts';
import { safeLine } from './support/text.ts';

interface EraseOptions {
  readonly principal?: string;
  readonly day?: string;
  readonly reason: string;
  readonly yes?: boolean;
}

export function register(program: Command): void {
  const payload = program
    .command('payload')
    .description('statement texts and bind values, which are kept encrypted beside the log');
  const command = payload
    .command('erase [record]')
    .description(
      'destroy texts for good: of one record, or all of a principal on a day. The log, and every proof of it, stay as they are',
    )
    .option('--principal <principal>', 'with --day: every text of this principal')
    .option('--day <day>', 'recorded on this day (2026-11-21, UTC)')
    .requiredOption('--reason <text>', 'why; it is kept in the log')
    .option('--yes', 'do not ask');
  examples(
    command,
    'postern payload erase 0199aa11-... --reason "held personal data, ticket DP-77"',
    'postern payload erase --principal nightly-ledger-batch --day 2026-11-21 --reason "test data" --yes',
  );
  connected<EraseOptions>(command, async ({ api, options, args }) => {
    const target = targetOf(args[0], options);
    const preview = await api.post<ErasurePreview>('/v1/payloads/erase', { ...target, dryRun: true });
    if (!options.yes) await confirm(preview, args[0] !== undefined);
    const done = await api.post<ErasurePreview>('/v1/payloads/erase', { ...target, reason: options.reason });
    if (options.json) return printJson(done);
    await print(
      formatFields([
        ['erased', texts(done)],
        ['of', done.principal?.name ?? 'no principal'],
        ['day', done.day],
        ['record', done.record],
      ]),
    );
    if (done.journals.length > 0) {
      note(
        'These journal files could not be deleted yet and may still have the texts in plain; Postern tries again every hour and when it starts:',
      );
      for (const name of done.journals) note(`  ${safeLine(name)}`);
    }
  });
}

function targetOf(record: string | undefined, { principal, day }: EraseOptions): object {
  if (record !== undefined && principal === undefined && day === undefined) return { record };
  if (record === undefined && principal !== undefined && day !== undefined) return { principal, day };
  throw usageError(
    'it is not clear what is to be erased',
    'Name a record, or give --principal and --day together.',
  );
}

async function confirm(preview: ErasurePreview, single: boolean): Promise<void> {
  note(
    `To be destroyed for good: ${texts(preview)} of ${safeLine(preview.principal?.name ?? 'no principal')} on ${preview.day}.`,
  );
  if (single && preview.records !== null) {
    note(`Equal texts of one principal and day are one: it concerns ${preview.records} records.`);
  }
  for (const hold of preview.holds) note(`The legal hold ${hold.id} forbids it: ${safeLine(hold.reason)}`);
  const answer = await ask('Type "erase" to go on', 'Look at it first, and say --yes.');
  if (answer !== 'erase') throw new CliError('CLI_ABORTED', 'nothing was erased');
}

function texts({ payloads, kinds }: ErasurePreview): string {
  return `${payloads} ${payloads === 1 ? 'text' : 'texts'} (${safeLine(kinds.join(', '))})`;
}
