import type { Command } from 'commander';
import type { ParameterShown } from '../evidence/assess/parameter-view.ts';
import { connected, examples } from './support/command.ts';
import { textOf } from './support/framework-options.ts';
import { note, print, printJson, printList } from './support/output.ts';

interface Parameters {
  readonly revision: number;
  readonly sha256: string | null;
  readonly text: string | null;
  readonly parameters: readonly ParameterShown[];
}

export function registerParameters(evidence: Command): void {
  const parameters = evidence
    .command('parameters')
    .description('the values that frameworks leave to the institution; none has a default');
  show(parameters);
  set(parameters);
  lint(parameters);
}

function show(parent: Command): void {
  const command = parent
    .command('show')
    .description('list every parameter with its value and the controls that need it')
    .option('--text', 'print the text as it was set')
    .option('--unset', 'only those without a value');
  connected<{ text?: boolean; unset?: boolean }>(command, async ({ api, options }) => {
    const current = await api.get<Parameters>('/v1/evidence/parameters');
    if (options.text) return print(current.text ?? '');
    const items = current.parameters.filter(({ value }) => !options.unset || value === null);
    if (options.json) return printJson({ ...current, parameters: items });
    await list(items);
    note(
      current.revision === 0
        ? 'Nobody has set any: postern evidence parameters set FILE'
        : `revision ${current.revision}, SHA-256 ${current.sha256}`,
    );
  });
}

function set(parent: Command): void {
  const command = parent
    .command('set <file>')
    .description('put the values of a file in the place of those before; "-" is standard input')
    .requiredOption('--reason <text>', 'why; it is kept in the log');
  examples(command, 'postern evidence parameters set parameters.yaml --reason "Access standard 4.2"');
  connected<{ reason: string }>(command, async ({ api, options, args }) => {
    const text = textOf(args[0] ?? '');
    const { reason } = options;
    const done = await api.post<Parameters>('/v1/evidence/parameters', { text, reason });
    await (options.json ? printJson(done) : print(`Set, revision ${done.revision}.\n`));
  });
}

function lint(parent: Command): void {
  const command = parent
    .command('lint <file>')
    .description('check a file; nothing is changed')
    .option('--unset', 'list what it leaves without a value');
  connected<{ unset?: boolean }>(command, async ({ api, options, args }) => {
    const text = textOf(args[0] ?? '');
    const { parameters } = await api.post<Parameters>('/v1/evidence/parameters', { text, dryRun: true });
    const unset = parameters.filter(({ value }) => value === null);
    if (options.json) return printJson({ parameters, unset: unset.map(({ id }) => id) });
    await print(
      `The file is right: ${parameters.length - unset.length} set, ${unset.length} without a value.\n`,
    );
    if (options.unset) await list(unset);
  });
}

function list(items: readonly ParameterShown[]): Promise<void> {
  return printList(
    items,
    [
      { title: 'parameter', value: (row) => row.id },
      { title: 'value', value: (row) => valueText(row), shrinkTo: 10 },
      { title: 'type', value: (row) => row.type },
      { title: 'label', value: (row) => row.label, shrinkTo: 20 },
      { title: 'controls', value: (row) => row.controls.join(', '), shrinkTo: 20 },
    ],
    { empty: 'There are none.' },
  );
}

function valueText({ value }: ParameterShown): string | null {
  if (value === null) return null;
  return typeof value === 'object' ? value.join(', ') : String(value);
}
