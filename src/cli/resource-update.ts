import { type Command, Option } from 'commander';
import type { Resource } from './support/api-types.ts';
import { path } from './support/client.ts';
import { connected, examples, wholeNumber } from './support/command.ts';
import { print, printJson } from './support/output.ts';
import { describe } from './support/resource-format.ts';

interface UpdateOptions {
  readonly owner?: string;
  readonly ownerless?: true;
  readonly host?: string;
  readonly port?: number;
  readonly database?: string;
  readonly environment?: string;
  readonly classification?: string;
  readonly durability?: string;
  readonly catalogAccess?: string;
  readonly reason: string;
}

/** `postern resource update`. */
export function registerUpdate(parent: Command): void {
  const command = parent
    .command('update <resource>')
    .description('change who answers for an upstream system, or what is said of it; what is not named stays')
    .option('--owner <person>', 'who answers for it: id, name or e-mail address')
    .addOption(new Option('--ownerless', 'nobody answers for it').conflicts('owner'))
    .option('--host <host>', 'where it is, for sessions from now on')
    .option('--port <port>', 'port', wholeNumber(1, 65_535))
    .option('--database <name>', 'the database that the bare name of the resource means')
    .option('--environment <name>', 'where it belongs')
    .option('--classification <name>', 'class of its data')
    .addOption(
      new Option(
        '--durability <level>',
        'what a record must survive before its command is forwarded',
      ).choices(['process', 'power']),
    )
    .addOption(
      new Option('--catalog-access <level>', 'system catalogues open to every session').choices([
        'tools',
        'none',
      ]),
    )
    .requiredOption('--reason <text>', 'why; it is kept in the log');
  examples(command, 'postern resource update ledger-db --owner grace@bank.example --reason "CHG-1077"');
  connected<UpdateOptions>(command, async ({ api, options, args }) => {
    const { owner, ownerless, json, ...rest } = options;
    const { host, port, database, environment, classification, durability, catalogAccess, reason } = rest;
    const said = { host, port, database, environment, classification, durability, catalogAccess, reason };
    const done = await api.post<Resource>(path`/v1/resources/${args[0] as string}/update`, {
      ...Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined)),
      ...(owner !== undefined && { owner }),
      ...(ownerless === true && { owner: null }),
    });
    await (json ? printJson(done) : print(describe(done)));
  });
}
