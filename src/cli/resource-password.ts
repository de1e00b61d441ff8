import type { Command } from 'commander';
import type { Resource } from './support/api-types.ts';
import { path } from './support/client.ts';
import { connected, examples } from './support/command.ts';
import { note, print, printJson } from './support/output.ts';
import { describe } from './support/resource-format.ts';
import { adminPassword, upstreamPassword } from './support/resource-secret.ts';
import { parseDuration } from './support/time.ts';

/** `postern resource rotate-password` and `postern resource set-password`. */
export function registerPasswords(resource: Command): void {
  rotate(resource);
  set(resource);
}

interface RotateOptions {
  readonly admin?: true;
  readonly every?: string;
  readonly reason: string;
}

function rotate(parent: Command): void {
  const command = parent
    .command('rotate-password <resource>')
    .description('replace its upstream password, in the database and here; sessions go on')
    .option('--admin', 'that of the administering user instead')
    .option('--every <duration>', 'from now on replace both when they are so old (1h to 400d), or "never"')
    .requiredOption('--reason <text>', 'why; it is kept in the log');
  examples(
    command,
    'postern resource rotate-password ledger-db --reason "a laptop was lost"',
    'postern resource rotate-password ledger-db --every 30d --reason "policy 7.3"',
  );
  command.addHelpText(
    'after',
    '\nThe user changes its own password; where it cannot log in any more, the administering user does it.\n' +
      'What fails is tried again by itself, and "resource show" says why.',
  );
  connected<RotateOptions>(command, async ({ api, options, args }) => {
    const { admin, every, reason } = options;
    const done = await api.post<Resource>(path`/v1/resources/${args[0] as string}/rotate-password`, {
      login: admin === true ? 'admin' : 'upstream',
      reason,
      ...(every !== undefined && { everySeconds: every === 'never' ? null : parseDuration(every) }),
    });
    await (options.json ? printJson(done) : print(describe(done)));
  });
}

interface SetOptions {
  readonly admin?: true;
  readonly passwordFile?: string;
  readonly passwordFrom?: string;
  readonly reason: string;
}

function set(parent: Command): void {
  const command = parent
    .command('set-password <resource>')
    .description('tell Postern a password that was changed in the database, or where it is kept from now on')
    .option('--admin', 'that of the administering user')
    .option('--password-file <file>', 'file with the password, "-" for standard input')
    .option(
      '--password-from <reference>',
      'where it is kept from now on, such as aws-sm://main/prod/db#password',
    )
    .requiredOption('--reason <text>', 'why; it is kept in the log');
  command.addHelpText(
    'after',
    '\nThe password comes from --password-file, else POSTERN_UPSTREAM_PASSWORD (POSTERN_ADMIN_PASSWORD), else it is asked for.',
  );
  connected<SetOptions>(command, async ({ api, options, args }) => {
    const { admin, passwordFile, passwordFrom, reason } = options;
    const ask = admin === true ? adminPassword : upstreamPassword;
    const name = args[0] as string;
    const done = await api.post<Resource>(path`/v1/resources/${name}/password`, {
      login: admin === true ? 'admin' : 'upstream',
      ...(await ask(passwordFile, passwordFrom)),
      reason,
    });
    if (options.json) return printJson(done);
    await print(describe(done));
    note(`See whether it is right: postern resource test ${done.name}`);
  });
}
