import { verifyProof } from '../../ledger/verify-proof.ts';
import { readSmallBytes, readSmallFile } from '../support/verifier-key.ts';
import type { Verdict } from './findings.ts';

const LARGEST_PROOF = 256 * 1024;
const LARGEST_ENTRY = 65_535;

/** First line of a proof file. */
export const PROOF_MARK = 'c2sp.org/tlog-proof@v1\n';

/** Verifies a `.tlog-proof` and says of which record it is. */
export function verifyProofFile(file: string, vkeys: string, entryFile: string | undefined): Verdict {
  const given = entryFile === undefined ? undefined : readSmallBytes(entryFile, LARGEST_ENTRY, 'the entry');
  const result = verifyProof(readSmallFile(file, LARGEST_PROOF, 'the proof'), vkeys, given);
  const { checkpoint, leaf, entry, problem } = result;
  const { origin, size } = checkpoint;
  const record = problem === null && entry !== null ? entry.toString('utf8') : null;
  return {
    findings: problem === null ? [] : [{ severity: 'error', file, leaf, message: problem }],
    fields: [
      ['log', origin],
      ['leaf', `${leaf} of ${size}`],
      ...(record === null ? [] : [['record', record] as const]),
      ['entry', given === undefined ? 'as in the proof' : 'as given'],
    ],
    facts: { origin, size, leaf, record: record === null ? null : parsed(record) },
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
