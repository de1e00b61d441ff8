/** How activity is shown: as a table, NDJSON, CSV, or a summary that answers a question. */

import { describeConditions } from '../../core/condition-words.ts';
import type { ActivityItem, ActivitySummary, ToldItem } from './api-types.ts';
import { pc } from './colors.ts';
import { authorityOf } from './columns.ts';
import { csvRow } from './csv.ts';
import { type Column, TextTable } from './table.ts';
import { safeJson, safeLine } from './text.ts';
import { formatMicros, formatTime } from './time.ts';

/** Turns pages of activity into text, in order. */
export interface ActivityWriter {
  begin(): string;
  page(items: readonly ActivityItem[], first: boolean): string;
  /** @param next where the next page begins, when there is one that was not asked for */
  end(next: string | null): string;
}

export const FORMATS = ['table', 'json', 'ndjson', 'csv'] as const;
export type Format = (typeof FORMATS)[number];

/** What a table or CSV shows beside the rest. */
export interface Shown {
  /** Owner, grant, approvers and ticket in columns of their own. */
  readonly wide: boolean;
  readonly statements: boolean;
}

/** @param width columns of the terminal */
export function activityWriter(format: Format, width: number, shown: Shown): ActivityWriter {
  const nothing = (): string => '';
  if (format === 'csv') {
    return {
      begin: () => csvRow(csvColumns(shown).map(([name]) => name)),
      page: (items) =>
        items.map((item) => csvRow(csvColumns(shown).map(([, value]) => value(item)))).join(''),
      end: nothing,
    };
  }
  if (format === 'ndjson') {
    return {
      begin: nothing,
      page: (items) => items.map((item) => `${safeJson(item)}\n`).join(''),
      end: nothing,
    };
  }
  if (format === 'json') {
    return {
      begin: () => '{"items":[',
      page: (items, first) =>
        items.map((item, at) => `${first && at === 0 ? '' : ','}\n${safeJson(item)}`).join(''),
      end: (next) => `\n],"next":${safeJson(next)}}\n`,
    };
  }
  const all: readonly (Column<ActivityItem> & { readonly from?: number })[] = [
    ...(shown.wide ? WIDE : COLUMNS),
    ...(shown.statements ? [STATEMENT] : []),
  ];
  const columns = all.filter((column) => shown.wide || width >= (column.from ?? 0));
  const table = new TextTable(columns, width);
  return { begin: nothing, page: (items) => table.format(items), end: nothing };
}

/** Columns, and the width of the terminal from which there is room for them. */
const COLUMNS: readonly (Column<ActivityItem> & { readonly from?: number })[] = [
  { title: 'time', value: (row) => formatTime(row.time) },
  { title: 'principal', value: actorOf, shrinkTo: 9 },
  { title: 'resource', value: (row) => row.resource?.name, shrinkTo: 8 },
  { title: 'what', value: what, shrinkTo: 14 },
  {
    title: 'result',
    value: result,
    shrinkTo: 8,
    paint: (text, row) => (row.decision === 'deny' ? pc.red(text) : text),
  },
  { title: 'rows', value: (row) => row.rows, align: 'right', from: 100 },
  {
    title: 'took',
    value: (row) => (row.durationUs === null ? null : formatMicros(row.durationUs)),
    align: 'right',
    from: 100,
  },
  { title: 'authority', value: (row) => authorityOf(row.authority), shrinkTo: 9 },
  // An id is of use only whole.
  { title: 'record', value: (row) => row.id, from: 130 },
];

/** All that answers who did what, and on whose authority. */
const WIDE: readonly Column<ActivityItem>[] = [
  ...COLUMNS.filter(({ title }) => title !== 'authority' && title !== 'record'),
  { title: 'owner', value: (row) => row.owner?.name },
  { title: 'grant', value: (row) => row.grant },
  { title: 'approvers', value: (row) => approversOf(row) },
  { title: 'ticket', value: (row) => row.ticket },
  { title: 'record', value: (row) => row.id },
];

const STATEMENT: Column<ActivityItem> = { title: 'statement', value: statementOf, shrinkTo: 20 };

/** What was said; an item has it only where it was asked for. */
function statementOf(item: ActivityItem): string | null {
  const { statement = null, erased = {} } = item as Partial<ToldItem>;
  return statement ?? ('statement' in erased ? '(erased)' : null);
}

function parametersOf(item: ActivityItem): string | null {
  const { parameters = null } = item as Partial<ToldItem>;
  return parameters === null ? null : JSON.stringify(parameters);
}

function approversOf({ authority }: ActivityItem): string {
  return authority?.approvers.map((person) => person.name).join('; ') ?? '';
}

/** Who did it, and on whose behalf. */
function actorOf({ principal, delegation }: ActivityItem): string | undefined {
  const behalf = delegation.map(({ name }) => ` for ${name}`).reverse();
  return principal === null ? undefined : `${principal.name}${behalf.join('')}`;
}

/** What an item is about, in one line. */
export function what(item: ActivityItem): string {
  if (item.verbs.length > 0) return `${item.verbs.join(', ')} ${item.objects.join(', ')}`.trim();
  if (item.subject) return `${item.type} ${item.subject.name}`;
  // Transactions, settings and the like touch no object.
  return item.type.startsWith('command.') ? '(no object)' : item.type;
}

/** How it went: the native result, or why it was refused. */
export function result(item: ActivityItem): string {
  if (item.decision === 'deny') return `refused: ${item.reason ?? item.code ?? ''}`;
  if (item.status === null) return item.reason ?? (item.type === 'command.intent' ? 'no outcome yet' : '');
  return `${item.status} ${item.code ?? ''}`.trim();
}

type CsvColumn = readonly [string, (item: ActivityItem) => string | number | null | undefined];

const CSV: readonly CsvColumn[] = [
  ['leaf', (item) => item.leaf],
  ['id', (item) => item.id],
  ['time', (item) => item.time],
  ['type', (item) => item.type],
  ['principal', (item) => item.principal?.name],
  ['delegation', (item) => item.delegation.map(({ name }) => name).join('; ')],
  ['owner', (item) => item.owner?.name],
  ['resource', (item) => item.resource?.name],
  ['grant', (item) => item.grant],
  ['approvers', approversOf],
  ['ticket', (item) => item.ticket],
  ['session', (item) => item.session],
  ['verbs', (item) => item.verbs.join(' ')],
  ['objects', (item) => item.objects.join(' ')],
  ['decision', (item) => item.decision],
  ['reason', (item) => item.reason],
  ['status', (item) => item.status],
  ['code', (item) => item.code],
  ['rows', (item) => item.rows],
  ['duration_us', (item) => item.durationUs],
  ['outcome_leaf', (item) => item.outcomeLeaf],
  ['fingerprint', (item) => item.fingerprint],
];

function csvColumns({ statements }: Shown): readonly CsvColumn[] {
  return statements ? [...CSV, ['statement', statementOf], ['parameters', parametersOf]] : CSV;
}

/** "What did this job do, and on whose authority?" */
export function formatSummary(summary: ActivitySummary, width: number): string {
  if (summary.firstAt === null) return 'Nothing was done that fits.\n';
  return `${whoActed(summary)}\n${whatWasDone(summary, width)}\n${whoAllowedIt(summary)}`;
}

function whoActed({ principals }: ActivitySummary): string {
  if (principals.length > 3) return `${pc.bold(`${principals.length} principals`)}\n`;
  return principals
    .map((principal) => {
      const about = [principal.kind, principal.status].filter((word) => word !== null).join(', ');
      const purpose = principal.purpose === null ? '' : `  ${safeLine(principal.purpose)}\n`;
      const owner = safeLine(principal.owner?.name ?? 'nobody known');
      return `${pc.bold(safeLine(principal.name))} (${safeLine(about)})\n${purpose}  answered for by ${pc.bold(owner)}\n`;
    })
    .join('');
}

function whatWasDone(summary: ActivitySummary, width: number): string {
  const count = (n: number, one: string): string =>
    `${n.toLocaleString('en-US')} ${one}${n === 1 ? '' : 's'}`;
  const refused =
    summary.denied === 0 ? 'none refused' : pc.red(`${summary.denied.toLocaleString('en-US')} refused`);
  const table = new TextTable<ActivitySummary['byVerbObject'][number]>(
    [
      { title: 'verb', value: (row) => row.verb, shrinkTo: 8 },
      // Transactions, settings and the like touch no object.
      { title: 'object', value: (row) => row.object || '(no object)', shrinkTo: 12 },
      { title: 'allowed', value: (row) => row.allowed || null, align: 'right' },
      {
        title: 'refused',
        value: (row) => row.denied || null,
        align: 'right',
        paint: (text, row) => (row.denied > 0 ? pc.red(text) : text),
      },
      { title: 'rows', value: (row) => row.rows || null, align: 'right' },
    ],
    width - 2,
  );
  return (
    `${pc.bold('What was done')}, ${formatTime(summary.firstAt)} to ${formatTime(summary.lastAt)}\n` +
    `  ${count(summary.commands, 'command')} let through in ${count(summary.sessions, 'session')}, ${refused}\n\n` +
    indent(table.format(summary.byVerbObject))
  );
}

function whoAllowedIt({ grants }: ActivitySummary): string {
  if (grants.length === 0) return `${pc.bold('On whose authority')}\n  nobody's: nothing ran under a grant\n`;
  const parts = grants.map((grant) => {
    const why = grant.authority?.justification;
    const end =
      grant.endedAt === null
        ? `${grant.status}, ends ${formatTime(grant.end)}`
        : `${grant.status} ${formatTime(grant.endedAt)}${grant.endReason === null ? '' : ` (${safeLine(grant.endReason)})`}`;
    return (
      `  ${pc.bold(safeLine(authorityOf(grant.authority)))}${why ? `: ${safeLine(why)}` : ''}\n` +
      `    ${safeLine(grant.scope)}, on ${safeLine(grant.resource?.name ?? 'an unknown resource')}\n` +
      describeConditions(grant.conditions)
        .map((words) => `    only ${safeLine(words)}\n`)
        .join('') +
      `    from ${formatTime(grant.start)}; ${end}\n` +
      `    ${pc.dim(`grant ${safeLine(grant.id)}`)}\n`
    );
  });
  return `${pc.bold('On whose authority')}\n${parts.join('')}`;
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, '  ');
}
