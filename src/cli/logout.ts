import type { Command } from 'commander';
import { connected } from './support/command.ts';
import { CliError } from './support/failure.ts';
import { note, printJson } from './support/output.ts';
import { writeProfile } from './support/profile.ts';

export function register(program: Command): void {
  const command = program.command('logout').description('end your session, here and on the server');
  connected(command, async ({ api, options }) => {
    try {
      await api.post('/v1/logout', {});
    } catch (error) {
      // One that has ended already needs no end.
      if (!(error instanceof CliError) || error.code !== 'POSTERN_UNAUTHORIZED') throw error;
    }
    writeProfile(api.connection, { token: null, expiresAt: new Date().toISOString() });
    if (options.json) return printJson({ signedOut: true });
    note('Signed out.');
  });
}
