import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { PosternError } from '../core/errors.ts';
import { writeDurably } from './files.ts';
import {
  formatVerifierKey,
  generateSigner,
  type NoteSigner,
  type NoteVerifier,
  openNote,
  parseSigner,
  parseVerifierKeys,
  readPrivateFile,
  signNote,
} from './note.ts';

/** A change of the keys that sign, newest first; each a verifier key. */
export interface KeyChange {
  readonly before: readonly string[];
  readonly after: readonly string[];
}

/** A signing key and, where another takes over from it, until when it signs as well (milliseconds since the epoch). */
interface LogKey {
  readonly signer: NoteSigner;
  readonly until: number | null;
}

/**
 * The signing keys of a log folder. `log.key` has one a line, the newest first; one that is being retired has
 * `until <RFC 3339> ` before it and signs beside the newest until then. `log.vkey` has the verifier keys in the same order.
 *
 * The keys of a log have one name, its origin. The first key of `log.vkey` must be among those that sign: so a log goes on
 * under a new key only where the old one vouches for it, and never goes back to a retired one.
 */
export class LogKeys {
  readonly #dir: string;
  /** Whether `log.key` is ours to change; else somebody else provides the keys. */
  readonly #own: boolean;
  #keys: readonly LogKey[];
  #published: readonly NoteVerifier[];

  /**
   * Opens the keys; makes the first one for an empty log, under a random name.
   *
   * @param provided text of the keys where another place than `log.key` has them
   * @throws PosternError where a log that has leaves has no key, or a key that does not follow from the last
   */
  static open(logDir: string, logIsEmpty: boolean, provided: string | null = null): LogKeys {
    const file = join(logDir, 'log.key');
    if (provided === null && !fs.existsSync(file)) {
      if (!logIsEmpty) {
        throw new PosternError(
          'POSTERN_INTERNAL',
          `The signing key ${file} is missing, and the log has leaves.`,
          'Restore log.key: a new key would begin another log.',
        );
      }
      const signer = generateSigner(`postern.local/${randomBytes(8).toString('hex')}`);
      writeDurably([{ path: file, data: Buffer.from(format([{ signer, until: null }])) }]);
    }
    const keys = loadKeys(logDir, provided);
    const vkeys = join(logDir, 'log.vkey');
    if (!fs.existsSync(vkeys)) publish(logDir, keys);
    const published = parseVerifierKeys(fs.readFileSync(vkeys, 'utf8'));
    const [last] = published;
    if (!keys.some(({ signer }) => signer.name === last.name && signer.keyId === last.keyId)) {
      throw new PosternError(
        'POSTERN_INTERNAL',
        `The signing key of the log is not ${formatVerifierKey(last)}, which signed last.`,
        'Give the key that log.vkey names first; to replace it, give the new key and the old one beside it.',
      );
    }
    return new LogKeys(logDir, provided === null, keys, published);
  }

  private constructor(
    dir: string,
    own: boolean,
    keys: readonly LogKey[],
    published: readonly NoteVerifier[],
  ) {
    this.#dir = dir;
    this.#own = own;
    this.#keys = keys;
    this.#published = published;
  }

  get origin(): string {
    return this.#newest.name;
  }

  /** Verifier keys, newest first, one a line. */
  get vkeys(): string {
    return vkeysOf(this.#keys).join('\n');
  }

  /** Keys that open the checkpoints released so far: those that sign, and those of `log.vkey`. */
  get verifiers(): readonly NoteVerifier[] {
    return [...this.#keys.map(({ signer }) => signer), ...this.#published];
  }

  /** What has changed since `log.vkey` was written; null where nothing has. */
  get pending(): KeyChange | null {
    const before = this.#published.map(formatVerifierKey);
    const after = vkeysOf(this.#keys);
    return before.join() === after.join() ? null : { before, after };
  }

  sign(text: string): string {
    return signNote(
      text,
      this.#keys.map(({ signer }) => signer),
    );
  }

  /** Writes `log.vkey`: from now on readers know the keys as they are. */
  settle(): void {
    publish(this.#dir, this.#keys);
    this.#published = this.#keys.map(({ signer }) => signer);
  }

  /**
   * Makes a new key that signs from now on; those of before sign as well for so many milliseconds.
   *
   * @throws PosternError POSTERN_CONFLICT where the keys are not ours to make
   */
  rotate(overlapMs: number): void {
    if (!this.#own) {
      throw new PosternError(
        'POSTERN_CONFLICT',
        'The signing key comes from outside Postern, so it is changed there.',
        'Provide the new key on the first line and "until TIME OLD-KEY" on the second, and restart Postern.',
      );
    }
    const until = Date.now() + overlapMs;
    const retiring = this.#keys.map((key) => ({ ...key, until: Math.min(key.until ?? until, until) }));
    this.#replace([{ signer: generateSigner(this.origin), until: null }, ...retiring]);
  }

  /**
   * Drops the keys whose time is over and destroys them.
   *
   * @param released the last checkpoint: a key goes only when the newest one has signed as well
   */
  retire(released: string): void {
    const staying = this.#keys.filter(({ until }) => until === null || until > Date.now());
    if (staying.length === this.#keys.length || !isSignedBy(released, this.#newest)) return;
    if (this.#own) this.#replace(staying);
    else this.#keys = staying;
  }

  get #newest(): NoteSigner {
    return (this.#keys[0] as LogKey).signer;
  }

  /** The old file is overwritten where it lies: a renamed one would leave the old key in blocks that nobody owns. */
  #replace(keys: readonly LogKey[]): void {
    const file = join(this.#dir, 'log.key');
    const old = fs.openSync(file, 'r+');
    try {
      writeDurably([{ path: file, data: Buffer.from(format(keys)) }]);
      fs.writeSync(old, Buffer.alloc(fs.fstatSync(old).size), 0, undefined, 0);
      fs.fsyncSync(old);
    } finally {
      fs.closeSync(old);
    }
    this.#keys = keys;
  }
}

/**
 * The keys that sign at present, newest first: for whoever signs beside the sequencer (evidence).
 *
 * @param provided text of the keys where another place than `log.key` has them
 */
export function logSigners(logDir: string, provided: string | null = null): NoteSigner[] {
  return loadKeys(logDir, provided).map(({ signer }) => signer);
}

function loadKeys(logDir: string, provided: string | null): LogKey[] {
  const file = join(logDir, 'log.key');
  return provided === null ? parse(readPrivateFile(file), file) : parse(provided, 'The provided signing key');
}

function parse(text: string, where: string): LogKey[] {
  const keys = text
    .trim()
    .split('\n')
    .map((line) => {
      const match = /^(?:until (\S+) )?(PRIVATE\S+)$/.exec(line.trim());
      const until = match?.[1] === undefined ? null : Date.parse(match[1]);
      if (!match || Number.isNaN(until)) {
        throw new PosternError('POSTERN_INVALID', `${where} is not an Ed25519 signing key of a note.`);
      }
      return { signer: parseSigner(match[2] as string, where), until };
    });
  const [first, ...others] = keys;
  if (first?.until !== null || others.some(({ until }) => until === null)) {
    throw new PosternError(
      'POSTERN_INVALID',
      `${where}: the first key has no end, and each after it has one ("until TIME KEY").`,
    );
  }
  if (others.some(({ signer }) => signer.name !== first.signer.name)) {
    throw new PosternError('POSTERN_INVALID', `${where}: the keys are of several logs.`);
  }
  return keys;
}

function format(keys: readonly LogKey[]): string {
  return keys
    .map(({ signer, until }) => {
      const end = until === null ? '' : `until ${new Date(until).toISOString()} `;
      return `${end}${signer.exportPrivate()}\n`;
    })
    .join('');
}

function vkeysOf(keys: readonly LogKey[]): string[] {
  return keys.map(({ signer }) => formatVerifierKey(signer));
}

function publish(logDir: string, keys: readonly LogKey[]): void {
  const text = vkeysOf(keys).map((vkey) => `${vkey}\n`);
  writeDurably([{ path: join(logDir, 'log.vkey'), data: Buffer.from(text.join('')) }]);
}

function isSignedBy(note: string, key: NoteVerifier): boolean {
  try {
    return openNote(note, [key]).verified.length > 0;
  } catch {
    return false; // It is signed by others alone.
  }
}
