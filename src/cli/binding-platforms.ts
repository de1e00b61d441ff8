import type { Command } from 'commander';
import type { Binding } from './support/api-types.ts';
import { path } from './support/client.ts';
import { connected, examples } from './support/command.ts';
import { note, printJson } from './support/output.ts';

interface Options {
  readonly audience: string;
  readonly reason?: string;
}

/** `postern binding add aws-caller-identity` and `kubernetes-review`: identities that their platform is asked about. */
export function registerPlatforms(add: Command): void {
  const aws = add
    .command('aws-caller-identity <principal>')
    .description('by requests for GetCallerIdentity, signed for this Postern')
    .requiredOption('--account <id>', 'the AWS account')
    .requiredOption('--unique-id <id>', 'of the role (AROA...) or user (AIDA...)')
    .option('--session <name>', 'name of the session of the role; of an instance, its id')
    .requiredOption('--region <name>', 'whose STS is asked');
  examples(
    aws,
    'postern binding add aws-caller-identity nightly --account 123456789012 --unique-id AROAEXAMPLEEXAMPLE \\\n' +
      '      --region eu-central-1 --audience https://postern.bank.example',
  );
  finish(aws, 'aws', ['account', 'uniqueId', 'session', 'region'], 'Signed requests of that identity');

  const kubernetes = add
    .command('kubernetes-review <principal>')
    .description('by service account tokens that their cluster is asked about (TokenReview)')
    .requiredOption('--cluster <name>', 'as the configuration of postern serve calls it')
    .requiredOption('--namespace <name>', 'of the service account')
    .requiredOption('--service-account <name>', 'its name')
    .requiredOption('--uid <uuid>', 'its uid: a name can be given again');
  examples(
    kubernetes,
    'postern binding add kubernetes-review nightly --cluster prod --namespace ledger --service-account nightly \\\n' +
      '      --uid 0b8c1d1e-6a52-4a5c-9f0e-6f4f0d1c2b3a --audience https://postern.bank.example',
  );
  finish(kubernetes, 'kubernetes', ['cluster', 'namespace', 'serviceAccount', 'uid'], 'Tokens of it');
}

function finish(command: Command, kind: string, names: readonly string[], what: string): void {
  command
    .requiredOption('--audience <text>', 'what the proof is made for, such as the address of this Postern')
    .option('--reason <text>', 'why; it is kept in the log');
  connected<Options>(command, async ({ api, options, args }) => {
    const given = options as unknown as Readonly<Record<string, string | undefined>>;
    const body = [...names, 'audience', 'reason'].flatMap((name) =>
      given[name] === undefined ? [] : [[name, given[name]] as const],
    );
    const made = await api.post<Binding>(
      path`/v1/principals/${args[0] as string}/bindings/${kind}`,
      Object.fromEntries(body),
    );
    if (options.json) return printJson(made);
    note(`Binding ${made.id}: ${what} prove ${made.principal.name} at the exchange.`);
  });
}
