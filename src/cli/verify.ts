import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { formatReport, verifyPackage } from '../evidence/verify.ts';
import { examples } from './support/command.ts';
import { EXIT, usageError } from './support/failure.ts';
import { print, printJson } from './support/output.ts';
import { Progress } from './support/progress.ts';

/** A verifier key as C2SP signed notes write it: name, key hash, key. */
const VKEY = /^[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+$/;

interface VerifyOptions {
  readonly key?: string;
  readonly checkpoint?: string;
  readonly policy?: string;
  readonly json?: boolean;
}

export function register(program: Command): void {
  const command = program
    .command('verify <package>')
    .description(
      'verify an evidence package, folder or zip, offline and from itself alone. Exit code 3 when something does not hold',
    )
    .option(
      '--key <vkey>',
      "the log's verifier key as you hold it, or a file with it or several (else that of the package)",
    )
    .option('--checkpoint <file>', 'an earlier checkpoint that you hold: the log must continue it')
    .option('--policy <file>', 'a witness policy (tlog-policy) that you hold: the checkpoint must meet it')
    .option('--json', 'print JSON');
  examples(
    command,
    'postern verify 2026-Q4.zip --key "postern.local/4f2a+8f0c1d2e+AZ..."',
    'postern verify 2026-Q4.zip --key log.vkey --checkpoint 2026-Q3.checkpoint',
  );
  command.action(async (path: string) => {
    const options = command.opts<VerifyOptions>();
    const progress = new Progress();
    const report = await verifyPackage(path, {
      vkey: options.key === undefined ? undefined : keyOf(options.key),
      checkpoint: options.checkpoint === undefined ? undefined : readText(options.checkpoint, 'checkpoint'),
      policy: options.policy === undefined ? undefined : readText(options.policy, 'witness policy'),
      onProgress: (done, total) =>
        progress.show(`verifying, ${Math.floor((100 * done) / Math.max(1, total))} %`),
    }).finally(() => progress.clear());
    await (options.json ? printJson(report) : print(formatReport(report)));
    if (!report.ok) process.exitCode = EXIT.unverified;
  });
}

function keyOf(text: string): string {
  return VKEY.test(text) ? text : readText(text, 'verifier key');
}

function readText(file: string, what: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw usageError(`cannot read the ${what}: ${(error as Error).message}`);
  }
}
