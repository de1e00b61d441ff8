import { PosternError } from '../core/errors.ts';
import { parseDecimal } from './checkpoint.ts';
import { decodeBase64, MAX_NOTE_BYTES } from './note.ts';
import { HASH_BYTES } from './tree.ts';

/**
 * What a log and a witness say to each other.
 *
 * @see https://c2sp.org/tlog-witness
 */

/** Content type of the answer that names the size the witness knows. */
export const SIZE_TYPE = 'text/x.tlog.size';
const MAX_HASHES = 63;
/** A submission: size line, proof, empty line, checkpoint. */
export const MAX_SUBMISSION_BYTES: number = MAX_NOTE_BYTES + 4096;

/** A new checkpoint, with the proof that it continues the one of `old` leaves. */
export interface Submission {
  readonly old: number;
  readonly proof: readonly Buffer[];
  /** The signed checkpoint. */
  readonly note: string;
}

/** The body of `add-checkpoint`. */
export function formatSubmission({ old, proof, note }: Submission): string {
  return `old ${old}\n${proof.map((hash) => `${hash.toString('base64')}\n`).join('')}\n${note}`;
}

/** Reads the body of `add-checkpoint`; the note is taken as it is. @throws PosternError `POSTERN_INVALID` */
export function parseSubmission(body: string): Submission {
  const end = body.indexOf('\n\n');
  const [first = '', ...hashes] = body.slice(0, Math.max(end, 0)).split('\n');
  const old = /^old ([0-9]+)$/.exec(first)?.[1];
  const size = old === undefined ? null : parseDecimal(old);
  if (size === null) throw invalid('it does not begin with "old", a size and an empty line');
  if (hashes.length > MAX_HASHES) throw invalid(`it has more than ${MAX_HASHES} hashes`);
  const proof = hashes.map((line) => {
    const hash = decodeBase64(line);
    if (hash?.length !== HASH_BYTES) throw invalid('a line of the proof is not a SHA-256 hash in base64');
    return hash;
  });
  return { old: size, proof, note: body.slice(end + 2) };
}

function invalid(what: string): PosternError {
  return new PosternError('POSTERN_INVALID', `The submission to the witness is malformed: ${what}.`);
}
