import * as fs from 'node:fs';
import { join } from 'node:path';
import { PosternError } from '../core/errors.ts';
import type { Payload, RecordSink } from '../core/record.ts';
import { syncDirectory } from './files.ts';
import { FrameEncoder, JOURNAL_HEADER, type QueuedRecord } from './journal-frame.ts';
import { listJournals } from './journal-reader.ts';

export {
  type JournalFile,
  type JournalRecord,
  type JournalSlice,
  readJournal,
} from './journal-reader.ts';

export { listJournals };

/**
 * The write-ahead journal of one process: what is in it happened, or is about to (DESIGN section 3).
 *
 * A flush either leaves one whole frame behind, or throws and leaves the file as it was.
 */

const ROTATE_BYTES = 64 * 1024 * 1024;
/** How often a writer looks whether its file is still there, milliseconds. */
const LOOK_MS = 100;
const SETTLED: Promise<void> = Promise.resolve();

function unavailable(error: unknown): PosternError {
  const why = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
  return new PosternError(
    'POSTERN_AUDIT_UNAVAILABLE',
    `The journal cannot be written (${why}).`,
    'Free space on the disk of the data directory; writing resumes by itself.',
  );
}

function nextJournalPath(dir: string, name: string): string {
  let start = Date.now();
  for (const file of listJournals(dir)) {
    // A clock set back must not put a new file before an older one.
    if (file.name === name) start = Math.max(start, file.startMillis + 1);
  }
  return join(dir, `${name}-${start}.journal`);
}

/** Writes the journal of one writer. Two live writers must not share a name. */
export class JournalWriter implements RecordSink {
  readonly #dir: string;
  readonly #name: string;
  readonly #rotateBytes: number;
  readonly #encoder = new FrameEncoder();
  #queue: QueuedRecord[] = [];
  #path = '';
  #fd = -1;
  /** End of the last whole frame. */
  #end = 0;
  /** The file can no longer be trusted to take a frame: the next flush begins a new one. */
  #broken = false;
  #closed = false;
  #lookedAt = 0;
  #unsynced = false;
  #syncing: Promise<void> | null = null;
  #syncNext: Promise<void> | null = null;
  /** Settles, with its error if any, when the files rotated away are synced and closed. */
  #retired: Promise<Error | null> = Promise.resolve(null);

  private constructor(dir: string, name: string, rotateBytes: number) {
    this.#dir = dir;
    this.#name = name;
    this.#rotateBytes = rotateBytes;
  }

  /**
   * Begins a new journal file `<name>-<startMillis>.journal`, mode 0600, in `dir` (made where missing).
   *
   * @param rotateBytes length from which on the next flush begins a new file
   * @throws PosternError `POSTERN_AUDIT_UNAVAILABLE`
   */
  static create(dir: string, name: string, rotateBytes: number = ROTATE_BYTES): JournalWriter {
    if (!/^[a-z0-9][a-z0-9._-]{0,63}$/.test(name)) {
      throw new PosternError('POSTERN_INVALID', `A journal cannot be called ${JSON.stringify(name)}.`);
    }
    const writer = new JournalWriter(dir, name, rotateBytes);
    try {
      fs.mkdirSync(dir, { recursive: true, mode: 0o700 });
      writer.#open();
    } catch (error) {
      throw unavailable(error);
    }
    return writer;
  }

  /** The file written to now. */
  get path(): string {
    return this.#path;
  }

  /** Queues one record. @throws PosternError for what could not be read back as one record */
  append(json: string, payloads?: readonly Payload[]): void {
    if (json.charCodeAt(0) !== 0x7b || json.charCodeAt(json.length - 1) !== 0x7d) {
      throw new PosternError('POSTERN_INTERNAL', 'A record must be a JSON object.');
    }
    if (
      payloads &&
      (payloads.length > 2 || (payloads.length === 2 && payloads[0]?.kind === payloads[1]?.kind))
    ) {
      throw new PosternError('POSTERN_INTERNAL', 'A record has at most one payload of a kind.');
    }
    this.#queue.push({ json, payloads });
  }

  /**
   * Writes everything queued as one frame: afterwards the operating system has it.
   *
   * @throws PosternError `POSTERN_AUDIT_UNAVAILABLE`; then nothing queued counts as written, and the queue is empty
   */
  flush(): void {
    if (this.#queue.length === 0) return;
    const records = this.#queue;
    this.#queue = [];
    try {
      if (this.#closed) throw new Error('closed');
      if (this.#broken || this.#end >= this.#rotateBytes || this.#isDeleted()) this.#rotate();
      this.#write(this.#encoder.encode(records));
    } catch (error) {
      throw unavailable(error);
    }
  }

  /**
   * Waits until everything flushed before the call survives a power failure. Calls share one `fdatasync`.
   * Rejects with `POSTERN_AUDIT_UNAVAILABLE` where the disk refuses; what was flushed may then still show up.
   */
  sync(): Promise<void> {
    if (this.#syncing === null) return this.#beginSync();
    // The one under way may have begun before this caller's flush: wait for the next.
    this.#syncNext ??= this.#syncing
      .catch(() => undefined) // reported to those who waited for it
      .then(() => {
        this.#syncNext = null;
        return this.#syncing ?? this.#beginSync();
      });
    return this.#syncNext;
  }

  /**
   * Begins a new file, unless nothing was written to this one; what is queued goes there. The old one is deleted when
   * all of it is in the log.
   *
   * @throws PosternError `POSTERN_AUDIT_UNAVAILABLE`; then the next flush writes to the old one
   */
  rotate(): void {
    if (this.#closed || this.#end === JOURNAL_HEADER.length) return;
    try {
      this.#rotate();
    } catch (error) {
      throw unavailable(error);
    }
  }

  /** Flushes what is queued and closes the file. Resolves `sync` calls under way first. */
  close(): void {
    if (this.#closed) return;
    try {
      this.flush();
    } finally {
      this.#closed = true;
      this.#retire();
    }
  }

  #open(): void {
    const path = nextJournalPath(this.#dir, this.#name);
    const fd = fs.openSync(path, 'wx', 0o600);
    try {
      if (fs.writeSync(fd, JOURNAL_HEADER, 0, JOURNAL_HEADER.length, 0) !== JOURNAL_HEADER.length) {
        throw new Error('short write');
      }
      syncDirectory(this.#dir);
    } catch (error) {
      fs.closeSync(fd);
      fs.rmSync(path, { force: true });
      throw error;
    }
    this.#path = path;
    this.#fd = fd;
    this.#end = JOURNAL_HEADER.length;
    this.#broken = false;
  }

  #rotate(): void {
    const old = this.#fd;
    const unsynced = this.#unsynced;
    this.#open();
    this.#retireFile(old, unsynced);
    this.#unsynced = unsynced;
  }

  /** Whether somebody deleted the file: what is written to it from then on nobody would read. */
  #isDeleted(): boolean {
    const now = Date.now();
    if (now - this.#lookedAt < LOOK_MS) return false;
    this.#lookedAt = now;
    return fs.fstatSync(this.#fd).nlink === 0;
  }

  #write(frame: Buffer): void {
    let written = 0;
    try {
      while (written < frame.length) {
        const count = fs.writeSync(this.#fd, frame, written, frame.length - written, this.#end + written);
        if (count === 0) throw new Error('short write');
        written += count;
      }
    } catch (error) {
      this.#takeBack();
      throw error;
    }
    this.#end += frame.length;
    this.#unsynced = true;
  }

  /** Cuts off the part of a refused frame, so that no later write can complete it. */
  #takeBack(): void {
    try {
      fs.ftruncateSync(this.#fd, this.#end);
    } catch {
      // The refusal is on its way to the caller; a partial frame never reads as one, and nothing follows it here.
      this.#broken = true;
    }
  }

  #beginSync(): Promise<void> {
    if (!this.#unsynced) return SETTLED;
    this.#unsynced = false;
    const done = this.#syncFiles(this.#fd, this.#retired).finally(() => {
      this.#syncing = null;
    });
    this.#syncing = done;
    return done;
  }

  async #syncFiles(fd: number, retired: Promise<Error | null>): Promise<void> {
    const results = await Promise.all([retired, this.#closed ? null : datasync(fd)]);
    const error = results.find((result) => result !== null);
    if (!error) return;
    // After a failed fdatasync the kernel may have dropped the pages: never write to this file again.
    this.#broken = true;
    this.#retired = Promise.resolve(null);
    throw unavailable(error);
  }

  #retire(): void {
    if (this.#fd >= 0) this.#retireFile(this.#fd, this.#unsynced);
    this.#fd = -1;
  }

  #retireFile(fd: number, unsynced: boolean): void {
    const syncing = this.#syncing;
    const before = this.#retired;
    this.#retired = (async () => {
      // Closing a descriptor under a running fdatasync could let it sync a stranger's file.
      if (syncing) await syncing.catch(() => undefined);
      const error = unsynced ? await datasync(fd) : null;
      fs.closeSync(fd);
      return (await before) ?? error;
    })();
  }
}

/** Resolves to the error, or null. */
function datasync(fd: number): Promise<Error | null> {
  return new Promise((resolve) => fs.fdatasync(fd, (error) => resolve(error)));
}
