import type { Command } from 'commander';
import { registerAdd } from './binding-add.ts';
import { registerApproval } from './binding-possession.ts';
import type { Binding, BindingFinding, IssuerState } from './support/api-types.ts';
import { BINDING_COLUMNS } from './support/binding-format.ts';
import { path } from './support/client.ts';
import { connected } from './support/command.ts';
import { note, printJson, printList } from './support/output.ts';

export function register(program: Command): void {
  const binding = program
    .command('binding')
    .description('how principals prove themselves without a secret of Postern');
  registerAdd(binding);
  list(binding);
  remove(binding);
  registerApproval(binding);
  lint(binding);
  issuers(binding);
}

function list(parent: Command): void {
  const command = parent
    .command('list')
    .description('list the bindings of a principal')
    .requiredOption('--principal <principal>', 'whose');
  connected<{ principal: string }>(command, async ({ api, options }) => {
    const items = await api.all<Binding>(path`/v1/principals/${options.principal}/bindings`);
    await printList(items, BINDING_COLUMNS, { json: options.json, empty: 'There is no binding.' });
  });
}

function remove(parent: Command): void {
  const command = parent
    .command('remove <id>')
    .description('end a binding now, with the sessions opened by it')
    .requiredOption('--reason <text>', 'why; it is kept in the log');
  connected<{ reason: string }>(command, async ({ api, options, args }) => {
    const done = await api.post<Binding>(path`/v1/bindings/${args[0] as string}/remove`, {
      reason: options.reason,
    });
    if (options.json) await printJson(done);
    else note('The binding is removed.');
  });
}

function lint(parent: Command): void {
  const command = parent
    .command('lint')
    .description('look for bindings that are wider than they look, or could go to somebody else');
  connected<object>(command, async ({ api, options }) => {
    const items = await api.all<BindingFinding>('/v1/bindings/lint');
    await printList(
      items,
      [
        { title: 'principal', value: (row) => row.principal.name },
        { title: 'binding', value: (row) => row.binding },
        { title: 'severity', value: (row) => row.severity },
        { title: 'finding', value: (row) => row.code },
        { title: 'why', value: (row) => row.message, shrinkTo: 24 },
        { title: 'fix', value: (row) => row.fix, shrinkTo: 24 },
      ],
      { json: options.json, empty: 'There is nothing to say about the bindings.' },
    );
  });
}

function issuers(parent: Command): void {
  const command = parent
    .command('issuers')
    .description('list the issuers that are bound, with their keys and when they answered');
  connected<object>(command, async ({ api, options }) => {
    const items = await api.all<IssuerState>('/v1/issuers');
    await printList(
      items,
      [
        { title: 'issuer', value: (row) => row.issuer, shrinkTo: 24 },
        { title: 'state', value: (row) => row.state },
        {
          title: 'keys',
          value: (row) => row.keys.map(({ kid, alg }) => `${alg}:${kid ?? '-'}`).join(' '),
          shrinkTo: 12,
        },
        { title: 'answered', value: (row) => row.fetchedAt ?? 'never' },
        { title: 'trusted until', value: (row) => row.trustedUntil ?? '' },
        { title: 'error', value: (row) => row.error ?? '', shrinkTo: 16 },
      ],
      { json: options.json, empty: 'No issuer is bound.' },
    );
  });
}
