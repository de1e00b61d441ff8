import { PosternError } from '../core/errors.ts';
import type { ByteSource } from './package-files.ts';

const CHUNK = 1 << 18;
/** Longer than any line that Postern writes: a statement and its parameters, twice over. */
const LONGEST_LINE = 256 * 1024 * 1024;

/** Reads a file line by line. A last line without its newline is a line too, and `cut` then says so. */
export class LineReader {
  readonly #source: ByteSource;
  #held: Buffer = Buffer.alloc(0);
  #at = 0;
  #ended = false;
  cut = false;

  /** Closes the source at the end. */
  constructor(source: ByteSource) {
    this.#source = source;
  }

  /** The next line without its newline; null at the end. */
  next(): Buffer | null {
    let from = this.#at;
    for (;;) {
      const end = this.#held.indexOf(0x0a, from);
      if (end >= 0) {
        const line = this.#held.subarray(this.#at, end);
        this.#at = end + 1;
        return line;
      }
      if (this.#ended) return this.#rest();
      from = this.#held.length - this.#at;
      this.#fill();
    }
  }

  close(): void {
    this.#source.close();
  }

  #fill(): void {
    const kept = this.#held.length - this.#at;
    if (kept > LONGEST_LINE) throw new PosternError('POSTERN_INVALID', 'A line is too long to be read.');
    const chunk = Buffer.allocUnsafe(Math.max(CHUNK, kept));
    const read = this.#source.read(chunk);
    this.#ended = read === 0;
    this.#held = Buffer.concat([this.#held.subarray(this.#at), chunk.subarray(0, read)]);
    this.#at = 0;
  }

  #rest(): Buffer | null {
    if (this.#at >= this.#held.length) return null;
    const line = this.#held.subarray(this.#at);
    this.#at = this.#held.length;
    this.cut = true;
    return line;
  }
}

/** Compares a file, from its beginning on, with text that is produced piece by piece. */
export class TextComparer {
  readonly #source: ByteSource;
  #held: Buffer = Buffer.alloc(0);
  #equal = true;

  /** Closes the source at the end. */
  constructor(source: ByteSource) {
    this.#source = source;
  }

  /** False from the first piece on that is not what the file has there. */
  expect(text: string): boolean {
    if (!this.#equal) return false;
    const wanted = Buffer.from(text, 'utf8');
    while (this.#held.length < wanted.length) {
      const chunk = Buffer.allocUnsafe(Math.max(CHUNK, wanted.length));
      const read = this.#source.read(chunk);
      if (read === 0) break;
      this.#held = Buffer.concat([this.#held, chunk.subarray(0, read)]);
    }
    this.#equal = this.#held.subarray(0, wanted.length).equals(wanted);
    this.#held = this.#held.subarray(wanted.length);
    return this.#equal;
  }

  /** Whether everything was as expected and nothing is left over. Closes the file. */
  end(): boolean {
    const more = this.#held.length > 0 || this.#source.read(Buffer.alloc(1)) > 0;
    this.#source.close();
    return this.#equal && !more;
  }
}
