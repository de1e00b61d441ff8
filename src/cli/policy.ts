import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { type Command, Option } from 'commander';
import { createTwoFilesPatch, FILE_HEADERS_ONLY } from 'diff';
import pc from 'picocolors';
import { type CaseResult, checkPolicy, runCases } from '../access/policies.ts';
import type { PolicyDocument } from '../access/policy/document.ts';
import type { AccessPolicy, Backtest } from './support/api-types.ts';
import { path } from './support/client.ts';
import { connected, examples } from './support/command.ts';
import { CliError } from './support/failure.ts';
import { note, print, printJson, printList } from './support/output.ts';
import { formatTime, parseMoment } from './support/time.ts';

export function register(program: Command): void {
  const policy = program
    .command('policy')
    .description('who may ask for what, and who has to agree (docs/policy.md)');
  set(policy);
  test(policy);
  diff(policy);
  backtest(policy);
  list(policy);
  show(policy);
  retire(policy);
}

interface Texts {
  readonly items: readonly AccessPolicy[];
}

/** A text and what it says; "-" is standard input. @throws PosternError with line and reason of what is wrong */
function readPolicyFile(file: string): PolicyDocument & { readonly text: string } {
  const text = readFileSync(file === '-' ? 0 : file, 'utf8');
  return { ...checkPolicy('policy', text, file === '-' ? 'standard input' : basename(file)), text };
}

function set(parent: Command): void {
  const command = parent
    .command('set <file>')
    .description(
      'put a text in force at once, when it is right and passes its own cases; "-" is standard input',
    )
    .requiredOption('--reason <text>', 'why; it is kept in the log');
  examples(command, 'postern policy set ledger.yaml --reason "CHG-1042: nightly job posts itself"');
  connected<{ reason: string }>(command, async ({ api, options, args }) => {
    const { name, text } = readPolicyFile(args[0] ?? '');
    const done = await api.post<AccessPolicy>(path`/v1/policies/${name}`, {
      text,
      reason: options.reason,
    });
    await (options.json ? printJson(done) : print(`${done.name} is in force, revision ${done.revision}.\n`));
  });
}

function test(parent: Command): void {
  const command = parent
    .command('test <file>')
    .description('check a text and run its cases, here and now; nothing is changed anywhere')
    .option('--json', 'print JSON');
  examples(command, 'postern policy test ledger.yaml');
  command.action(async () => {
    const read = readPolicyFile(command.args[0] ?? '');
    const cases = runCases(read);
    const failed = cases.filter(({ passed }) => !passed).length;
    if (command.opts<{ json?: boolean }>().json) await printJson({ rules: read.rules.length, cases, failed });
    else await print(describeCases(cases, read.rules.length));
    if (failed > 0) {
      throw new CliError('CLI_POLICY_FAILED', `${failed} of ${cases.length} cases came out otherwise`);
    }
  });
}

function describeCases(cases: readonly CaseResult[], rules: number): string {
  const lines = cases.map(({ name, passed, expected, got }) =>
    passed
      ? `${pc.green('ok')}     ${name}: ${got}`
      : `${pc.red('failed')} ${name}: expected ${expected}, but ${got}`,
  );
  const counted = `${rules} rule${rules === 1 ? '' : 's'}, ${cases.length} case${cases.length === 1 ? '' : 's'}`;
  return `${[...lines, counted].join('\n')}\n`;
}

function diff(parent: Command): void {
  const command = parent
    .command('diff <file>')
    .description('what a text would change in the policy that is in force; exit code 1 when something');
  examples(command, 'postern policy diff ledger.yaml');
  connected(command, async ({ api, options, args }) => {
    const [file = ''] = args;
    const { name, text: after } = readPolicyFile(file);
    const { items } = await api.get<Texts>('/v1/policies?status=active');
    const before = items.find((each) => each.name === name);
    const from = before === undefined ? '(none)' : `${name}, revision ${before.revision}`;
    const patch = createTwoFilesPatch(from, file, before?.text ?? '', after, undefined, undefined, {
      context: 3,
      headerOptions: FILE_HEADERS_ONLY,
    });
    const same = before?.text === after;
    if (options.json) await printJson({ changed: !same, patch: same ? '' : patch });
    else if (same) note('Nothing would change.');
    else await print(painted(patch));
    if (!same) process.exitCode = 1;
  });
}

interface BacktestOptions {
  readonly against: string;
}

function backtest(parent: Command): void {
  const command = parent
    .command('backtest <file>')
    .description(
      'what a text would have made of the commands that were let through and refused; nothing is enforced',
    )
    .addOption(
      new Option('--against <time>', 'since then, or so long ago')
        .argParser((text) => parseMoment(text, -1))
        .default(parseMoment('90d', -1), '90d'),
    );
  examples(command, 'postern policy backtest ledger.yaml --against 90d');
  connected<BacktestOptions>(command, async ({ api, options, args }) => {
    const { name, text } = readPolicyFile(args[0] ?? '');
    const body = { text, since: options.against };
    const done = await api.post<Backtest>(path`/v1/policies/${name}/backtest`, body);
    if (options.json) await printJson(done);
    else await tellBacktest(done);
    if (done.rows.some(({ change }) => change === 'denied')) process.exitCode = 1;
  });
}

async function tellBacktest({ rows, ...sums }: Backtest): Promise<void> {
  await printList(
    rows,
    [
      { title: 'principal', value: (row) => row.principal.name, shrinkTo: 10 },
      { title: 'resource', value: (row) => row.resource.name, shrinkTo: 8 },
      { title: 'scope', value: (row) => row.scope, shrinkTo: 14 },
      { title: 'commands', value: (row) => row.commands, align: 'right' },
      { title: 'were', value: (row) => (row.refused ? 'refused' : 'let through') },
      { title: 'now', value: (row) => row.before, shrinkTo: 12 },
      {
        title: 'then',
        value: (row) => row.after,
        shrinkTo: 12,
        paint: (text, row) => (row.change === 'denied' ? pc.red(text) : text),
      },
      { title: 'example', value: (row) => row.example },
    ],
    { empty: 'Every command would have come out as it would now.' },
  );
  const { commands, classes, same, free, unresolved, refused } = sums;
  note(
    `${commands} commands of ${classes} kinds: ${same} as now, ${free} need no scope, ${commands - same - free} otherwise.` +
      (unresolved > 0 ? ` Of ${unresolved} it could not be told which verb went to which object.` : '') +
      (refused > 0
        ? ` ${refused} commands were refused; what of them could be asked for then is listed.`
        : ''),
  );
}

const painted = (patch: string): string =>
  patch.replaceAll(/^[+-].*$/gm, (line) => (line.startsWith('+') ? pc.green(line) : pc.red(line)));

function list(parent: Command): void {
  const command = parent
    .command('list')
    .description('the texts of the policy, in the order in which their rules are tried')
    .addOption(
      new Option('--status <status>', 'only these').choices(['active', 'retired', 'all']).default('active'),
    );
  connected<{ status: string }>(command, async ({ api, options }) => {
    const { items } = await api.get<Texts>(path`/v1/policies?status=${options.status}`);
    await printList(
      items,
      [
        { title: 'policy', value: (row) => row.name },
        { title: 'revision', value: (row) => row.revision, align: 'right' },
        { title: 'status', value: (row) => row.status },
        { title: 'rules', value: (row) => checkPolicy(row.name, row.text).rules.length, align: 'right' },
        { title: 'begun', value: (row) => formatTime(row.createdAt) },
      ],
      { json: options.json, empty: 'There is no policy: grants are made by people alone.' },
    );
  });
}

function show(parent: Command): void {
  connected(
    parent.command('show <name>').description('the text of a policy'),
    async ({ api, options, args }) => {
      const found = await api.get<AccessPolicy>(path`/v1/policies/${args[0] as string}`);
      await (options.json
        ? printJson(found)
        : print(found.text.endsWith('\n') ? found.text : `${found.text}\n`));
    },
  );
}

function retire(parent: Command): void {
  const command = parent
    .command('retire <name>')
    .description('end a text for good; grants that rest on it stay until their end')
    .requiredOption('--reason <text>', 'why; it is kept in the log');
  connected<{ reason: string }>(command, async ({ api, options, args }) => {
    const done = await api.post<AccessPolicy>(path`/v1/policies/${args[0] as string}/retire`, {
      reason: options.reason,
    });
    await (options.json ? printJson(done) : print(`${done.name} is retired.\n`));
  });
}
