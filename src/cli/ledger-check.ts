import { readFileSync, writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { rebuildIndex } from '../activity/rebuild-index.ts';
import { openCheckpoint } from '../ledger/checkpoint.ts';
import { decodeBase64, parseVerifierKeys } from '../ledger/note.ts';
import { verifyConsistency } from '../ledger/proof.ts';
import { formatSubmission } from '../ledger/witness-protocol.ts';
import { DataLock } from '../store/lock.ts';
import type { LedgerStatus } from './support/api-types.ts';
import type { ApiClient } from './support/client.ts';
import { connected, examples } from './support/command.ts';
import { CliError, EXIT, usageError } from './support/failure.ts';
import { note, print, printJson } from './support/output.ts';
import { RecordProgress } from './support/rate.ts';
import { safeLine } from './support/text.ts';
import { verifierKeys } from './support/verifier-key.ts';
import { pronounce } from './verify/findings.ts';
import { folderKind, verifyDataDirectory } from './verify/log.ts';

const DATA = './postern-data';

/** Adds the commands that look at the ledger as a whole. */
export function registerLedgerCheck(ledger: Command): void {
  registerCheck(ledger);
  registerRebuild(ledger);
  registerConsistency(ledger);
}

function registerCheck(ledger: Command): void {
  const command = ledger
    .command('check')
    .description(
      'go through a data directory: every record, tile, payload, index row and journal. Changes nothing; Postern may run meanwhile. Exit code 3 when something is wrong',
    )
    .option('--data <dir>', 'data directory', DATA)
    .option('--key <vkey>', "the log's verifier key as you hold it, or a file with it")
    .option('--json', 'print JSON');
  examples(command, 'postern ledger check --data /var/lib/postern');
  command.action(async () => {
    const { data, key, json } = command.opts<{ data: string; key?: string; json?: boolean }>();
    await pronounce(
      await verifyDataDirectory(data, key === undefined ? undefined : verifierKeys(key)),
      json ?? false,
    );
  });
}

function registerRebuild(ledger: Command): void {
  const command = ledger
    .command('rebuild-index')
    .description('make the activity index anew from the log, while Postern does not run')
    .option('--data <dir>', 'data directory', DATA)
    .option('--json', 'print JSON');
  examples(command, 'postern ledger rebuild-index --data /var/lib/postern');
  command.action(async () => {
    const { data, json } = command.opts<{ data: string; json?: boolean }>();
    if (folderKind(data) !== 'data') throw usageError(`${data} is not a data directory with a log`);
    const lock = DataLock.acquire(data);
    const progress = new RecordProgress('rebuilding the index');
    let leaves: number;
    try {
      leaves = rebuildIndex(data, progress.show);
    } finally {
      progress.clear();
      lock.release();
    }
    await (json ? printJson({ leaves }) : print(`The index has ${leaves} records.\n`));
  });
}

interface ConsistencyAnswer {
  readonly old: number;
  readonly size: number;
  readonly proof: readonly string[];
  readonly checkpoint: string;
}

function registerConsistency(ledger: Command): void {
  const command = ledger
    .command('consistency <old> [new]')
    .description(
      'prove that the log continues an earlier state: from a checkpoint file or a size, to a checkpoint file or the log as it is',
    )
    .option('--out <file>', 'write the proof there, as a witness takes it (tlog-witness add-checkpoint)')
    .option(
      '--key <vkey>',
      "the log's verifier key as you hold it, or a file with it (else that of the API)",
    );
  examples(
    command,
    'postern ledger consistency 2026-Q3.checkpoint --key log.vkey',
    'postern ledger consistency 2026-Q3.checkpoint 2026-Q4.checkpoint --out Q3-Q4.consistency',
    'postern ledger consistency 70000',
  );
  connected<{ out?: string; key?: string }>(command, async ({ api, options, args }) => {
    const [oldArg = '', newArg] = args;
    const vkeys =
      options.key === undefined
        ? (await api.get<LedgerStatus>('/v1/ledger')).vkey
        : verifierKeys(options.key);
    const keys = parseVerifierKeys(vkeys);
    const old = stateOf(oldArg, keys);
    const now = newArg === undefined ? null : stateOf(newArg, keys);
    if (now !== null && now.note === null) {
      throw usageError(
        'the new state must be a checkpoint file, or left out for the log as it is',
        'A proof goes with the signed checkpoint that it is for.',
      );
    }
    const answer = await ask(api, old.size, now?.size);
    const checkpoint = now?.note ?? answer.checkpoint;
    const { size, root } = openCheckpoint(checkpoint, keys);
    const proof = answer.proof.map((hash) => decodeBase64(hash) ?? Buffer.alloc(0));
    const holds = old.root === null ? null : verifyConsistency(old.size, old.root, size, root, proof);
    const text = formatSubmission({ old: old.size, proof, note: checkpoint });
    if (options.out !== undefined) writeFileSync(options.out, text, { flag: 'wx' });
    if (holds === false) process.exitCode = EXIT.unverified;
    if (options.json) return printJson({ old: old.size, size, holds, proof: answer.proof, checkpoint });
    if (options.out === undefined) await print(text);
    if (holds === null) return;
    note(
      holds
        ? `The log of ${size} leaves continues the one of ${old.size}.`
        : `The log of ${size} leaves does NOT continue the one of ${old.size} that ${safeLine(oldArg)} shows: it was rewritten.`,
    );
  });
}

function ask(api: ApiClient, old: number, size: number | undefined): Promise<ConsistencyAnswer> {
  return api.get<ConsistencyAnswer>('/v1/ledger/consistency', { old, ...(size !== undefined && { size }) });
}

interface State {
  readonly size: number;
  /** Null where only the size is known. */
  readonly root: Buffer | null;
  readonly note: string | null;
}

/** A size, or a file with a checkpoint. */
function stateOf(text: string, keys: ReturnType<typeof parseVerifierKeys>): State {
  if (/^(0|[1-9][0-9]{0,14})$/.test(text)) return { size: Number(text), root: null, note: null };
  let checkpoint: string;
  try {
    checkpoint = readFileSync(text, 'utf8');
  } catch (error) {
    throw usageError(`${text} is neither a size nor a file that can be read: ${(error as Error).message}`);
  }
  try {
    const { size, root } = openCheckpoint(checkpoint, keys);
    return { size, root, note: checkpoint };
  } catch (error) {
    throw new CliError('CLI_BAD_CHECKPOINT', `${text}: ${(error as Error).message}`);
  }
}
