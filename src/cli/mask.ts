import { type Command, Option } from 'commander';
import { DETECTORS, TRANSFORMS } from '../core/masks.ts';
import { CLASS_NAMES, CLASSES } from '../masking/classes.ts';
import { registerBacktest } from './mask-backtest.ts';
import type { MaskRule } from './support/api-types.ts';
import { path } from './support/client.ts';
import { connected, examples, listFrom, listOf, wholeNumber } from './support/command.ts';
import { usageError } from './support/failure.ts';
import { describeMask, MASK_COLUMNS } from './support/mask-format.ts';
import { type TryOptions, tryMasks } from './support/mask-try.ts';
import { print, printJson, printList } from './support/output.ts';

export function register(program: Command): void {
  const mask = program
    .command('mask')
    .description('what is shown only masked: by column, by class of data, by content');
  add(mask);
  list(mask);
  show(mask);
  update(mask);
  retire(mask);
  test(mask);
  registerBacktest(mask);
}

const CHOICES = `
Classes:
${CLASS_NAMES.map((name) => `  ${name.padEnd(14)} ${CLASSES[name].summary}`).join('\n')}

Detectors, for text in columns that are not masked:
  ${DETECTORS.slice(0, 8).join(', ')},
  ${DETECTORS.slice(8).join(', ')}

Transforms, the strictest first; where rules meet, the strictest holds:
  null           NULL
  redact         one fixed value by type: [masked], 0, 1900-01-01
  hash           a keyed hash: equal values stay equal, so results can be joined
  tokenise       letters for letters and digits for digits; equal values stay equal; cannot be turned back
  generalise     days to --date, numbers down to --bucket, IP addresses to their network, text to --prefix
  partial        the last --keep characters, always fewer than half`;

interface RuleOptions {
  readonly class?: readonly string[];
  readonly column?: readonly string[];
  readonly columnName?: readonly string[];
  readonly detector?: readonly string[];
  readonly transform?: string;
  readonly keep?: number;
  readonly date?: string;
  readonly bucket?: number;
  readonly prefix?: number;
  readonly probes?: string;
}

/** Commas may stand in a quoted name, so only the flag given again makes two patterns. */
const another = (text: string, previous: readonly string[] | undefined): readonly string[] => [
  ...(previous ?? []),
  text,
];

function ruleOptions(command: Command): Command {
  return command
    .option('--class <class>', 'a class of data: its column names and detectors', listFrom(CLASS_NAMES))
    .option('--column <pattern>', 'schema.table.column, with * and ?; may be given again', another)
    .option('--column-name <pattern>', 'columns so called, in any table', listOf)
    .option('--detector <detector>', 'what is so recognised in text of other columns', listFrom(DETECTORS))
    .addOption(
      new Option(
        '--transform <transform>',
        'what is shown instead; redact in a new rule that does not say',
      ).choices(TRANSFORMS),
    )
    .option('--keep <n>', 'of partial: characters (4)', wholeNumber(1, 16))
    .addOption(new Option('--date <unit>', 'of generalise: unit of days (year)').choices(['month', 'year']))
    .option('--bucket <n>', 'of generalise: step of numbers (1000)', wholeNumber(2, 1_000_000_000_000))
    .option('--prefix <n>', 'of generalise: characters of text (2)', wholeNumber(0, 8))
    .addOption(
      new Option(
        '--probes <mode>',
        'whether statements may compare, sort or group by the column; deny in a new rule that does not say',
      ).choices(['deny', 'allow']),
    )
    .addHelpText('after', CHOICES);
}

function bodyOf(options: RuleOptions): object {
  const { transform: kind, keep, date, bucket, prefix, probes } = options;
  const details = { keep, date, bucket, prefix };
  if (kind === undefined && Object.values(details).some((each) => each !== undefined)) {
    throw usageError('--keep, --date, --bucket and --prefix belong to a --transform');
  }
  return {
    classes: options.class,
    columns: options.column,
    names: options.columnName,
    detectors: options.detector,
    probes,
    ...(kind !== undefined && { transform: { kind, ...details } }),
  };
}

interface AddOptions extends RuleOptions {
  readonly name?: string;
  readonly resource?: string;
  readonly principal?: string;
  readonly grant?: string;
  readonly reason?: string;
}

function add(parent: Command): void {
  const command = ruleOptions(
    parent
      .command('add')
      .description('mask columns or content; what is not narrowed holds for everybody and everywhere')
      .option('--name <name>', 'name of the rule; never used again')
      .option('--resource <resource>', 'only on this resource')
      .option('--principal <principal>', 'only for this principal')
      .option('--grant <id>', 'only for what is done under this grant')
      .option('--reason <text>', 'why; it is kept in the log'),
  );
  examples(
    command,
    'postern mask add --resource ledger-db --class contact --transform partial',
    'postern mask add --column hr.salaries.amount --transform generalise --bucket 10000',
    'postern mask add --principal report-bot --detector iban,card --transform hash',
  );
  connected<AddOptions>(command, async ({ api, options }) => {
    const { name, resource, principal, grant, reason } = options;
    const body = { ...bodyOf(options), name, resource, principal, grant, reason };
    const made = await api.post<MaskRule>('/v1/masks', body);
    await (options.json ? printJson(made) : print(describeMask(made)));
  });
}

interface ListOptions {
  readonly resource?: string;
  readonly principal?: string;
  readonly status?: string;
}

function list(parent: Command): void {
  const command = parent
    .command('list')
    .description('list mask rules')
    .option('--resource <resource>', 'only those that hold on this resource')
    .option('--principal <principal>', 'only those that hold for this principal')
    .addOption(
      new Option('--status <status>', 'only these').choices(['active', 'retired', 'all']).default('active'),
    );
  connected<ListOptions>(command, async ({ api, options }) => {
    const { resource, principal, status } = options;
    const items = await api.all<MaskRule>('/v1/masks', { resource, principal, status });
    await printList(items, MASK_COLUMNS, { json: options.json, empty: 'There is no such mask rule.' });
  });
}

function show(parent: Command): void {
  connected(parent.command('show <mask>').description('show a mask rule'), async ({ api, options, args }) => {
    const found = await api.get<MaskRule>(path`/v1/masks/${args[0] as string}`);
    await (options.json ? printJson(found) : print(describeMask(found)));
  });
}

function update(parent: Command): void {
  const command = ruleOptions(
    parent
      .command('update <mask>')
      .description('change what a rule masks, or how; what is given of the match replaces all of it')
      .requiredOption('--reason <text>', 'why; it is kept in the log'),
  );
  connected<RuleOptions & { readonly reason: string }>(command, async ({ api, options, args }) => {
    const body = { ...bodyOf(options), reason: options.reason };
    const done = await api.post<MaskRule>(path`/v1/masks/${args[0] as string}/update`, body);
    await (options.json ? printJson(done) : print(describeMask(done)));
  });
}

function retire(parent: Command): void {
  const command = parent
    .command('retire <mask>')
    .description('end a mask rule for good')
    .requiredOption('--reason <text>', 'why; it is kept in the log');
  connected<{ reason: string }>(command, async ({ api, options, args }) => {
    const { reason } = options;
    const done = await api.post<MaskRule>(path`/v1/masks/${args[0] as string}/retire`, { reason });
    await (options.json ? printJson(done) : print(describeMask(done)));
  });
}

function test(parent: Command): void {
  const command = parent
    .command('test [text]')
    .description('show what the rules would make of a text; without the text, it is read from standard input')
    .option('--resource <resource>', 'as on this resource')
    .option('--principal <principal>', 'as for this principal')
    .option('--grant <id>', 'as under this grant')
    .option('--column <column>', 'as a value of schema.table.column')
    .option('--type <type>', 'of this PostgreSQL type, by its name in pg_type', 'text')
    .addHelpText(
      'after',
      '\nThe text stays on this machine. Hashes and tokens are made with a key for this call only: the\n' +
        "installation's own would tell anybody which hash is whose.",
    );
  examples(
    command,
    'postern mask test "write to ada@bank.example" --resource ledger-db',
    'postern mask test 48200 --column hr.salaries.amount --type numeric',
  );
  connected<TryOptions>(command, async ({ api, options, args }) => {
    const rules = await api.all<MaskRule>('/v1/masks', {
      resource: options.resource,
      principal: options.principal,
    });
    const result = await tryMasks(rules, options, args[0]);
    await (options.json ? printJson(result) : print(`${result.masked ?? 'NULL'}\n`));
  });
}
