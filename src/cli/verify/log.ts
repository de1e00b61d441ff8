import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkData } from '../../activity/check-data.ts';
import { type Finding, verifyLog } from '../../ledger/verify.ts';
import { Keyring } from '../../vault/keyring.ts';
import { masterKeyInEnvironment } from '../serve/config.ts';
import { usageError } from '../support/failure.ts';
import { RecordProgress } from '../support/rate.ts';
import type { Verdict } from './findings.ts';

/** Takes everything out of a walk that yields findings. */
function collect<T>(walk: Generator<Finding, T>): { findings: Finding[]; summary: T } {
  const findings: Finding[] = [];
  for (let next = walk.next(); ; next = walk.next()) {
    if (next.done) return { findings, summary: next.value };
    findings.push(next.value);
  }
}

/** Whether a folder is a data directory, or a log alone. */
export function folderKind(dir: string): 'data' | 'log' | null {
  if (existsSync(join(dir, 'log', 'checkpoint'))) return 'data';
  return existsSync(join(dir, 'checkpoint')) && existsSync(join(dir, 'tile')) ? 'log' : null;
}

/** Re-derives a log from its entries, or where there are none from its leaf hashes. */
export function verifyFolder(
  dir: string,
  vkey: string | undefined,
  hashesOnly = !existsSync(join(dir, 'tile', 'entries')),
): Verdict {
  const progress = new RecordProgress('verifying the log');
  try {
    const { findings, summary } = collect(
      verifyLog({ dir, vkey: vkey ?? keyOf(dir), hashesOnly, onProgress: progress.show }),
    );
    const { origin, size, principals } = summary;
    const root = summary.root.toString('base64');
    return {
      findings,
      fields: [
        ['log', origin],
        ['leaves', size],
        ['root', root],
        ['verifier key', vkey === undefined ? 'that of the folder' : 'as given'],
        [
          'rebuilt from',
          hashesOnly ? 'the leaf hashes alone: what the leaves say was not seen' : 'every entry',
        ],
        ...(hashesOnly ? [] : [['principals, without a gap', principals.size] as const]),
      ],
      facts: { origin, size, root, entries: !hashesOnly, principals: principals.size },
    };
  } finally {
    progress.clear();
  }
}

/** Goes through a data directory: log, payloads, index, journals. Changes nothing, and Postern may run meanwhile. */
export async function verifyDataDirectory(dataDir: string, vkey: string | undefined): Promise<Verdict> {
  if (folderKind(dataDir) !== 'data') throw usageError(`${dataDir} is not a data directory with a log`);
  const keys = await Keyring.read(dataDir, masterKeyInEnvironment());
  const progress = new RecordProgress('checking the ledger');
  try {
    const { findings, summary } = collect(
      checkData({
        dataDir,
        vkey,
        keys,
        onProgress: progress.show,
      }),
    );
    const { origin, size, root, principals, payloads, journals } = summary;
    const texts = payloads && `${payloads.checked}, of which ${payloads.erased} erased on record`;
    return {
      findings,
      fields: [
        ['log', origin],
        ['leaves', size],
        ['root', root],
        ['verifier key', vkey === undefined ? 'that of the data directory' : 'as given'],
        ['principals, without a gap', principals],
        ['payloads', texts ?? 'not checked: the master key is not here'],
        ['journals', journals],
      ],
      facts: summary,
    };
  } finally {
    progress.clear();
  }
}

function keyOf(dir: string): string {
  const file = join(dir, 'log.vkey');
  if (!existsSync(file)) throw usageError('name the verifier key of the log with --key');
  return readFileSync(file, 'utf8');
}
