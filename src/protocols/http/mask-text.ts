/** Masks plain text as it passes, line by line. */
import { isUtf8 } from 'node:buffer';
import { CONTENT_MAX } from '../../masking/content.ts';
import { MASKED } from '../../masking/text.ts';
import { Growing } from './mask-growing.ts';
import { JsonMasker } from './mask-json.ts';
import { namedIn } from './mask-nested.ts';
import { type BodyMasks, Unmaskable } from './mask-values.ts';

const NEWLINE = 0x0a;
const RETURN = 0x0d;
const LABEL = 'text';
const KEY_BEGIN = /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----/;
const KEY_END = /-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----/;
const isSpace = (byte: number): boolean =>
  byte === 0x20 || byte === 0x09 || byte === NEWLINE || byte === RETURN;

/**
 * What masks make of a line. What stands behind a masked name and a colon or an equals sign is masked to the end of the line; the rest is
 * searched.
 */
export function maskLine(masks: BodyMasks, line: string, above = ''): string {
  const named = namedIn(masks, line, null);
  if (named === null) return masks.searchedText(above === '' ? LABEL : above, line);
  const value = line.slice(named.end);
  const masked = masks.named(named.mask, masks.label(above, named.name), value.trim()) ?? MASKED;
  return `${maskLine(masks, line.slice(0, named.end - 1), above)}${line[named.end - 1]}${/^\s*/.exec(value)?.[0]}${masked}`;
}

export class TextMasker {
  readonly #masks: BodyMasks;
  readonly #line = new Growing();
  /** What begins as JSON is JSON, where names are masked: some servers call it plain text. */
  #json: JsonMasker | null = null;
  #begun: boolean;
  /** The line is too long to be searched, and its replacement is out. */
  #dropping = false;
  /** A private key has begun and not ended. */
  #inKey = false;
  readonly #searchesKeys: boolean;

  constructor(masks: BodyMasks) {
    this.#masks = masks;
    this.#begun = !masks.plan.members;
    this.#searchesKeys = masks.plan.content.some(({ detectors }) => detectors.includes('private_key'));
  }

  /** @throws Unmaskable */
  push(chunk: Buffer): Buffer {
    if (this.#json !== null) return this.#json.push(chunk);
    const out: Buffer[] = [];
    let start = 0;
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at] as number;
      if (byte === 0) throw new Unmaskable('the text has zero bytes, so that it may be in another encoding');
      if (!this.#begun && !isSpace(byte) && ![0xef, 0xbb, 0xbf].includes(byte)) {
        this.#begun = true;
        if (byte === 0x7b || byte === 0x5b) {
          this.#json = new JsonMasker(this.#masks, true);
          return Buffer.concat([
            ...out,
            this.#json.push(Buffer.concat([this.#line.take(), chunk.subarray(start)])),
          ]);
        }
      }
      if (byte !== NEWLINE && byte !== RETURN) continue;
      this.#gather(chunk, start, at, out);
      out.push(this.#ended(), chunk.subarray(at, at + 1));
      start = at + 1;
    }
    this.#gather(chunk, start, chunk.length, out);
    return Buffer.concat(out);
  }

  /** @throws Unmaskable */
  end(): Buffer {
    return this.#json === null ? this.#ended() : this.#json.end();
  }

  #gather(chunk: Buffer, start: number, end: number, out: Buffer[]): void {
    if (this.#dropping) return;
    this.#line.add(chunk, start, end);
    if (this.#line.length <= CONTENT_MAX) return;
    this.#line.take();
    this.#dropping = true;
    if (!this.#inKey) out.push(Buffer.from(this.#masks.unsearched(LABEL)));
  }

  #ended(): Buffer {
    const raw = this.#line.take();
    if (this.#dropping || raw.length === 0) {
      this.#dropping = false;
      return raw.subarray(0, 0);
    }
    const encoding = isUtf8(raw) ? 'utf8' : 'latin1';
    const line = raw.toString(encoding);
    const masked = this.#inKey ? this.#keyLine(line) : this.#plainLine(line);
    return masked === line ? raw : Buffer.from(masked, encoding);
  }

  #plainLine(line: string): string {
    const begin = this.#searchesKeys ? KEY_BEGIN.exec(line) : null;
    if (begin !== null && !KEY_END.test(line.slice(begin.index))) this.#inKey = true;
    return maskLine(this.#masks, line);
  }

  /** Of the lines of a private key nothing is shown but what is behind its end. */
  #keyLine(line: string): string {
    const end = KEY_END.exec(line);
    if (end === null) return '';
    this.#inKey = false;
    return this.#plainLine(line.slice(end.index + end[0].length));
  }
}
