import type { Command } from 'commander';
import { registerLedgerCheck } from './ledger-check.ts';
import { registerLedgerKeys } from './ledger-keys.ts';
import { registerLedgerWitnesses } from './ledger-witnesses.ts';
import type { LedgerStatus } from './support/api-types.ts';
import { connected } from './support/command.ts';
import { note, print, printJson } from './support/output.ts';
import { formatFields } from './support/table.ts';
import { safeBlock, safeLine } from './support/text.ts';

export function register(program: Command): void {
  const ledger = program.command('ledger').description('the append-only log');
  registerLedgerCheck(ledger);
  registerLedgerWitnesses(ledger);
  registerLedgerKeys(ledger);
  const status = ledger
    .command('status')
    .description('show the position and the signed checkpoint of the log, and the key that verifies it');
  connected(status, async ({ api, options }) => {
    const answer = await api.get<LedgerStatus>('/v1/ledger');
    if (options.json) return printJson(answer);
    await print(
      `${formatFields([
        ['origin', answer.origin],
        ['leaves', answer.size],
        ['root', answer.root],
        ...answer.vkey
          .split('\n')
          .map((vkey, i): [string, string] => [i === 0 ? 'verifier key' : 'and, as it retires', vkey]),
      ])}\n${safeBlock(answer.checkpoint)}`,
    );
    for (const loss of answer.losses) note(`LOST: ${safeLine(loss)}`);
  });
}
