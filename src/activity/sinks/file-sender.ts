import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { SinkTarget } from '../../store/entities.ts';
import { ensureDirectory } from '../../store/files.ts';
import type { Batch, Sender } from './batch.ts';

const CURRENT = 'events.ndjson';
const DIGITS = 16;
const TAIL = 1 << 20;

/**
 * Appends events to a file, and syncs it, before they count as delivered. A file that is full gets the number of the leaf at which the
 * next begins into its name. What a crash left of a line is cut off; the events of that line come again.
 */
export class FileSender implements Sender {
  readonly settleMs = 0;
  readonly #dir: string;
  readonly #target: Extract<SinkTarget, { kind: 'file' }>;
  #file: number | null = null;
  #size = 0;

  /** @param dir made where it is not there */
  constructor(dir: string, target: Extract<SinkTarget, { kind: 'file' }>) {
    this.#dir = dir;
    this.#target = target;
  }

  async send({ from, events }: Batch): Promise<number> {
    const bytes = Buffer.from(events.map(({ json }) => `${json}\n`).join(''), 'utf8');
    let file = this.#opened();
    if (this.#size > 0 && this.#size + bytes.length > this.#target.maxBytes) file = this.#rotated(file, from);
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at, undefined, this.#size + at);
      fsyncSync(file);
      this.#size += bytes.length;
    } catch (error) {
      // What is half there would stand before the same events once more.
      ftruncateSync(file, this.#size);
      throw error;
    }
    return 0;
  }

  async close(): Promise<void> {
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
  }

  #opened(): number {
    if (this.#file !== null) return this.#file;
    ensureDirectory(this.#dir);
    const path = join(this.#dir, CURRENT);
    this.#file = openSync(path, existsSync(path) ? 'r+' : 'wx+', 0o600);
    this.#size = wholeLines(this.#file);
    ftruncateSync(this.#file, this.#size);
    return this.#file;
  }

  #rotated(file: number, leaf: number): number {
    closeSync(file);
    this.#file = null;
    const name = `events-before-${String(leaf).padStart(DIGITS, '0')}.ndjson`;
    renameSync(join(this.#dir, CURRENT), join(this.#dir, name));
    const old = readdirSync(this.#dir).filter((each) => /^events-before-\d{16}\.ndjson$/.test(each));
    for (const each of old.sort().slice(0, Math.max(0, old.length - this.#target.keep)))
      rmSync(join(this.#dir, each));
    return this.#opened();
  }
}

/** How many bytes of a file are whole lines. */
function wholeLines(file: number): number {
  const buffer = Buffer.alloc(TAIL);
  for (let end = fstatSync(file).size; end > 0; ) {
    const from = Math.max(0, end - TAIL);
    const read = readSync(file, buffer, 0, end - from, from);
    const at = buffer.subarray(0, read).lastIndexOf(0x0a);
    if (at >= 0) return from + at + 1;
    end = from;
  }
  return 0;
}
