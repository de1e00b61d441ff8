import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { PARTS, TEXT_MODES } from '../evidence/format.ts';
import type { EvidenceSchedule } from '../store/entities.ts';
import { path } from './support/client.ts';
import { connected, examples, listFrom } from './support/command.ts';
import { note, printJson, printList } from './support/output.ts';
import type { Column } from './support/table.ts';

/** `postern evidence schedule`. */
export function registerSchedule(evidence: Command): void {
  const schedule = evidence
    .command('schedule')
    .description('evidence packages that are made by themselves, one of each period when it is over');
  add(schedule);
  list(schedule);
  end(schedule);
}

interface AddOptions {
  readonly every: string;
  readonly at: string;
  readonly timeZone: string;
  readonly framework?: string;
  readonly statements: string;
  readonly with?: readonly string[];
  readonly to?: string;
  readonly reason: string;
}

function add(parent: Command): void {
  const command = parent
    .command('add <name>')
    .description('have a package made of each period that is over; those that were missed are made up')
    .addOption(
      new Option('--every <period>', 'of each').choices(['month', 'quarter', 'year']).makeOptionMandatory(),
    )
    .option('--at <hh:mm>', 'how long after the end of a period', '06:00')
    .option('--time-zone <zone>', 'whose calendar the periods are of: Europe/Zurich', 'UTC')
    .option('--framework <framework>', 'assess by it, such as nist-800-53 (postern evidence frameworks)')
    .addOption(
      new Option('--statements <how>', 'statement texts in full, masked, or as commitments alone')
        .choices(TEXT_MODES)
        .default('full'),
    )
    .option(
      '--with <parts>',
      `the activity in other forms besides, by commas: ${PARTS.join(', ')}`,
      listFrom(PARTS),
    )
    .option('--to <dir>', 'a folder of the server to put them to; it is named in its configuration')
    .requiredOption('--reason <text>', 'why; it is kept in the log');
  examples(
    command,
    'postern evidence schedule add quarterly --framework nist-800-53 --every quarter --reason "policy IAM-7"',
    'postern evidence schedule add monthly --every month --statements masked --to /srv/evidence --reason "audit"',
  );
  connected<AddOptions>(command, async ({ api, options, args }) => {
    const { every, at, timeZone, framework, statements, to, reason } = options;
    const made = await api.post<EvidenceSchedule>('/v1/evidence/schedules', {
      ...{
        name: args[0] as string,
        every,
        at,
        zone: timeZone,
        statements,
        parts: options.with ?? [],
        reason,
      },
      ...(framework !== undefined && { framework }),
      ...(to !== undefined && { to: resolve(to) }),
    });
    if (options.json) return printJson(made);
    note(`A package of each ${made.every} is made, ${made.at} after its end (${made.zone}).`);
  });
}

const COLUMNS: readonly Column<EvidenceSchedule>[] = [
  { title: 'schedule', value: ({ name }) => name },
  { title: 'every', value: ({ every }) => every },
  { title: 'at', value: ({ at, zone }) => `${at} ${zone}` },
  { title: 'framework', value: ({ framework }) => framework ?? '' },
  { title: 'statements', value: ({ statements }) => statements },
  { title: 'to', value: ({ to }) => to ?? 'to be fetched', shrinkTo: 10 },
  { title: 'status', value: ({ status }) => status },
];

function list(parent: Command): void {
  const command = parent
    .command('list')
    .description('list schedules')
    .addOption(
      new Option('--status <status>', 'only these').choices(['active', 'ended', 'all']).default('active'),
    );
  connected<{ status: string }>(command, async ({ api, options }) => {
    const found = await api.all<EvidenceSchedule>('/v1/evidence/schedules', { status: options.status });
    await printList(found, COLUMNS, { json: options.json, empty: 'There is no such schedule.' });
  });
}

function end(parent: Command): void {
  const command = parent
    .command('end <name>')
    .description('make no more; what is being made is finished')
    .requiredOption('--reason <text>', 'why; it is kept in the log');
  connected<{ reason: string }>(command, async ({ api, options, args }) => {
    const { reason } = options;
    const done = await api.post<EvidenceSchedule>(path`/v1/evidence/schedules/${args[0] as string}/end`, {
      reason,
    });
    if (options.json) return printJson(done);
    note(`${done.name} has no more packages made.`);
  });
}
