import * as fs from 'node:fs';
import { join } from 'node:path';
import type { Payload } from '../core/record.ts';
import { decodeBody, type FramedRecord, JOURNAL_HEADER, scanFrame } from './journal-frame.ts';

/** One journal file of a writer. */
export interface JournalFile {
  readonly path: string;
  readonly name: string;
  readonly startMillis: number;
}

/** A record as it stands in a journal. */
export class JournalRecord {
  /** Its JSON. */
  readonly bytes: Buffer;
  readonly payloads: readonly Payload[];
  /** Where its frame begins, and its place in the frame. */
  readonly offset: number;
  readonly index: number;
  /** Where its frame ends. */
  readonly endOffset: number;

  constructor({ bytes, payloads }: FramedRecord, offset: number, index: number, endOffset: number) {
    this.bytes = bytes;
    this.payloads = payloads;
    this.offset = offset;
    this.index = index;
    this.endOffset = endOffset;
  }

  /** Its JSON as text. */
  get json(): string {
    return this.bytes.toString('utf8');
  }
}

/** Whole frames of a journal, from an offset on. */
export interface JournalSlice {
  readonly records: readonly JournalRecord[];
  /** Where to read on. */
  readonly nextOffset: number;
  /**
   * `end`: all is well up to `nextOffset`. `torn`: an unfinished frame stands there, which is what a crash in the
   * middle of a write leaves, and what a reader may see of a write under way. `corrupt`: a frame that was whole
   * no longer is, or the file is no journal.
   */
  readonly state: 'end' | 'torn' | 'corrupt';
  /** In state `end`: whether `maxBytes` kept it from reading more. */
  readonly more: boolean;
}

const FILE = /^([a-z0-9][a-z0-9._-]{0,63})-([0-9]{1,15})\.journal$/;
const DEFAULT_MAX_BYTES = 4 * 1024 * 1024;

/** All journals of a directory: by writer, then by age, oldest first. Empty where there is no directory. */
export function listJournals(dir: string): JournalFile[] {
  let names: string[];
  try {
    names = fs.readdirSync(dir);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  const files: JournalFile[] = [];
  for (const file of names) {
    const match = FILE.exec(file);
    if (match) {
      files.push({ path: join(dir, file), name: match[1] as string, startMillis: Number(match[2]) });
    }
  }
  return files.sort((a, b) => (a.name === b.name ? a.startMillis - b.startMillis : a.name < b.name ? -1 : 1));
}

/**
 * Reads whole frames from `offset` (0, or a `nextOffset` or `offset` given earlier) on: about `maxBytes`, and at
 * least one frame where there is one. What stands behind `limit`, if given, is not looked at.
 */
export function readJournal(
  path: string,
  offset: number,
  maxBytes = DEFAULT_MAX_BYTES,
  limit = Number.POSITIVE_INFINITY,
): JournalSlice {
  const fd = fs.openSync(path, 'r');
  try {
    const size = Math.min(fs.fstatSync(fd).size, limit);
    let start = offset;
    if (start < JOURNAL_HEADER.length) {
      const header = readAt(fd, 0, Math.min(size, JOURNAL_HEADER.length));
      if (!JOURNAL_HEADER.subarray(0, header.length).equals(header)) return slice([], 0, 'corrupt');
      if (header.length < JOURNAL_HEADER.length) return slice([], 0, 'torn');
      start = JOURNAL_HEADER.length;
    }
    if (start > size) return slice([], start, 'corrupt');
    return readFrames(fd, start, size, maxBytes);
  } finally {
    fs.closeSync(fd);
  }
}

function slice(
  records: JournalRecord[],
  nextOffset: number,
  state: JournalSlice['state'],
  more = false,
): JournalSlice {
  return { records, nextOffset, state, more };
}

function readFrames(fd: number, start: number, size: number, maxBytes: number): JournalSlice {
  const records: JournalRecord[] = [];
  let bytes = readAt(fd, start, Math.min(maxBytes, size - start));
  let at = 0;
  while (at < bytes.length) {
    const frame = scanFrame(bytes, at);
    if (frame.kind === 'short') {
      if (start + at + frame.needed > size) return slice(records, start + at, 'torn');
      if (records.length > 0) break;
      bytes = readAt(fd, start, Math.min(size - start, Math.max(frame.needed, 2 * bytes.length)));
      continue;
    }
    const decoded = frame.kind === 'frame' ? decodeBody(frame.body) : null;
    if (frame.kind === 'bad' || !decoded) {
      const last =
        frame.kind === 'bad' &&
        (frame.frameEnd === null ? onlyZeros(fd, start + at, size) : start + at + frame.frameEnd === size);
      return slice(records, start + at, last ? 'torn' : 'corrupt');
    }
    const end = start + frame.bodyEnd;
    for (let index = 0; index < decoded.length; index++) {
      records.push(new JournalRecord(decoded[index] as FramedRecord, start + at, index, end));
    }
    at = frame.bodyEnd;
  }
  return slice(records, start + at, 'end', start + at < size);
}

/** A file system that grew the file but lost the data in a power failure leaves zeros. */
function onlyZeros(fd: number, from: number, size: number): boolean {
  for (let at = from; at < size; ) {
    const bytes = readAt(fd, at, Math.min(1024 * 1024, size - at));
    if (bytes.length === 0 || bytes.some((byte) => byte !== 0)) return false;
    at += bytes.length;
  }
  return true;
}

function readAt(fd: number, offset: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(length);
  let read = 0;
  while (read < length) {
    const count = fs.readSync(fd, bytes, read, length - read, offset + read);
    if (count === 0) break;
    read += count;
  }
  return bytes.subarray(0, read);
}
