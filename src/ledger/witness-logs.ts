import { hash } from 'node:crypto';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { PosternError } from '../core/errors.ts';
import { type Checkpoint, openCheckpoint, parseCheckpoint } from './checkpoint.ts';
import { cosign, cosignaturesOf } from './cosignature.ts';
import { writeDurably } from './files.ts';
import type { PrivateKey } from './keys.ts';
import { type NoteVerifier, splitNote } from './note.ts';
import { verifyConsistency } from './proof.ts';
import { EMPTY_ROOT } from './tree.ts';
import { parseSubmission, SIZE_TYPE, type Submission } from './witness-protocol.ts';

/** Proofs that a log was forked which are kept; there may be any number, and one says enough. */
const MAX_FORKS = 100;

/** An answer over HTTP. */
export interface WitnessAnswer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

interface Seen {
  readonly size: number;
  readonly root: Buffer;
}

/**
 * What a witness knows of the logs it watches: of each, the last checkpoint it cosigned, a file `<hash of origin>.checkpoint`
 * that can be handed to anybody as it is.
 *
 * `submit` checks, persists and signs without a pause in between, so that of any number of submissions at once none can set a
 * log back.
 */
export class WitnessLogs {
  readonly #dir: string;
  readonly #key: PrivateKey;
  readonly #logs: ReadonlyMap<string, readonly NoteVerifier[]>;
  readonly #seen = new Map<string, Seen>();
  readonly #say: (message: string) => void;

  /**
   * @param logs keys of the logs; those of one name are of one log
   * @throws PosternError where a file was changed: it must carry this witness's own cosignature
   */
  constructor(
    dir: string,
    key: PrivateKey,
    logs: readonly NoteVerifier[],
    say: (message: string) => void = () => undefined,
  ) {
    this.#dir = dir;
    this.#key = key;
    this.#say = say;
    this.#logs = Map.groupBy(logs, ({ name }) => name);
    for (const origin of this.#logs.keys()) {
      const file = this.#file(origin);
      if (fs.existsSync(file)) this.#seen.set(origin, read(file, origin, key));
    }
  }

  /** Size of the last checkpoint that was cosigned of a log; 0 before the first. */
  sizeOf(origin: string): number {
    return this.#seen.get(origin)?.size ?? 0;
  }

  /**
   * Answers `add-checkpoint`: a cosignature, once it is on the disk that nothing smaller or different will get one.
   *
   * @throws Error where the disk fails: nothing was signed that is handed out
   */
  submit(body: string): WitnessAnswer {
    let submission: Submission;
    let text: string;
    let checkpoint: Checkpoint;
    try {
      submission = parseSubmission(body);
      text = splitNote(submission.note).text;
      checkpoint = parseCheckpoint(text);
    } catch (error) {
      return refusal(400, (error as Error).message);
    }
    const { origin, size, root } = checkpoint;
    const keys = this.#logs.get(origin);
    if (!keys) return refusal(404, 'This witness does not watch a log of that origin.');
    try {
      openCheckpoint(submission.note, keys);
    } catch (error) {
      return refusal(403, (error as Error).message);
    }
    if (submission.old > size) return refusal(400, 'The old size is larger than that of the checkpoint.');
    const seen = this.#seen.get(origin) ?? { size: 0, root: EMPTY_ROOT };
    if (submission.old !== seen.size) return conflict(seen.size);
    if (size === seen.size && !root.equals(seen.root)) {
      this.#keepFork(origin, size, signedBy(submission.note, keys));
      return conflict(seen.size);
    }
    if (!verifyConsistency(seen.size, seen.root, size, root, submission.proof)) {
      this.#say(
        `${origin}: no proof that the checkpoint of ${size} leaves continues the one of ${seen.size}`,
      );
      return refusal(422, 'The proof does not show that the checkpoint continues the one cosigned before.');
    }
    const line = cosign(text, this.#key, Math.floor(Date.now() / 1000));
    const note = signedBy(submission.note, keys);
    writeDurably([{ path: this.#file(origin), data: Buffer.from(note + line) }]);
    this.#seen.set(origin, { size, root });
    return { status: 200, type: 'text/plain; charset=utf-8', body: line };
  }

  #file(origin: string): string {
    return join(this.#dir, `${hash('sha256', origin).slice(0, 32)}.checkpoint`);
  }

  /** Two checkpoints of one size with different roots, both signed by the log, are all it takes to convict it. */
  #keepFork(origin: string, size: number, note: string): void {
    this.#say(
      `${origin}: FORKED. It signed two different trees of ${size} leaves; both checkpoints are kept.`,
    );
    const dir = join(this.#dir, 'forks');
    const name = join(dir, hash('sha256', splitNote(note).text).slice(0, 32));
    if (fs.existsSync(`${name}.signed`)) return;
    if (fs.existsSync(dir) && fs.readdirSync(dir).length >= 2 * MAX_FORKS) return;
    writeDurably([
      { path: `${name}.cosigned`, data: fs.readFileSync(this.#file(origin)) },
      { path: `${name}.signed`, data: Buffer.from(note) },
    ]);
  }
}

function read(file: string, origin: string, key: PrivateKey): Seen {
  const note = fs.readFileSync(file);
  const checkpoint = parseCheckpoint(splitNote(note).text);
  if (checkpoint.origin !== origin || cosignaturesOf(note, [key]).length === 0) {
    throw new PosternError(
      'POSTERN_INVALID',
      `${file} is not the checkpoint that this witness cosigned.`,
      'Restore it. Without it the witness would forget what it has vouched for.',
    );
  }
  return checkpoint;
}

/** The note with the signatures of these keys alone: the others are of nobody knows whom, and may be any number. */
function signedBy(note: string, keys: readonly NoteVerifier[]): string {
  const { text, signatures } = splitNote(note);
  const own = keys.flatMap(
    ({ name, keyId }) => signatures.find((one) => one.name === name && one.keyId === keyId) ?? [],
  );
  return `${text}\n${own.map(({ line }) => `${line}\n`).join('')}`;
}

function refusal(status: number, reason: string): WitnessAnswer {
  return { status, type: 'text/plain; charset=utf-8', body: `${reason}\n` };
}

function conflict(size: number): WitnessAnswer {
  return { status: 409, type: SIZE_TYPE, body: `${size}\n` };
}
