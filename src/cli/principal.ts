import { type Command, Option } from 'commander';
import { PRINCIPAL_KINDS } from '../store/entities.ts';
import { registerBulk } from './principal-bulk.ts';
import { filterOptions, type ListOptions, principalQuery } from './principal-filter.ts';
import { registerHistory } from './principal-history.ts';
import { registerJoinToken } from './principal-join-token.ts';
import { registerRightSize } from './principal-right-size.ts';
import { registerUpdate } from './principal-update.ts';
import type { ListedPrincipal, Principal, PrincipalDetail, SourceSeen } from './support/api-types.ts';
import { BINDING_COLUMNS } from './support/binding-format.ts';
import { path } from './support/client.ts';
import { CREDENTIAL_COLUMNS, GRANT_COLUMNS } from './support/columns.ts';
import { connected, examples, wholeNumber } from './support/command.ts';
import { print, printJson, printList, terminalWidth } from './support/output.ts';
import { describe, several, tagsOf } from './support/principal-format.ts';
import { type Column, TextTable } from './support/table.ts';
import { formatTime, parseMoment } from './support/time.ts';

export function register(program: Command): void {
  const principal = program.command('principal').description('machine identities and their owners');
  add(principal);
  list(principal);
  show(principal);
  registerUpdate(principal);
  registerHistory(principal);
  registerRightSize(principal);
  registerJoinToken(principal);
  registerBulk(principal);
  change(principal, 'disable', 'disable a principal: its live sessions are closed and it may open no other');
  change(principal, 'suspend', 'suspend a principal until it is resumed');
  change(principal, 'resume', 'let a suspended principal in again');
  change(principal, 'retire', 'end a principal for good, with its grants, credentials and bindings');
}

interface AddOptions {
  readonly kind: string;
  readonly owner: string;
  readonly backupOwner: string;
  readonly purpose: string;
  readonly environment: string;
  readonly reviewDays?: number;
  readonly expires?: string;
  readonly tag?: readonly string[];
  readonly sponsor?: string;
}

function add(parent: Command): void {
  const command = parent
    .command('add <name>')
    .description('add a machine identity. Its name is never used again, not even after it is gone')
    .addOption(new Option('--kind <kind>', 'what it is').choices([...PRINCIPAL_KINDS]).makeOptionMandatory())
    .requiredOption('--owner <person>', 'who answers for it: id, name or e-mail address')
    .requiredOption('--backup-owner <person>', 'who answers when the owner cannot')
    .requiredOption('--purpose <text>', 'what it is for, in one sentence')
    .requiredOption('--environment <name>', 'where it works, such as production')
    .option('--review-days <n>', 'days between reviews', wholeNumber(1, 366))
    .option('--expires <time>', 'when it ends: a day, a time, or a duration from now', (text) =>
      parseMoment(text, 1),
    )
    .option('--tag <name=value>', 'a tag; several with several flags', several)
    .option('--sponsor <name>', 'the third party, an organisation or a person, whose it is');
  examples(
    command,
    'postern principal add nightly-ledger-batch --kind service_account --owner ada@bank.example \\\n' +
      '      --backup-owner grace@bank.example \\\n' +
      '      --purpose "Posts the day\'s entries to the ledger" --environment production --expires 90d',
  );
  connected<AddOptions>(command, async ({ api, options, args }) => {
    const { kind, owner, backupOwner, purpose, environment, reviewDays, expires, tag, sponsor } = options;
    const made = await api.post<Principal>('/v1/principals', {
      name: args[0],
      kind,
      owner,
      purpose,
      environment,
      backupOwner,
      ...(tag !== undefined && { tags: tagsOf(tag) }),
      ...(sponsor !== undefined && { sponsor }),
      ...(reviewDays !== undefined && { reviewIntervalDays: reviewDays }),
      ...(expires !== undefined && { expiresAt: expires }),
    });
    await (options.json ? printJson(made) : print(describe(made)));
  });
}

function list(parent: Command): void {
  const command = filterOptions(parent.command('list').description('list machine identities'));
  examples(
    command,
    'postern principal list --owner ada@bank.example',
    'postern principal list --status active --unused-for 30d --tag team=ledger',
    'postern principal list --status suspended --json',
  );
  connected<ListOptions>(command, async ({ api, options }) => {
    const items = await api.all<ListedPrincipal>('/v1/principals', principalQuery(options));
    await printList(
      items,
      [
        { title: 'name', value: (row) => row.name, shrinkTo: 14 },
        { title: 'kind', value: (row) => row.kind },
        { title: 'owner', value: (row) => row.owner.name, shrinkTo: 10 },
        { title: 'environment', value: (row) => row.environment, shrinkTo: 8 },
        { title: 'status', value: (row) => row.status },
        { title: 'last used', value: (row) => formatTime(row.lastUsedAt) },
        { title: 'expires', value: (row) => formatTime(row.expiresAt) },
        { title: 'purpose', value: (row) => row.purpose, shrinkTo: 12 },
      ],
      { json: options.json, empty: 'There is no such principal.' },
    );
  });
}

function show(parent: Command): void {
  const command = parent
    .command('show <principal>')
    .description('show a machine identity with its bindings, grants and credentials, by id or name');
  connected(command, async ({ api, options, args }) => {
    const found = await api.get<PrincipalDetail>(path`/v1/principals/${args[0] as string}`);
    if (options.json) return printJson(found);
    const { alerts } = found;
    let text = describe(
      found,
      ['last used', formatTime(found.lastUsedAt)],
      [
        'alerts',
        alerts === 0 ? 'none' : `${alerts} unresolved: postern alert list --principal ${found.name}`,
      ],
    );
    const width = terminalWidth();
    if (found.sources.length > 0) text += `\n${new TextTable(SOURCE_COLUMNS, width).format(found.sources)}`;
    if (found.bindings.length > 0)
      text += `\n${new TextTable(BINDING_COLUMNS, width).format(found.bindings)}`;
    if (found.grants.length > 0) text += `\n${new TextTable(GRANT_COLUMNS, width).format(found.grants)}`;
    if (found.credentials.length > 0) {
      text += `\n${new TextTable(CREDENTIAL_COLUMNS, width).format(found.credentials)}`;
    }
    await print(text);
  });
}

const SOURCE_COLUMNS: readonly Column<SourceSeen>[] = [
  { title: 'seen from', value: (row) => row.network },
  { title: 'first', value: (row) => formatTime(row.first) },
  { title: 'last', value: (row) => formatTime(row.last) },
  { title: 'sessions', value: (row) => row.sessions, align: 'right' },
];

function change(
  parent: Command,
  verb: 'disable' | 'suspend' | 'resume' | 'retire',
  description: string,
): void {
  const command = parent
    .command(`${verb} <principal>`)
    .description(description)
    .requiredOption('--reason <text>', 'why; it is kept in the log');
  examples(command, `postern principal ${verb} nightly-ledger-batch --reason "INC-4711"`);
  connected<{ reason: string }>(command, async ({ api, options, args }) => {
    const done = await api.post<Principal>(`${path`/v1/principals/${args[0] as string}`}/${verb}`, {
      reason: options.reason,
    });
    await (options.json ? printJson(done) : print(describe(done)));
  });
}
