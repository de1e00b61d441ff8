import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { verifyProof } from '../ledger/verify-proof.ts';
import { path } from './support/client.ts';
import { connected, examples } from './support/command.ts';
import { CliError, EXIT } from './support/failure.ts';
import { note, print, printJson } from './support/output.ts';
import { safeLine } from './support/text.ts';

interface ProofAnswer {
  readonly record: string;
  readonly leaf: number;
  readonly entry: string;
  readonly proof: string;
  readonly vkey: string;
}

export function register(program: Command): void {
  const command = program
    .command('prove <record>')
    .description('write a proof that a record is in the log, for "postern verify" or any tlog-proof tool')
    .option('--out <file>', 'where to (default: RECORD.tlog-proof; "-" for standard output)');
  examples(
    command,
    'postern prove 019325c1-77a0-7bb3-a1e6-3f4d5e6f7a8b',
    'postern prove 41 --out leaf-41.tlog-proof',
  );
  connected<{ out?: string }>(command, async ({ api, options, args: [record = ''] }) => {
    const answer = await api.get<ProofAnswer>(path`/v1/ledger/proof/${record}`);
    const { problem, leaf, checkpoint } = verifyProof(answer.proof, answer.vkey);
    if (problem !== null) {
      throw new CliError('CLI_BAD_ANSWER', `the proof does not hold: ${problem}`, undefined, EXIT.unverified);
    }
    const out = options.out ?? `${answer.record}.tlog-proof`;
    if (out !== '-') writeFileSync(out, answer.proof, { flag: 'wx' });
    if (options.json) {
      return printJson({
        record: answer.record,
        leaf,
        size: checkpoint.size,
        file: out,
        proof: answer.proof,
      });
    }
    if (out === '-') return print(answer.proof);
    note(`${safeLine(out)}: record ${safeLine(answer.record)} is leaf ${leaf} of ${checkpoint.size}`);
  });
}
