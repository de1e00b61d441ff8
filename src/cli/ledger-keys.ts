import type { Command } from 'commander';
import { formatVerifierKey, generateSigner } from '../ledger/note.ts';
import type { RotatedKey } from './support/api-types.ts';
import { connected, examples, wholeNumber } from './support/command.ts';
import { note, print, printJson } from './support/output.ts';
import { safeLine } from './support/text.ts';
import { formatTime } from './support/time.ts';

/** `postern ledger rotate-key` and `postern ledger make-key`. */
export function registerLedgerKeys(ledger: Command): void {
  rotate(ledger);
  make(ledger);
}

function rotate(ledger: Command): void {
  const command = ledger
    .command('rotate-key')
    .description(
      'replace the signing key of the log; the old one signs as well for a while, then it is destroyed',
    )
    .requiredOption('--reason <text>', 'why; it is kept in the log')
    .option('--overlap-days <n>', 'how long the old key signs as well (30)', wholeNumber(0, 365));
  examples(
    command,
    'postern ledger rotate-key --reason "yearly rotation"',
    'postern ledger rotate-key --reason "the disk was lost" --overlap-days 0',
  );
  connected<{ reason: string; overlapDays?: number }>(command, async ({ api, options }) => {
    const { reason, overlapDays } = options;
    const done = await api.post<RotatedKey>('/v1/ledger/rotate-key', {
      reason,
      ...(overlapDays !== undefined && { overlapDays }),
    });
    if (options.json) return printJson(done);
    await print(`${done.after.map(safeLine).join('\n')}\n`);
    note(`The first key is new. The others sign as well until ${formatTime(done.overlapUntil)}.`);
    note('Give the new key to whoever verifies the log, and to its witnesses, before then.');
  });
}

function make(ledger: Command): void {
  const command = ledger
    .command('make-key <origin>')
    .description(
      'make a signing key to be kept outside Postern: the private key is printed, the verifier key said beside',
    );
  command.option('--json', 'print JSON');
  examples(command, 'postern ledger make-key bank.example/postern > log.key');
  command.action(async (origin: string) => {
    const signer = generateSigner(origin);
    const [key, vkey] = [signer.exportPrivate(), formatVerifierKey(signer)];
    if (command.opts<{ json?: boolean }>().json) return printJson({ key, vkey });
    await print(`${key}\n`);
    note(`verifier key: ${vkey}`);
  });
}
