import { type Command, Option } from 'commander';
import type { Principal, PrincipalDetail } from './support/api-types.ts';
import { path } from './support/client.ts';
import { CREDENTIAL_COLUMNS, GRANT_COLUMNS } from './support/columns.ts';
import { connected, examples, wholeNumber } from './support/command.ts';
import { usageError } from './support/failure.ts';
import { print, printJson, printList, terminalWidth } from './support/output.ts';
import { type Field, formatFields, TextTable } from './support/table.ts';
import { formatTime, parseMoment } from './support/time.ts';

const KINDS = ['service_account', 'ci_runner', 'workload', 'agent'];

export function register(program: Command): void {
  const principal = program.command('principal').description('machine identities and their owners');
  add(principal);
  list(principal);
  show(principal);
  update(principal);
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
    .addOption(new Option('--kind <kind>', 'what it is').choices(KINDS).makeOptionMandatory())
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

interface UpdateOptions extends Partial<Omit<AddOptions, 'expires'>> {
  readonly expires?: string | null;
  readonly untag?: readonly string[];
  readonly ours?: boolean;
  readonly reason: string;
}

function update(parent: Command): void {
  const command = parent
    .command('update <principal>')
    .description('change who answers for a principal, or what is said of it; what is not named stays')
    .option('--owner <person>', 'who answers for it: id, name or e-mail address')
    .option('--backup-owner <person>', 'who answers when the owner cannot')
    .option('--purpose <text>', 'what it is for, in one sentence')
    .option('--environment <name>', 'where it works')
    .option('--review-days <n>', 'days between reviews', wholeNumber(1, 366))
    .option('--expires <time>', 'when it ends: a day, a time, a duration from now, or never', (text) =>
      text === 'never' ? null : parseMoment(text, 1),
    )
    .option('--tag <name=value>', 'a tag to set; several with several flags', several)
    .option('--untag <name>', 'a tag to take away; several with several flags', several)
    .addOption(new Option('--sponsor <name>', 'the third party whose it is').conflicts('ours'))
    .option('--ours', "it is no third party's")
    .requiredOption('--reason <text>', 'why; it is kept in the log');
  examples(
    command,
    'postern principal update nightly-ledger-batch --owner grace@bank.example --backup-owner ed@bank.example \\\n' +
      '      --reason "Ada moved to treasury"',
    'postern principal update nightly-ledger-batch --tag team=ledger --untag pilot --reason "CHG-1077"',
  );
  connected<UpdateOptions>(command, async ({ api, options, args }) => {
    const { owner, backupOwner, purpose, environment, reviewDays, expires, tag, untag, ours } = options;
    const sponsor = ours ? null : options.sponsor;
    const tags = {
      ...Object.fromEntries((untag ?? []).map((name) => [name, null])),
      ...tagsOf(tag ?? []),
    };
    const done = await api.post<Principal>(path`/v1/principals/${args[0] as string}/update`, {
      ...(owner !== undefined && { owner }),
      ...(backupOwner !== undefined && { backupOwner }),
      ...(purpose !== undefined && { purpose }),
      ...(environment !== undefined && { environment }),
      ...(reviewDays !== undefined && { reviewIntervalDays: reviewDays }),
      ...(expires !== undefined && { expiresAt: expires }),
      ...(Object.keys(tags).length > 0 && { tags }),
      ...(sponsor !== undefined && { sponsor }),
      reason: options.reason,
    });
    await (options.json ? printJson(done) : print(describe(done)));
  });
}

interface ListOptions {
  readonly status?: string;
  readonly owner?: string;
  readonly kind?: string;
  readonly q?: string;
}

function list(parent: Command): void {
  const command = parent
    .command('list')
    .description('list machine identities')
    .addOption(
      new Option('--status <status>', 'only these').choices(['active', 'suspended', 'disabled', 'retired']),
    )
    .option('--owner <person>', 'only those of this person')
    .addOption(new Option('--kind <kind>', 'only these').choices(KINDS))
    .option('-q, --q <text>', 'only those whose name or purpose holds this');
  examples(
    command,
    'postern principal list --owner ada@bank.example',
    'postern principal list --status suspended --json',
  );
  connected<ListOptions>(command, async ({ api, options }) => {
    const { status, owner, kind, q } = options;
    const items = await api.all<Principal>('/v1/principals', { status, owner, kind, q });
    await printList(
      items,
      [
        { title: 'name', value: (row) => row.name, shrinkTo: 14 },
        { title: 'kind', value: (row) => row.kind },
        { title: 'owner', value: (row) => row.owner.name, shrinkTo: 10 },
        { title: 'environment', value: (row) => row.environment, shrinkTo: 8 },
        { title: 'status', value: (row) => row.status },
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
    .description('show a machine identity with its grants and credentials, by id or name');
  connected(command, async ({ api, options, args }) => {
    const found = await api.get<PrincipalDetail>(path`/v1/principals/${args[0] as string}`);
    if (options.json) return printJson(found);
    let text = describe(found, ['last used', formatTime(found.lastUsedAt)]);
    const width = terminalWidth();
    if (found.grants.length > 0) text += `\n${new TextTable(GRANT_COLUMNS, width).format(found.grants)}`;
    if (found.credentials.length > 0) {
      text += `\n${new TextTable(CREDENTIAL_COLUMNS, width).format(found.credentials)}`;
    }
    await print(text);
  });
}

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

/** Values of a flag that may be given several times, as they are. */
const several = (text: string, previous: readonly string[] | undefined): readonly string[] => [
  ...(previous ?? []),
  text,
];

function tagsOf(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=');
      if (at > 0) return [pair.slice(0, at), pair.slice(at + 1)];
      throw usageError(`"${pair}" is not a tag`, 'Write NAME=VALUE, such as team=ledger.');
    }),
  );
}

const tagText = (tags: Principal['tags']): string =>
  Object.entries(tags)
    .map(([name, value]) => `${name}=${value}`)
    .join(', ');

function describe(principal: Principal, ...more: readonly Field[]): string {
  const { owner, backupOwner } = principal;
  return formatFields([
    ['principal', principal.name],
    ['kind', principal.kind],
    ['owner', `${owner.name} <${owner.email}>`],
    ['backup', backupOwner && `${backupOwner.name} <${backupOwner.email}>`],
    ['purpose', principal.purpose],
    ['environment', principal.environment],
    ['status', principal.statusReason ? `${principal.status} (${principal.statusReason})` : principal.status],
    ...(principal.rehomeBy === null
      ? []
      : [['suspended', `at ${formatTime(principal.rehomeBy)}, unless another owner is named`] as const]),
    ['sponsor', principal.sponsor],
    ['tags', tagText(principal.tags)],
    ['expires', formatTime(principal.expiresAt)],
    ['review', principal.reviewIntervalDays === null ? null : `every ${principal.reviewIntervalDays} days`],
    ['since', formatTime(principal.createdAt)],
    ['id', principal.id],
    ...more,
  ]);
}
