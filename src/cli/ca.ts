import type { Command } from 'commander';
import { connected, examples } from './support/command.ts';
import { note, print, printJson } from './support/output.ts';

export function register(program: Command): void {
  const ca = program.command('ca').description('keys with which Postern signs credentials');
  const ssh = ca
    .command('ssh-public-key')
    .description('print the authority of SSH certificates, for TrustedUserCAKeys of sshd');
  examples(ssh, 'postern ca ssh-public-key > /etc/ssh/postern_ca.pub');
  connected(ssh, async ({ api, options }) => {
    const found = await api.get<{ publicKey: string }>('/v1/ssh-ca');
    if (options.json) await printJson(found);
    else await print(`${found.publicKey}\n`);
  });
  const rotate = ca
    .command('rotate-token-key')
    .description('sign bearer tokens with the next key; those of before are good until they end')
    .requiredOption('--reason <text>', 'why; it is kept in the log');
  connected<{ reason: string }>(rotate, async ({ api, options }) => {
    const done = await api.post<{ before: string; after: string }>('/v1/token-keys/rotate', {
      reason: options.reason,
    });
    if (options.json) await printJson(done);
    else note(`Bearer tokens are signed with ${done.after}; ${done.before} is published for two hours more.`);
  });
}
