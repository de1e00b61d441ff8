import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import type { Trust } from './support/api-types.ts';
import { path } from './support/client.ts';
import { connected, examples } from './support/command.ts';
import { usageError } from './support/failure.ts';
import { note, printJson, printList } from './support/output.ts';

type Shown = Trust & {
  readonly bundle: { readonly fetchedAt: string | null; readonly error: string | null } | null;
};

interface Words {
  readonly kind: Trust['kind'];
  readonly command: string;
  readonly about: string;
  readonly flag: string;
  readonly help: string;
  readonly example: string;
}

const TRUST_DOMAIN: Words = {
  kind: 'spiffe',
  command: 'trust-domain',
  about: 'SPIFFE trust domains whose SVIDs prove principals',
  flag: '--bundle <file|url>',
  help: 'its bundle in the SPIFFE format: a file, or an https URL where it is fetched',
  example: 'postern trust-domain add bank.example --bundle https://spire.bank.example/bundle',
};
const CLIENT_CA: Words = {
  kind: 'x509',
  command: 'client-ca',
  about: 'authorities whose client certificates prove principals',
  flag: '--file <file>',
  help: 'their certificates, PEM',
  example: 'postern client-ca add bank-pki --file bank-issuing-ca.pem',
};
const SSH_CA: Words = {
  kind: 'ssh',
  command: 'ssh-ca',
  about: 'SSH authorities whose user certificates prove principals',
  flag: '--file <file>',
  help: 'their public keys, one a line as in a .pub file',
  example: 'postern ssh-ca add bank-ssh --file user_ca.pub',
};

export const registerTrustDomain = (program: Command): void => register(program, TRUST_DOMAIN);
export const registerClientCa = (program: Command): void => register(program, CLIENT_CA);
export const registerSshCa = (program: Command): void => register(program, SSH_CA);

interface What {
  readonly bundle?: string;
  readonly file?: string;
}

function bodyOf({ bundle, file }: What): { readonly url: string } | { readonly keys: string } {
  const from = bundle ?? file ?? '';
  if (bundle !== undefined && /^https?:/.test(bundle)) return { url: bundle };
  try {
    return { keys: readFileSync(from, 'utf8') };
  } catch (error) {
    throw usageError(`cannot read ${from}: ${(error as Error).message}`);
  }
}

function register(program: Command, words: Words): void {
  const parent = program.command(words.command).description(words.about);
  const at = `/v1/trust/${words.kind}`;

  const add = parent
    .command('add <name>')
    .description('trust it from now on')
    .requiredOption(words.flag, words.help)
    .option('--reason <text>', 'why; it is kept in the log');
  examples(add, words.example);
  connected<What & { reason?: string }>(add, async ({ api, options, args }) => {
    const { reason } = options;
    const made = await api.post<Shown>(at, {
      ...{ name: args[0], ...bodyOf(options) },
      ...(reason !== undefined && { reason }),
    });
    if (options.json) return printJson(made);
    note(`${made.name} is trusted. Bind principals to what it says: postern binding add --help`);
  });

  connected<object>(
    parent.command('list').description('list those that are trusted'),
    async ({ api, options }) => {
      const items = await api.all<Shown>(at);
      await printList(
        items,
        [
          { title: 'name', value: (row) => row.name },
          { title: 'keys', value: (row) => row.url ?? 'given', shrinkTo: 20 },
          ...(words.kind === 'spiffe'
            ? [
                { title: 'fetched', value: (row: Shown) => row.bundle?.fetchedAt ?? '' },
                { title: 'error', value: (row: Shown) => row.bundle?.error ?? '', shrinkTo: 16 },
              ]
            : []),
          { title: 'since', value: (row) => row.createdAt },
          { title: 'id', value: (row) => row.id },
        ],
        { json: options.json, empty: 'There is none.' },
      );
    },
  );

  const update = parent
    .command('update <name>')
    .description('replace its keys: for a rotation, first the old with the new, then the new alone')
    .requiredOption(words.flag, words.help)
    .requiredOption('--reason <text>', 'why; it is kept in the log');
  connected<What & { reason: string }>(update, async ({ api, options, args }) => {
    const body = { ...bodyOf(options), reason: options.reason };
    const done = await api.post<Shown>(`${at}${path`/${args[0] as string}`}/update`, body);
    if (options.json) await printJson(done);
    else note(`The keys of ${done.name} are replaced.`);
  });

  const remove = parent
    .command('remove <name>')
    .description('trust it no more: bindings that rest on it end, and their sessions')
    .requiredOption('--reason <text>', 'why; it is kept in the log');
  connected<{ reason: string }>(remove, async ({ api, options, args }) => {
    const body = { reason: options.reason };
    const done = await api.post<Shown>(`${at}${path`/${args[0] as string}`}/remove`, body);
    if (options.json) await printJson(done);
    else note(`${done.name} is trusted no more.`);
  });
}
