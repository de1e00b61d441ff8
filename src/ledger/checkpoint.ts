import { PosternError } from '../core/errors.ts';
import { decodeBase64, type NoteVerifier, openNote } from './note.ts';
import { HASH_BYTES } from './tree.ts';

/**
 * The text that a log signs: how large its tree is and what its root is.
 *
 * @see https://c2sp.org/tlog-checkpoint
 */
export interface Checkpoint {
  /** Name of the log; the name of its key as well. */
  readonly origin: string;
  readonly size: number;
  /** 32 bytes. */
  readonly root: Buffer;
}

function invalid(what: string): PosternError {
  return new PosternError('POSTERN_INVALID', `The checkpoint is malformed: ${what}.`);
}

/** A decimal number without leading zeros; null for anything else, and beyond 2^53. */
export function parseDecimal(text: string): number | null {
  if (!/^(0|[1-9][0-9]{0,15})$/.test(text)) return null;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : null;
}

/** The text to sign, three lines. */
export function formatCheckpoint({ origin, size, root }: Checkpoint): string {
  return `${origin}\n${size}\n${root.toString('base64')}\n`;
}

/** Reads the text of a checkpoint; lines after the third are extensions and ignored. @throws PosternError `POSTERN_INVALID` */
export function parseCheckpoint(text: string): Checkpoint {
  if (!text.endsWith('\n')) throw invalid('it does not end in a newline');
  const [origin, sizeText, rootText, ...extensions] = text.slice(0, -1).split('\n');
  if (!origin || sizeText === undefined || rootText === undefined)
    throw invalid('it has fewer than three lines');
  if (extensions.includes('')) throw invalid('it has an empty line');
  const size = parseDecimal(sizeText);
  if (size === null) throw invalid('the size is not a decimal number');
  const root = decodeBase64(rootText);
  if (root?.length !== HASH_BYTES) throw invalid('the root is not a SHA-256 hash in base64');
  return { origin, size, root };
}

/**
 * Opens a signed checkpoint of one log, with its key, or with its keys while one takes over from another: the signature of
 * one is enough, and none may be wrong.
 *
 * @throws PosternError `POSTERN_INVALID` where it is not of this log and key
 */
export function openCheckpoint(
  note: string | Uint8Array,
  keys: NoteVerifier | readonly NoteVerifier[],
): Checkpoint {
  const { text, verified } = openNote(note, [keys].flat());
  const checkpoint = parseCheckpoint(text);
  if (!verified.some(({ name }) => name === checkpoint.origin)) {
    throw new PosternError('POSTERN_INVALID', `The checkpoint is of the log ${checkpoint.origin}.`);
  }
  return checkpoint;
}
