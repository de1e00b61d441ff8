import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import type { TestPostgres } from '../test/support/postgres.ts';
import type { LedgerDatabase } from './database.ts';
import { commandLine, expect, good, output, say, step } from './stage.ts';
import { HERE, type World } from './world.ts';

export const PRINCIPAL = 'nightly-ledger-batch';
export const RESOURCE = 'ledger-db';

/** From nothing to a gateway that knows a person, a principal and a resource. */
export async function setUp(world: World): Promise<TestPostgres> {
  step('A bank has a database');
  const { postgres, ledger } = await world.startDatabase();
  await describeDatabase(postgres, ledger);
  await firstStart(world);
  await principal(world);
  await resource(world, postgres, ledger);
  return postgres;
}

async function describeDatabase(postgres: TestPostgres, ledger: LedgerDatabase): Promise<void> {
  const [rows] = await postgres.query<{ entries: number; customers: number; salaries: number }>(
    `select (select count(*)::int from ledger.entries) as entries, (select count(*)::int from ledger.customers) as customers,
            (select count(*)::int from hr.salaries) as salaries`,
    ledger.database,
  );
  expect(rows !== undefined && rows.entries >= 100_000, 'the database is not filled');
  say(
    `A real PostgreSQL 18 on port ${postgres.port}. Schema ledger: ${rows.entries.toLocaleString('en-US')} entries,
    ${rows.customers.toLocaleString('en-US')} customers with names, e-mails, card numbers and tax ids. Schema hr, next door:
    ${rows.salaries} salaries. As so often, one role, "${ledger.user}", may read and change all of it, and every job shares
    its password.`,
  );
}

async function firstStart(world: World): Promise<void> {
  step('Postern starts with an empty data directory');
  commandLine(['postern', 'serve', '--data', `${HERE}/data`]);
  const gateway = await world.startGateway();
  output(gateway.stdout.replaceAll(`${world.directory}/`, `${HERE}/`));
  const token = gateway.stdout.match(/makes one:\n\s+(\S+)/)?.[1];
  expect(token !== undefined, 'no one-time token was printed', gateway.stdout);
  say('Whoever reads that token makes themselves the first administrator; it works once.');
  await world.postern(
    [
      'setup',
      '--data',
      `${HERE}/data`,
      '--name',
      'Ada Boone',
      '--email',
      'ada@bank.example',
      '--token-file',
      '-',
    ],
    { input: token },
  );
  const again = [
    'setup',
    '--data',
    `${HERE}/data`,
    '--name',
    'Eve',
    '--email',
    'eve@bank.example',
    '--no-save',
  ];
  await world.postern([...again, '--token-file', '-'], { input: token, code: 1, silent: true });
  good('the same token, tried a second time, was refused');
}

async function principal(world: World): Promise<void> {
  step('The job gets a name, and a person who answers for it');
  await world.postern(['person', 'add', 'Grace Okafor', '--email', 'grace@bank.example', '--role', 'owner'], {
    shown: briefly,
  });
  await world.postern(
    [
      ...['principal', 'add', PRINCIPAL, '--kind', 'service_account', '--owner', 'grace@bank.example'],
      ...['--backup-owner', 'ada@bank.example'],
      ...['--purpose', 'Pays interest into savings accounts every night', '--environment', 'production'],
      ...['--expires', '90d'],
    ],
    { shown: briefly },
  );
}

async function resource(world: World, postgres: TestPostgres, ledger: LedgerDatabase): Promise<void> {
  step('Postern gets the password of the database, so that no job ever has it again');
  const ca = `${HERE}/database-ca.crt`;
  writeFileSync(join(world.base, ca), postgres.caPem);
  await world.postern(
    [
      ...[
        'resource',
        'add',
        RESOURCE,
        '--url',
        `postgres://${ledger.user}@${postgres.host}:${postgres.port}/${ledger.database}`,
      ],
      ...[
        '--ca-file',
        ca,
        '--environment',
        'production',
        '--classification',
        'restricted',
        '--password-file',
        '-',
      ],
    ],
    { input: ledger.password, shown: briefly },
  );
  await world.postern(['resource', 'test', RESOURCE]);
}

/** Without what a first look need not see. */
function briefly(text: string): string {
  const lines = text.split('\n');
  return lines
    .filter((line) => !/^(backup|review|since|id|durability) /.test(stripVTControlCharacters(line)))
    .join('\n');
}
