import { type Command, Option } from 'commander';
import { ALERT_RULE_NAMES } from '../core/alert-rules.ts';
import { registerRules } from './alert-rules.ts';
import type { ListedAlert, ShownAlert } from './support/api-types.ts';
import { path } from './support/client.ts';
import { connected, examples } from './support/command.ts';
import { CliError } from './support/failure.ts';
import { note, print, printJson, printList } from './support/output.ts';
import { type Column, formatFields } from './support/table.ts';
import { safeLine } from './support/text.ts';
import { formatTime } from './support/time.ts';

/** As many as the API takes in one call. */
const BULK = 500;

export function register(program: Command): void {
  const alert = program
    .command('alert')
    .description('what principals did out of the ordinary, and what people make of it');
  list(alert);
  show(alert);
  acknowledge(alert);
  explain(alert);
  revoke(alert);
  dismiss(alert);
  registerRules(alert);
}

const statusOf = ({ status, disposition }: ListedAlert): string => disposition?.kind ?? status;

export const ALERT_COLUMNS: readonly Column<ListedAlert>[] = [
  { title: 'alert', value: (row) => row.id },
  { title: 'principal', value: (row) => row.principal.name, shrinkTo: 10 },
  { title: 'rule', value: (row) => row.rule },
  { title: 'on', value: (row) => row.resource?.name ?? '', shrinkTo: 8 },
  { title: 'what', value: (row) => row.values.join(', '), shrinkTo: 14 },
  { title: 'times', value: (row) => row.count, align: 'right' },
  { title: 'last', value: (row) => formatTime(row.lastAt) },
  { title: 'status', value: statusOf },
];

interface ListOptions {
  readonly status: string;
  readonly rule?: string;
  readonly principal?: string;
  readonly resource?: string;
  readonly owner?: string;
}

function list(parent: Command): void {
  const command = parent
    .command('list')
    .description('list alerts: those that nobody has closed, unless told otherwise')
    .addOption(
      new Option('--status <status>', 'only these')
        .choices(['unresolved', 'open', 'acknowledged', 'closed', 'all'])
        .default('unresolved'),
    )
    .addOption(new Option('--rule <rule>', 'only by this rule').choices([...ALERT_RULE_NAMES]))
    .option('--principal <principal>', 'only of this one')
    .option('--resource <resource>', 'only about this one')
    .option('--owner <person>', 'only of principals that this person answers for');
  examples(command, 'postern alert list', 'postern alert list --rule denials --status all --json');
  connected<ListOptions>(command, async ({ api, options }) => {
    const { status, rule, principal, resource, owner } = options;
    const asked = { status, rule, principal, resource, owner };
    const found = await api.all<ListedAlert>('/v1/alerts', asked);
    await printList(found, ALERT_COLUMNS, { json: options.json, empty: 'There is no such alert.' });
  });
}

function show(parent: Command): void {
  const command = parent
    .command('show <alert>')
    .description('what was found, by which rule, and the records by which it was found');
  connected(command, async ({ api, options, args }) => {
    const found = await api.get<ShownAlert>(path`/v1/alerts/${args[0] as string}`);
    if (options.json) return printJson(found);
    await print(`${describe(found.alert)}\n`);
    await printList(found.records, RECORD_COLUMNS, { empty: 'The log does not show its records yet.' });
    if (found.alert.disposition !== null) return;
    if (found.refusal !== null) note(`You do not close it: ${safeLine(found.refusal)}.`);
    else note(`Close it: postern alert explain ${found.alert.id} --reason "..."`);
  });
}

function describe(alert: ListedAlert): string {
  const { id, rule, principal, owner, resource, text, count, acknowledged, disposition, parameters } = alert;
  const set = Object.entries(parameters).map(([name, value]) => `${name} ${value}`);
  const ended = [...(disposition?.suspended ? ['the principal'] : []), ...(disposition?.grants ?? [])];
  return formatFields([
    ['alert', id],
    ['principal', `${principal.name}, of ${owner.name}`],
    ['what', text],
    ['resource', resource?.name ?? ''],
    ['rule', [rule, ...set].join(', ')],
    ['found', `${count} times, from ${formatTime(alert.firstAt)} to ${formatTime(alert.lastAt)}`],
    ['status', statusOf(alert)],
    ['acknowledged', acknowledged === null ? '' : saidBy(acknowledged)],
    ['closed', disposition === null ? '' : saidBy(disposition)],
    ...(ended.length === 0 ? [] : [['ended', ended.join(', ')] as const]),
  ]);
}

const saidBy = ({ by, at, reason }: { by: { name: string }; at: string; reason: string }): string =>
  `by ${by.name}, ${formatTime(at)}: ${reason}`;

const RECORD_COLUMNS: readonly Column<ShownAlert['records'][number]>[] = [
  { title: 'leaf', value: (row) => row.leaf, align: 'right' },
  { title: 'time', value: (row) => formatTime(row.time) },
  { title: 'record', value: (row) => row.type },
  { title: 'on', value: (row) => row.resource?.name ?? '', shrinkTo: 8 },
  { title: 'from', value: (row) => row.source ?? '' },
  {
    title: 'what',
    value: ({ verbs = [], objects = [], client }) => client ?? [...verbs, ...objects].join(' '),
    shrinkTo: 12,
  },
  {
    title: 'refused',
    value: ({ decision, code, reason }) => decision?.reason ?? (code && (reason ?? code)) ?? '',
    shrinkTo: 10,
  },
];

interface ReasonOption {
  readonly reason: string;
}

const withReason = (command: Command): Command =>
  command.requiredOption('--reason <text>', 'why; it is kept in the log');

function acknowledge(parent: Command): void {
  const command = withReason(
    parent.command('acknowledge <alert...>').description('say that you look into it; it stays open'),
  );
  disposing<ReasonOption>(command, () => ({ kind: 'acknowledged' }));
}

function explain(parent: Command): void {
  const command = withReason(
    parent.command('explain <alert...>').description('close alerts: what happened is in order, and why'),
  );
  examples(command, 'postern alert explain 01928f3e-... --reason "release 4.2 reads hr.people, CHG-1042"');
  disposing<ReasonOption>(command, () => ({ kind: 'explained' }));
}

function revoke(parent: Command): void {
  const command = withReason(
    parent
      .command('revoke <alert...>')
      .description('close alerts and end the grants by which it could happen, or suspend the principal')
      .option('--principal', 'suspend the principal, instead of ending its grants on the resource'),
  );
  disposing<ReasonOption & { readonly principal?: boolean }>(command, ({ principal }) => ({
    kind: 'revoked',
    what: principal === true ? 'principal' : 'grants',
  }));
}

function dismiss(parent: Command): void {
  const command = withReason(
    parent
      .command('dismiss <alert...>')
      .description('close alerts: a false positive')
      .option('--expect', 'and raise none for what they name from now on (an administrator)'),
  );
  disposing<ReasonOption & { readonly expect?: boolean }>(command, ({ expect }) => ({
    kind: 'false_positive',
    ...(expect === true && { expect }),
  }));
}

interface Answer {
  readonly alert: string;
  readonly done: ListedAlert | null;
  readonly error: { readonly code: string; readonly message: string } | null;
}

/** One as a call of its own, several in as few calls as may be. */
function disposing<O extends ReasonOption>(command: Command, of: (options: O) => object): void {
  connected<O>(command, async ({ api, options, args }) => {
    const ids = args.flat() as readonly string[];
    const said = { ...of(options), reason: options.reason };
    const [only] = ids;
    if (ids.length === 1 && only !== undefined) {
      const done = await api.post<ListedAlert>(path`/v1/alerts/${only}/dispose`, said);
      return options.json ? printJson(done) : note(`${done.principal.name}, ${done.rule}: ${statusOf(done)}`);
    }
    const done: Answer[] = [];
    for (let i = 0; i < ids.length; i += BULK) {
      const dispositions = ids.slice(i, i + BULK).map((alert) => ({ alert, ...said }));
      done.push(...(await api.post<{ items: Answer[] }>('/v1/alerts/dispose', { dispositions })).items);
    }
    if (options.json) await printJson({ items: done });
    else {
      for (const { alert, done: closed, error } of done) {
        note(`${alert}: ${closed === null ? safeLine(error?.message ?? '') : statusOf(closed)}`);
      }
    }
    const failed = done.filter(({ error }) => error !== null).length;
    if (failed > 0) throw new CliError('CLI_PARTLY', `${failed} of ${done.length} stayed as they were`);
  });
}
