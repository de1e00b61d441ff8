import { basename } from 'node:path';
import { PosternError } from '../core/errors.ts';
import type { Payload } from '../core/record.ts';
import { type JournalFile, type JournalSlice, readJournal } from './journal-reader.ts';
import type { Position } from './sequencer-db.ts';

/** A record on its way to becoming a leaf. */
export interface Incoming {
  readonly json: string;
  readonly payloads: readonly Payload[];
  readonly record: Record<string, unknown>;
  /** File it came from, and where to go on in it once the record is a leaf; null for the log's own records. */
  readonly from: { readonly file: string; readonly next: Position } | null;
}

/** What the journals had. */
export interface Intake {
  readonly records: readonly Incoming[];
  /** Journals that cannot be read on, each named with the offset. */
  readonly faults: readonly PosternError[];
}

const BATCH_BYTES = 8 * 1024 * 1024;
const LEAST_BYTES = 256 * 1024;
const START: Position = { offset: 0, skip: 0 };

interface Head {
  readonly time: string;
  readonly late: boolean;
  readonly incoming: Incoming;
}

/** Walks the records of one journal that are not leaves yet. */
class Cursor {
  readonly #path: string;
  readonly #file: string;
  #slice: JournalSlice;
  #at = 0;
  #late = Number.POSITIVE_INFINITY;
  #head: Head | null = null;
  fault: PosternError | null = null;

  constructor(path: string, position: Position, maxBytes: number) {
    this.#path = path;
    this.#file = basename(path);
    this.#slice = readPatiently(path, position.offset, maxBytes);
    this.#at = position.skip;
    if (this.#slice.state === 'corrupt') this.fault = damaged(this.#file, this.#slice.nextOffset);
  }

  /** There is more in the file than was read. */
  get truncated(): boolean {
    return this.#slice.more;
  }

  get lastTime(): string {
    const last = this.#slice.records.at(-1);
    return last && this.#at < this.#slice.records.length ? timeOf(last.json) : '';
  }

  /** Reads what was written since; those records are `late`. */
  readAgain(maxBytes: number): void {
    if (this.truncated || this.fault) return;
    const more = readJournal(this.#path, this.#slice.nextOffset, maxBytes);
    this.#late = this.#slice.records.length;
    if (more.records.length > 0) {
      this.#slice = { ...more, records: [...this.#slice.records, ...more.records] };
    }
  }

  /** The next record, not yet taken; null where there is none. */
  head(): Head | null {
    const record = this.#slice.records[this.#at];
    if (this.#head || !record) return this.#head;
    let parsed: unknown;
    try {
      parsed = JSON.parse(record.json);
    } catch {
      parsed = null;
    }
    if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
      this.fault = damaged(this.#file, record.offset);
      this.#at = this.#slice.records.length;
      return null;
    }
    const whole = this.#slice.records[this.#at + 1]?.offset !== record.offset;
    const next = whole
      ? { offset: record.endOffset, skip: 0 }
      : { offset: record.offset, skip: record.index + 1 };
    const fields = parsed as Record<string, unknown>;
    this.#head = {
      time: typeof fields.time === 'string' ? fields.time : '',
      late: this.#at >= this.#late,
      incoming: {
        json: record.json,
        payloads: record.payloads,
        record: fields,
        from: { file: this.#file, next },
      },
    };
    return this.#head;
  }

  take(): void {
    this.#head = null;
    this.#at += 1;
  }
}

function timeOf(json: string): string {
  return /"time":"([^"\\]*)"/.exec(json)?.[1] ?? '';
}

function damaged(file: string, offset: number): PosternError {
  return new PosternError(
    'POSTERN_INTERNAL',
    `The journal ${file} is damaged at offset ${offset}: what stands there was not written by Postern.`,
    'Keep a copy of the file. What follows the damage is not in the log.',
  );
}

/** A frame being replaced while it is read can look damaged once, but not twice. */
function readPatiently(path: string, offset: number, maxBytes: number): JournalSlice {
  const slice = readJournal(path, offset, maxBytes);
  return slice.state === 'corrupt' ? readJournal(path, offset, maxBytes) : slice;
}

/**
 * Takes up to `max` records out of all journals, each journal in its own order, all together in the order of time.
 *
 * A record is taken only when everything that was written before it came to be could be seen: a grant of the control
 * process comes before the command of a worker that stands under it. For that, all journals are read a second time
 * after the first; what only the second reading saw is taken only as far as it is no younger than the first.
 */
export function takeRecords(
  journals: readonly JournalFile[],
  positions: ReadonlyMap<string, Position>,
  max: number,
): Intake {
  const maxBytes = Math.max(LEAST_BYTES, Math.floor(BATCH_BYTES / Math.max(1, journals.length)));
  const cursors = journals.map(
    ({ path }) => new Cursor(path, positions.get(basename(path)) ?? START, maxBytes),
  );
  const horizon =
    cursors
      .map(({ lastTime }) => lastTime)
      .sort()
      .at(-1) ?? '';
  const records: Incoming[] = [];
  if (horizon !== '' && cursors.length > 1) for (const cursor of cursors) cursor.readAgain(maxBytes);
  while (records.length < max) {
    let first: Cursor | null = null;
    let earliest: Head | null = null;
    let blind = false;
    for (const cursor of cursors) {
      const head = cursor.head();
      if (!head) {
        if (cursor.truncated && !cursor.fault) blind = true;
      } else if (!(head.late && head.time > horizon) && (!earliest || head.time < earliest.time)) {
        first = cursor;
        earliest = head;
      }
    }
    // Where a journal has more than was read, its next record may be older than those of the others.
    if (!first || !earliest || (blind && records.length > 0)) break;
    records.push(earliest.incoming);
    first.take();
  }
  return { records, faults: cursors.flatMap(({ fault }) => fault ?? []) };
}
