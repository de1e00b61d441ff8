import type { Writable } from 'node:stream';
import { type Command, Option } from 'commander';
import type { MaskedColumn } from '../core/record.ts';
import { registerLogReviews } from './activity-reviewed.ts';
import { registerSavedQueries } from './activity-saved.ts';
import {
  type ActivityWriter,
  activityWriter,
  FORMATS,
  type Format,
  formatSummary,
  result,
  what,
} from './support/activity-format.ts';
import type { ActivityDetail, ActivityItem, ActivitySummary } from './support/api-types.ts';
import { type ApiClient, path, type Query } from './support/client.ts';
import { pc } from './support/colors.ts';
import { authorityOf } from './support/columns.ts';
import { connected, examples, wholeNumber } from './support/command.ts';
import { usageError } from './support/failure.ts';
import { note, print, printJson, terminalWidth, withPager } from './support/output.ts';
import { formatFields } from './support/table.ts';
import { safeBlock, safeJson, safeLine } from './support/text.ts';
import { formatMicros, formatTime, parseMoment } from './support/time.ts';

interface Filters {
  readonly principal?: string;
  readonly owner?: string;
  readonly resource?: string;
  readonly grant?: string;
  readonly session?: string;
  readonly verb?: string;
  readonly object?: string;
  readonly decision?: string;
  readonly type?: string;
  readonly since?: string;
  readonly until?: string;
  readonly period?: string;
  readonly zone?: string;
  readonly saved?: string;
}

interface ActivityOptions extends Filters {
  readonly order?: string;
  readonly limit?: number;
  readonly cursor?: string;
  readonly all?: boolean;
  readonly format?: Format;
  readonly summary?: boolean;
  readonly wide?: boolean;
  readonly statements?: boolean;
}

export function register(program: Command): void {
  const command = filterOptions(
    program.command('activity').description('what was done, by whom, and on whose authority'),
  )
    .option('--saved <name>', 'as was kept under this name; what is said besides goes before it')
    .addOption(new Option('--order <order>', 'newest first, unless said otherwise').choices(['asc', 'desc']))
    .option('--limit <n>', 'items of a page (100)', wholeNumber(1, 1000))
    .option('--cursor <cursor>', 'the page that begins there')
    .option('--all', 'all pages, streaming')
    .option('--statements', 'with what was said to the resource, and the bind values')
    .option('--wide', 'a table with owner, grant, approvers and ticket as well; with --statements the text')
    .addOption(new Option('--format <format>', 'form of the output (table)').choices(FORMATS))
    .addOption(
      new Option('--summary', 'add it up: what did this job do, and on whose authority?').conflicts([
        'all',
        'cursor',
        'limit',
        'order',
        'type',
        'statements',
        'wide',
      ]),
    );
  examples(
    command,
    'postern activity --principal nightly-ledger-batch --since 24h --summary',
    'postern activity --principal nightly-ledger-batch --period last-quarter --wide --statements',
    'postern activity save refusals --decision deny --period last-month --shared',
    'postern activity --decision deny --since 2026-11-01',
    'postern activity --resource ledger-db --object "ledger.*" --all --format csv > ledger.csv',
    'postern activity show 0199aa11-...',
  );
  connected<ActivityOptions>(command, async ({ api, options }) => {
    if (options.summary) return summarize(api, options, options.json ?? false);
    return list(api, options, options.format ?? (options.json ? 'json' : 'table'));
  });
  show(command);
  registerSavedQueries(command, filterOptions, filters);
  registerLogReviews(command);
}

function filterOptions(command: Command): Command {
  return command
    .option('--principal <principal>', 'of this principal')
    .option('--owner <person>', 'of principals that this person answered for')
    .option('--resource <resource>', 'on this resource')
    .option('--grant <id>', 'under this grant')
    .option('--session <id>', 'in this session')
    .option('--verb <verb>', 'with this verb')
    .option('--object <glob>', 'on objects like this, e.g. "ledger.*"')
    .addOption(new Option('--decision <decision>', 'let through or refused').choices(['allow', 'deny']))
    .addOption(
      new Option('--type <type>', 'commands, unless said otherwise').choices([
        'command',
        'session',
        'change',
        'all',
      ]),
    )
    .option('--since <time>', 'from a day, a time, or a duration ago', (text) => parseMoment(text, -1))
    .option('--until <time>', 'until then, exclusive', (text) => parseMoment(text, -1))
    .option(
      '--period <period>',
      'of 2026-Q3, 2026-H2, 2026-07, 2026 or 2026-07-01/2026-07-15; last-quarter, this-month and the like',
    )
    .option('--zone <zone>', 'whose calendar the period is of (UTC)');
}

function filters(options: Filters): Query {
  const { principal, owner, resource, grant, session, verb, object, decision, type, since, until } = options;
  const { period, zone, saved } = options;
  const what = { principal, owner, resource, grant, session, verb, object, decision, type };
  return { ...what, since, until, period, zone, saved };
}

async function summarize(api: ApiClient, options: ActivityOptions, json: boolean): Promise<void> {
  if (options.format !== undefined && options.format !== 'json') {
    throw usageError(`--summary has no form "${options.format}"`, 'It is text, or JSON with --json.');
  }
  const summary = await api.get<ActivitySummary>('/v1/activity/summary', filters(options));
  await (json || options.format === 'json'
    ? printJson(summary)
    : print(formatSummary(summary, terminalWidth())));
}

async function list(api: ApiClient, options: ActivityOptions, format: Format): Promise<void> {
  const { order, cursor, all, statements = false, wide = false } = options;
  const limit = options.limit ?? (all ? (statements ? 200 : 1000) : 100);
  const more = statements ? { with: 'texts' } : {};
  const asked = { ...filters(options), ...more, order, limit, cursor };
  const pages = api.pages<ActivityItem>('/v1/activity', asked);
  const writer = activityWriter(format, terminalWidth(), { wide, statements });
  let next: string | null = null;
  const write = async (to: Writable): Promise<void> => {
    next = await writePages(pages, writer, to, all ?? false);
  };
  await (format === 'table' ? withPager(write) : write(process.stdout));
  if (next !== null && format !== 'json') note(`There is more: --all, or --cursor ${next}`);
}

/** Writes pages as they come, until the reader leaves. Returns where the next page begins, if one was left. */
async function writePages(
  pages: AsyncGenerator<{ readonly items: readonly ActivityItem[]; readonly next: string | null }>,
  writer: ActivityWriter,
  to: Writable,
  all: boolean,
): Promise<string | null> {
  let first = true;
  let next: string | null = null;
  for await (const page of pages) {
    if (first) {
      await print(writer.begin(), to);
      if (page.items.length === 0) note('Nothing was done that fits.');
    }
    await print(writer.page(page.items, first), to);
    first = false;
    next = all ? null : page.next;
    if (!all || to.destroyed || to.writableEnded) break;
  }
  await print(writer.end(next), to);
  return next;
}

function show(parent: Command): void {
  const command = parent
    .command('show <record>')
    .description(
      'show one record with its statement and its outcome, by the id that denials and tables name',
    );
  connected(command, async ({ api, options, args }) => {
    const found = await api.get<ActivityDetail>(path`/v1/activity/${args[0] as string}`);
    await (options.json ? printJson(found) : print(describe(found)));
  });
}

function describe(found: ActivityDetail): string {
  let text = formatFields([
    ['record', found.id],
    ['leaf', String(found.leaf)],
    ['time', formatTime(found.time)],
    ['type', found.type],
    ['principal', found.principal?.name],
    ['owner', found.owner?.name],
    ['resource', found.resource?.name],
    ['session', found.session],
    ['grant', found.grant],
    ['authority', authorityOf(found.authority)],
    ['justification', found.authority?.justification],
    ['what', what(found)],
    ['decision', found.decision],
    ['result', result(found)],
    ['rows', found.rows],
    ['took', found.durationUs === null ? null : formatMicros(found.durationUs)],
    ['masked', maskedIn(found.outcome)],
    ['outcome leaf', found.outcomeLeaf === null ? null : String(found.outcomeLeaf)],
  ]);
  for (const [kind, { by, time, reason, record }] of Object.entries(found.erased)) {
    text += `\n${pc.bold(`The ${safeLine(kind)} was erased`)} by ${safeLine(by.name)} on ${formatTime(time)}: ${safeLine(reason)}\n`;
    text += `record ${safeLine(record)}\n`;
  }
  if (found.statement !== null) text += `\n${pc.bold('Statement')}\n${safeBlock(found.statement)}\n`;
  if (found.parameters !== null) {
    const lines = found.parameters.map((value, at) => `$${at + 1}  ${safeJson(value)}\n`);
    text += `\n${pc.bold('Parameters')}\n${lines.join('')}`;
  }
  return `${text}\n${pc.bold('Leaf')}\n${safeJson(found.record, 2)}\n`;
}

/** What was masked in the result, as the outcome's record says it. */
function maskedIn(outcome: object | null): string | null {
  const { masked = [] } = (outcome ?? {}) as { readonly masked?: readonly MaskedColumn[] };
  const lines = masked.map(({ column, rule, revision, rows }) => {
    const under = rule === null ? 'not traced' : `rule ${rule}, revision ${revision}`;
    return `${column} in ${rows} ${rows === 1 ? 'row' : 'rows'} (${under})`;
  });
  return lines.length === 0 ? null : lines.join('; ');
}
