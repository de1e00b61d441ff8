import { isUtf8 } from 'node:buffer';
import * as fs from 'node:fs';
import { basename } from 'node:path';
import { PosternError } from '../core/errors.ts';
import { uuidv7 } from '../core/ids.ts';
import type { Actor, Payload, RecordType } from '../core/record.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import { type JournalFile, type JournalRecord, listJournals, readJournal } from './journal-reader.ts';
import { principalOf, type RecordScanner } from './record-scan.ts';
import type { Position } from './sequencer-db.ts';

/** A record on its way to becoming a leaf. */
export interface Incoming {
  /** Its JSON: an object, in UTF-8. */
  readonly bytes: Buffer;
  readonly payloads: readonly Payload[];
  /** Empty where it has none that is a text. */
  readonly time: string;
  readonly principalId: string | undefined;
  /** File it came from, and where to go on in it once the record is a leaf; null for the log's own records. */
  readonly from: { readonly file: string; readonly next: Position } | null;
}

interface Own {
  readonly type: RecordType;
  readonly actor: Actor;
}

/** A record of the log's own, with an id and the time. */
export function ownRecord(what: Readonly<Record<string, unknown>> & Own): Incoming {
  const time = rfc3339(nowMicros());
  const bytes = Buffer.from(JSON.stringify({ id: uuidv7(), time, ...what }));
  return { bytes, payloads: [], time, principalId: undefined, from: null };
}

/** What the journals had. */
export interface Intake {
  readonly records: readonly Incoming[];
  /** Journals that cannot be read on, each named with the offset. */
  readonly faults: readonly PosternError[];
  /** The journals that were there before anything was read. */
  readonly journals: readonly JournalFile[];
  /** More was there than was taken. */
  readonly more: boolean;
}

/** Read of a journal at a time: little enough that what was read does not outlive the memory's nursery. */
const CHUNK_BYTES = 256 * 1024;
/** Journal bytes taken at once, about. */
const MOST_BYTES = 16 * 1024 * 1024;

/** A journal file as far as it is looked at. */
interface Part {
  readonly path: string;
  readonly file: string;
  /** Size at the first look: what stands before is `early`. */
  readonly firstSize: number;
  /** Size at the second look: nothing behind it is read. */
  readonly size: number;
  readonly start: Position;
}

interface Head {
  /** Came between the first look and the second. */
  readonly late: boolean;
  readonly bytes: number;
  readonly incoming: Incoming;
}

/** Walks the records of one writer that are not leaves yet, file after file, a chunk at a time. */
class Cursor {
  readonly #parts: readonly Part[];
  readonly #scanner: RecordScanner;
  #part = 0;
  #offset: number;
  #records: readonly JournalRecord[] = [];
  #at = 0;
  #skip: number;
  #head: Head | null = null;
  readonly faults: PosternError[] = [];

  constructor(parts: readonly Part[], scanner: RecordScanner) {
    this.#parts = parts;
    this.#scanner = scanner;
    this.#offset = parts[0]?.start.offset ?? 0;
    this.#skip = parts[0]?.start.skip ?? 0;
  }

  /** The next record, not yet taken; null where there is none. */
  head(): Head | null {
    while (!this.#head) {
      const part = this.#parts[this.#part];
      if (!part) return null;
      const record = this.#records[this.#at];
      if (record) this.#parse(part, record);
      else this.#readOn(part);
    }
    return this.#head;
  }

  take(): void {
    this.#head = null;
    this.#at += 1;
  }

  #readOn(part: Part): void {
    if (this.#offset === part.size) {
      this.#nextPart();
      return;
    }
    const slice = readPatiently(part, this.#offset);
    this.#records = slice.records;
    this.#at = this.#skip;
    this.#skip = 0;
    this.#offset = slice.nextOffset;
    if (slice.records.length > 0) return;
    if (slice.state === 'corrupt') this.faults.push(damaged(part.file, slice.nextOffset));
    this.#nextPart();
  }

  #nextPart(): void {
    this.#part += 1;
    const next = this.#parts[this.#part];
    this.#offset = next?.start.offset ?? 0;
    this.#skip = next?.start.skip ?? 0;
    this.#records = [];
    this.#at = 0;
  }

  #parse(part: Part, journalled: JournalRecord): void {
    const { payloads, offset, index, endOffset } = journalled;
    const content = this.#scan(journalled);
    if (!content) {
      this.faults.push(damaged(part.file, offset));
      this.#nextPart();
      return;
    }
    const whole = this.#records[this.#at + 1]?.offset !== offset;
    const next = whole ? { offset: endOffset, skip: 0 } : { offset, skip: index + 1 };
    let bytes = content.bytes.length;
    for (const { data } of payloads) bytes += data.length;
    const { time, principalId } = content;
    const incoming = {
      bytes: content.bytes,
      payloads,
      time,
      principalId,
      from: { file: part.file, next },
    };
    this.#head = { late: endOffset > part.firstSize, bytes, incoming };
  }

  #scan(journalled: JournalRecord): Content | null {
    const { bytes } = journalled;
    const scanned = bytes[0] === BRACE ? this.#scanner.scan(bytes, 1) : null;
    if (scanned) return { bytes, time: scanned.time, principalId: scanned.common.principalId };
    return parseContent(bytes);
  }
}

type Content = Pick<Incoming, 'bytes' | 'time' | 'principalId'>;

const BRACE = 0x7b;

/** Null where it is not a JSON object. */
function parseContent(bytes: Buffer): Content | null {
  if (bytes[0] !== BRACE) return null;
  const json = bytes.toString('utf8');
  try {
    const record: unknown = JSON.parse(json);
    if (typeof record !== 'object' || record === null || Array.isArray(record)) return null;
    const { time } = record as { readonly time?: unknown };
    return {
      // What is not UTF-8 became U+FFFD in the text that was parsed, and becomes that in the leaf.
      bytes: isUtf8(bytes) ? bytes : Buffer.from(json),
      time: typeof time === 'string' ? time : '',
      principalId: principalOf(record as Record<string, unknown>),
    };
  } catch {
    return null;
  }
}

function damaged(file: string, offset: number): PosternError {
  return new PosternError(
    'POSTERN_INTERNAL',
    `The journal ${file} is damaged at offset ${offset}: what stands there was not written by Postern.`,
    'Keep a copy of the file. What follows the damage is not in the log.',
  );
}

/** A frame being replaced while it is read can look damaged once, but not twice. */
function readPatiently({ path, size }: Part, offset: number): ReturnType<typeof readJournal> {
  const slice = readJournal(path, offset, CHUNK_BYTES, size);
  return slice.state === 'corrupt' ? readJournal(path, offset, CHUNK_BYTES, size) : slice;
}

function sizes(files: readonly JournalFile[]): Map<string, number> {
  return new Map(files.map(({ path }) => [path, fs.statSync(path).size]));
}

/**
 * Takes up to `max` records out of all journals, each writer's in its own order, all together in the order of time.
 *
 * A record is taken only when everything that was written before it came to be could be seen: a grant of the control
 * process comes before the command of a worker that stands under it. For that, all journals are looked at a second
 * time after the first; what only the second look saw is taken only as far as it is no younger than what the first saw.
 * A journal without a position is left alone: it has no record yet, or came after the caller looked.
 */
export function takeRecords(
  dir: string,
  positions: ReadonlyMap<string, Position>,
  max: number,
  scanner: RecordScanner,
): Intake {
  const journals = listJournals(dir);
  const firstSizes = sizes(journals);
  const files = listJournals(dir);
  const secondSizes = sizes(files);
  const writers = new Map<string, Part[]>();
  for (const { path, name } of files) {
    const file = basename(path);
    const start = positions.get(file);
    if (!start) continue;
    const size = secondSizes.get(path) ?? 0;
    const part = { path, file, firstSize: firstSizes.get(path) ?? 0, size, start };
    const parts = writers.get(name);
    if (parts) parts.push(part);
    else writers.set(name, [part]);
  }
  const cursors = [...writers.values()].map((parts) => new Cursor(parts, scanner));
  const records: Incoming[] = [];
  let more = false;
  for (let bytes = 0; ; ) {
    let first: Cursor | null = null;
    let earliest: Head | null = null;
    let early = false;
    for (const cursor of cursors) {
      const head = cursor.head();
      if (!head) continue;
      if (!head.late) early = true;
      if (!earliest || head.incoming.time < earliest.incoming.time) {
        first = cursor;
        earliest = head;
      }
    }
    if (!first || !earliest) break;
    more = records.length >= max || bytes > MOST_BYTES || !early;
    if (more) break;
    records.push(earliest.incoming);
    bytes += earliest.bytes;
    first.take();
  }
  return { records, faults: cursors.flatMap(({ faults }) => faults), journals, more };
}
