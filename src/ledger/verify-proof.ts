import { type Checkpoint, openCheckpoint } from './checkpoint.ts';
import { parseVerifierKeys } from './note.ts';
import { parseTlogProof, verifyInclusion } from './proof.ts';
import { leafHash } from './tree.ts';

/** What a proof file was found to prove. */
export interface ProofResult {
  readonly checkpoint: Checkpoint;
  readonly leaf: number;
  /** The bytes of the leaf; null where neither the file nor the caller has them. */
  readonly entry: Buffer | null;
  /** Why it proves nothing; null where the entry is in the log. */
  readonly problem: string | null;
}

/**
 * Verifies a `.tlog-proof`: that an entry is a leaf of the signed tree. The entry is the one given, or else what the file
 * has as its extra data: that is not trusted but hashed, so a changed one leads to another root.
 *
 * @param vkeys verifier keys of the log, one a line
 * @throws PosternError POSTERN_INVALID where it is no proof, or its checkpoint is not signed with a key
 * @see https://c2sp.org/tlog-proof
 */
export function verifyProof(text: string, vkeys: string, given?: Buffer): ProofResult {
  const { index: leaf, proof, checkpoint: note, extra } = parseTlogProof(text);
  const checkpoint = openCheckpoint(note, parseVerifierKeys(vkeys));
  const entry = given ?? extra ?? null;
  const { size, root } = checkpoint;
  let problem: string | null = null;
  if (entry === null) {
    problem = 'The proof does not hold the entry, so it must be given.';
  } else if (!verifyInclusion(leafHash(entry), leaf, size, proof, root)) {
    problem = `The entry is not leaf ${leaf} of the ${size} leaves that were signed.`;
  }
  return { checkpoint, leaf, entry, problem };
}
