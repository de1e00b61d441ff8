import { PosternError } from '../core/errors.ts';
import type { ByteSource } from './package-files.ts';

const CHUNK = 1 << 16;
/** Longer than any line that Postern writes: a statement and its parameters, twice over. */
const LONGEST_LINE = 256 * 1024 * 1024;

const STRICT = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const REPLACEMENT = '\ufffd';

function isUtf8(bytes: Uint8Array): boolean {
  try {
    STRICT.decode(bytes);
    return true;
  } catch {
    return false;
  }
}

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

/**
 * Reads a file of UTF-8 as text, from its beginning on, beside what must be in it. Large pieces are decoded at once, and
 * what is compared is not copied.
 */
export class TextCursor {
  readonly #source: ByteSource;
  /** What is decoded: whole lines, but for the end of the file. */
  #text = '';
  #at = 0;
  #buffer: Buffer = Buffer.allocUnsafe(CHUNK);
  /** How many bytes of the buffer are read and not decoded, since their line is not complete. */
  #length = 0;
  #ended = false;
  #valid = true;
  #cut = false;

  /** Closes the source at the end. */
  constructor(source: ByteSource) {
    this.#source = source;
  }

  /** Whether all that was read so far is UTF-8. */
  get valid(): boolean {
    return this.#valid;
  }

  /** Whether the last line was one without its newline. */
  get cut(): boolean {
    return this.#cut;
  }

  /** Moves behind the pieces where they come next, one after the other; otherwise stays. */
  takes(pieces: readonly string[]): boolean {
    const from = this.#at;
    for (const piece of pieces) {
      const end = this.#at + piece.length;
      if (end > this.#text.length) {
        const taken = this.#at - from;
        this.#at = from;
        this.#fillTo(taken + piece.length);
        return this.#takesAll(pieces);
      }
      // Equality of two texts is found word by word, `startsWith` character by character.
      if (this.#text.slice(this.#at, end) !== piece) {
        this.#at = from;
        return false;
      }
      this.#at = end;
    }
    return true;
  }

  /** What is decoded, from some place at or before the next character on; whole lines, but for the end of the file. */
  get text(): string {
    if (this.#at === this.#text.length) this.#fillTo(1);
    return this.#text;
  }

  /** The place of the next character in {@link text}. To be asked after it. */
  get at(): number {
    return this.#at;
  }

  /** Moves on by so many characters of {@link text}. */
  skip(length: number): void {
    this.#at += length;
  }

  /** The line, or the rest of it, without its newline; null at the end. */
  line(): string | null {
    if (this.#at === this.#text.length) this.#fillTo(1);
    if (this.#at === this.#text.length) return null;
    const end = this.#text.indexOf('\n', this.#at);
    const line = this.#text.slice(this.#at, end < 0 ? undefined : end);
    this.#cut = end < 0;
    this.#at = end < 0 ? this.#text.length : end + 1;
    return line;
  }

  /** Whether nothing is left. Closes the file. */
  end(): boolean {
    this.#fillTo(1);
    this.#source.close();
    return this.#at === this.#text.length;
  }

  /** {@link takes} of text that may go on beyond what is decoded. */
  #takesAll(pieces: readonly string[]): boolean {
    const wanted = pieces.join('');
    this.#fillTo(wanted.length);
    if (!this.#text.startsWith(wanted, this.#at)) return false;
    this.#at += wanted.length;
    return true;
  }

  /** Decodes until so much text is there, or there is no more. */
  #fillTo(length: number): void {
    while (this.#text.length - this.#at < length && !(this.#ended && this.#length === 0)) this.#fill();
  }

  #fill(): void {
    if (this.#length > LONGEST_LINE)
      throw new PosternError('POSTERN_INVALID', 'A line is too long to be read.');
    if (this.#length === this.#buffer.length) {
      this.#buffer = Buffer.concat([this.#buffer, Buffer.allocUnsafe(this.#length)]);
    }
    const read = this.#source.read(this.#buffer.subarray(this.#length));
    this.#ended = read === 0;
    const end = this.#length + read;
    const whole = this.#ended || end === 0 ? end : this.#buffer.lastIndexOf(0x0a, end - 1) + 1;
    const left = this.#text.slice(this.#at);
    const more = this.#decode(this.#buffer.subarray(0, whole));
    this.#text = left === '' ? more : left + more;
    this.#at = 0;
    this.#buffer.copyWithin(0, whole, end);
    this.#length = end - whole;
  }

  /** What is no UTF-8 becomes a replacement character; where there is none of these, all of it was. */
  #decode(bytes: Buffer): string {
    const text = bytes.toString('utf8');
    if (this.#valid && text.includes(REPLACEMENT)) this.#valid = isUtf8(bytes);
    return text;
  }
}
