import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { formatReport, verifyPackage } from '../evidence/verify.ts';
import { examples } from './support/command.ts';
import { EXIT, usageError } from './support/failure.ts';
import { print, printJson } from './support/output.ts';
import { Progress } from './support/progress.ts';
import { verifierKeys } from './support/verifier-key.ts';
import { verifyLogOrProof } from './verify/log-or-proof.ts';

interface VerifyOptions {
  readonly key?: string;
  readonly checkpoint?: string;
  readonly policy?: string;
  readonly entry?: string;
  readonly ca?: string;
  readonly tokenFile?: string;
  readonly json?: boolean;
}

export function register(program: Command): void {
  const command = program
    .command('verify <what>')
    .description(
      'verify an evidence package (folder or zip), a .tlog-proof, a data directory, a folder with a log, or a served log (https://HOST:PORT/log). Exit code 3 when something does not hold',
    )
    .option(
      '--key <vkey>',
      "the log's verifier key as you hold it, or a file with it or several (else that of the package)",
    )
    .option('--checkpoint <file>', 'an earlier checkpoint that you hold: the log must continue it')
    .option('--policy <file>', 'a witness policy (tlog-policy) that you hold: the checkpoint must meet it')
    .option('--entry <file>', 'of a proof: the record as you hold it (else as the proof has it)')
    .option('--ca <file>', 'of a served log: certificate authority to trust (POSTERN_CA)')
    .option(
      '--token-file <file>',
      'of a served log: API token to fetch the entries with (POSTERN_TOKEN); without one only the hashes are verified',
    )
    .option('--json', 'print JSON');
  examples(
    command,
    'postern verify 2026-Q4.zip --key "postern.local/4f2a+8f0c1d2e+AZ..."',
    'postern verify 2026-Q4.zip --key log.vkey --checkpoint 2026-Q3.checkpoint',
    'postern verify 019325c1-77a0-7bb3-a1e6-3f4d5e6f7a8b.tlog-proof --key log.vkey',
    'postern verify https://postern.example:8443/log --key log.vkey --ca ca.crt',
  );
  command.action(async (path: string) => {
    const options = command.opts<VerifyOptions>();
    const vkeys = options.key === undefined ? undefined : verifierKeys(options.key);
    const { entry, ca, tokenFile, json = false } = options;
    if (await verifyLogOrProof(path, { vkeys, entry, ca, tokenFile, json })) return;
    const progress = new Progress();
    const report = await verifyPackage(path, {
      vkey: vkeys,
      checkpoint: options.checkpoint === undefined ? undefined : readText(options.checkpoint, 'checkpoint'),
      policy: options.policy === undefined ? undefined : readText(options.policy, 'witness policy'),
      onProgress: (done, total) =>
        progress.show(`verifying, ${Math.floor((100 * done) / Math.max(1, total))} %`),
    }).finally(() => progress.clear());
    await (options.json ? printJson(report) : print(formatReport(report)));
    if (!report.ok) process.exitCode = EXIT.unverified;
  });
}

function readText(file: string, what: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw usageError(`cannot read the ${what}: ${(error as Error).message}`);
  }
}
