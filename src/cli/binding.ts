import type { Command } from 'commander';
import type { Binding } from './support/api-types.ts';
import { path } from './support/client.ts';
import { connected, examples } from './support/command.ts';
import { usageError } from './support/failure.ts';
import { note, printJson, printList } from './support/output.ts';

export function register(program: Command): void {
  const binding = program
    .command('binding')
    .description('how principals prove themselves by tokens of an OIDC issuer');
  add(binding);
  list(binding);
  remove(binding);
}

interface AddOptions {
  readonly principal: string;
  readonly issuer: string;
  readonly audience: string;
  readonly claim: Readonly<Record<string, string>>;
  readonly reason?: string;
}

/** `sub=repo:bank/ledger:ref:refs/heads/main` */
function claim(text: string, previous: Readonly<Record<string, string>> = {}): Record<string, string> {
  const at = text.indexOf('=');
  const name = text.slice(0, at);
  if (at < 1 || at === text.length - 1)
    throw usageError(`"${text}" is no claim`, 'Write NAME=VALUE: sub=repo:bank/ledger:ref:refs/heads/main.');
  if (Object.hasOwn(previous, name)) throw usageError(`the claim ${name} is given twice`);
  return { ...previous, [name]: text.slice(at + 1) };
}

function add(parent: Command): void {
  const command = parent
    .command('add')
    .description('take tokens of an issuer for a principal, where they say exactly this')
    .requiredOption('--principal <principal>', 'whose')
    .requiredOption('--issuer <url>', 'as the claim "iss" has it')
    .requiredOption('--audience <text>', 'one of the claim "aud"')
    .requiredOption('--claim <name=value>', 'a claim and its exact value; may be given again', claim)
    .option('--reason <text>', 'why; it is kept in the log');
  examples(
    command,
    'postern binding add --principal ci-ledger --issuer https://token.actions.githubusercontent.com \\\n' +
      '      --audience postern --claim sub=repo:bank/ledger:ref:refs/heads/main',
  );
  connected<AddOptions>(command, async ({ api, options }) => {
    const { principal, issuer, audience, claim: claims, reason } = options;
    const made = await api.post<Binding>(path`/v1/principals/${principal}/bindings`, {
      ...{ issuer, audience, claims },
      ...(reason !== undefined && { reason }),
    });
    if (options.json) return printJson(made);
    note(`Binding ${made.id}: tokens of the issuer that say so prove ${made.principal.name}.`);
  });
}

/** What proves it, in one line. */
function provenBy(binding: Binding): string {
  switch (binding.kind) {
    case 'oidc': {
      const claims = Object.entries(binding.claims).map(([name, value]) => `${name}=${value}`);
      return `${binding.issuer} for ${binding.audience}: ${claims.join(' ')}`;
    }
    default:
      return '';
  }
}

function list(parent: Command): void {
  const command = parent
    .command('list')
    .description('list the bindings of a principal')
    .requiredOption('--principal <principal>', 'whose');
  connected<{ principal: string }>(command, async ({ api, options }) => {
    const items = await api.all<Binding>(path`/v1/principals/${options.principal}/bindings`);
    await printList(
      items,
      [
        { title: 'binding', value: (row) => row.id },
        { title: 'kind', value: (row) => row.kind },
        { title: 'proof', value: provenBy, shrinkTo: 24 },
      ],
      { json: options.json, empty: 'There is no binding.' },
    );
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
