import { type Command, Option } from 'commander';
import { ALERT_RULE_NAMES, ALERT_RULES, type AlertRuleName } from '../core/alert-rules.ts';
import type { AlertRules } from './support/api-types.ts';
import { path } from './support/client.ts';
import { connected, examples, listOf } from './support/command.ts';
import { usageError } from './support/failure.ts';
import { printJson, printList } from './support/output.ts';
import type { Column } from './support/table.ts';

export function registerRules(parent: Command): void {
  const rules = parent.command('rules').description('by which rules alerts are raised');
  list(rules);
  set(rules);
  expected(rules);
  forget(rules);
}

interface Row {
  readonly rule: AlertRuleName;
  readonly enabled: boolean;
  readonly parameters: Readonly<Record<string, number>>;
}

const COLUMNS: readonly Column<Row>[] = [
  { title: 'rule', value: (row) => row.rule },
  { title: 'state', value: (row) => (row.enabled ? 'on' : 'off') },
  {
    title: 'set to',
    value: ({ parameters }) =>
      Object.entries(parameters)
        .map(([name, value]) => `${name}=${value}`)
        .join(' '),
  },
  { title: 'a principal that', value: (row) => ALERT_RULES[row.rule].says, shrinkTo: 20 },
];

const rowsOf = ({ rules }: Pick<AlertRules, 'rules'>): Row[] =>
  ALERT_RULE_NAMES.map((rule) => ({ rule, ...rules[rule] }));

async function shown(found: AlertRules, json: boolean | undefined): Promise<void> {
  await (json ? printJson(found) : printList(rowsOf(found), COLUMNS, { empty: 'There is no rule.' }));
}

function list(parent: Command): void {
  connected(parent.command('list').description('list the rules'), async ({ api, options }) =>
    shown(await api.get<AlertRules>('/v1/alert-rules'), options.json),
  );
}

interface SetOptions {
  readonly state?: 'on' | 'off';
  readonly set?: readonly string[];
  readonly reason: string;
}

function set(parent: Command): void {
  const command = parent
    .command('set <rule>')
    .description('set a rule anew, from the next record on')
    .addOption(new Option('--state <state>', 'whether it raises alerts').choices(['on', 'off']))
    .option('--set <name=number>', 'a parameter; several with several flags', listOf)
    .requiredOption('--reason <text>', 'why; it is kept in the log');
  examples(
    command,
    'postern alert rules set denials --set count=50 --set minutes=5 --reason "a job that probes"',
    'postern alert rules set first_hour --state off --reason "jobs on demand"',
  );
  connected<SetOptions>(command, async ({ api, options, args }) => {
    const { state, set: pairs = [], reason } = options;
    if (state === undefined && pairs.length === 0)
      throw usageError('say what is to be set: --state or --set');
    const done = await api.post<AlertRules>(path`/v1/alert-rules/${args[0] as string}`, {
      ...(state !== undefined && { enabled: state === 'on' }),
      ...(pairs.length > 0 && { parameters: Object.fromEntries(pairs.map(pairOf)) }),
      reason,
    });
    await shown(done, options.json);
  });
}

function pairOf(text: string): readonly [string, number] {
  const match = /^([A-Za-z]{1,40})=(\d{1,9})$/.exec(text);
  if (match === null) throw usageError(`"${text}" is not a parameter`, 'Write count=50.');
  return [match[1] as string, Number(match[2])];
}

const EXPECTED_COLUMNS: readonly Column<AlertRules['expected'][number]>[] = [
  { title: 'rule', value: (row) => row.rule },
  { title: 'principal', value: (row) => row.principal },
  { title: 'what', value: (row) => row.value, shrinkTo: 20 },
];

function expected(parent: Command): void {
  const command = parent
    .command('expected')
    .description('list what was said to be expected (postern alert dismiss --expect)');
  connected(command, async ({ api, options }) => {
    const { expected: items } = await api.get<AlertRules>('/v1/alert-rules');
    await printList(items, EXPECTED_COLUMNS, { json: options.json, empty: 'Nothing is expected.' });
  });
}

interface ForgetOptions {
  readonly principal: string;
  readonly value: string;
  readonly reason: string;
}

function forget(parent: Command): void {
  const command = parent
    .command('forget <rule>')
    .description('take back that something is to be expected')
    .requiredOption('--principal <principal>', 'of which')
    .requiredOption('--value <text>', 'what, as "postern alert rules expected" shows it')
    .requiredOption('--reason <text>', 'why; it is kept in the log');
  connected<ForgetOptions>(command, async ({ api, options, args }) => {
    const { principal, value, reason } = options;
    const rule = args[0] as string;
    const done = await api.post<AlertRules>(path`/v1/alert-rules/${rule}/forget`, {
      ...{ principal, value, reason },
    });
    await shown(done, options.json);
  });
}
