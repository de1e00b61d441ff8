/** Masks server-sent events as they pass, one event at a time. @see https://html.spec.whatwg.org/multipage/server-sent-events.html */
import { isUtf8 } from 'node:buffer';
import { Growing } from './mask-growing.ts';
import { maskNestedJson } from './mask-json.ts';
import { maskLine } from './mask-text.ts';
import { type BodyMasks, Unmaskable } from './mask-values.ts';

const NEWLINE = 0x0a;
const RETURN = 0x0d;
const LABEL = 'data';
const DATA = /^\ufeff?data(?:: ?|$)/;

export class EventMasker {
  readonly #masks: BodyMasks;
  readonly #event = new Growing();
  /** Nothing has come in this line. */
  #blank = false;
  /** The last byte was a carriage return, whose line feed may come. */
  #returned = false;

  constructor(masks: BodyMasks) {
    this.#masks = masks;
  }

  /** @throws Unmaskable */
  push(chunk: Buffer): Buffer {
    const out: Buffer[] = [];
    let start = 0;
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at] as number;
      const ends = byte === RETURN || (byte === NEWLINE && !this.#returned);
      this.#returned = byte === RETURN;
      if (byte === NEWLINE && !ends) continue;
      if (!ends) {
        this.#blank = false;
        continue;
      }
      if (this.#blank) {
        this.#event.add(chunk, start, at + 1);
        out.push(this.#ended());
        start = at + 1;
      }
      this.#blank = true;
    }
    this.#event.add(chunk, start, chunk.length);
    if (this.#event.length > this.#masks.messageBytes)
      throw new Unmaskable('an event is too long to be masked');
    return Buffer.concat(out);
  }

  /** @throws Unmaskable */
  end(): Buffer {
    return this.#ended();
  }

  #ended(): Buffer {
    const raw = this.#event.take();
    if (!isUtf8(raw)) throw new Unmaskable('the events are not in UTF-8');
    const text = raw.toString('utf8');
    const lines = text.split(/\r\n|\r|\n/);
    const data = lines.filter((line) => DATA.test(line)).map((line) => line.replace(DATA, ''));
    const joined = data.join('\n');
    const masked = this.#data(joined);
    let shown = masked === joined;
    const out: string[] = [];
    for (const line of lines) {
      if (!DATA.test(line)) out.push(maskLine(this.#masks, line, 'event'));
      else if (masked === joined) out.push(line);
      else if (!shown) {
        out.push(...masked.split(/\r\n|\r|\n/).map((each) => `data: ${each}`));
        shown = true;
      }
    }
    const same = out.length === lines.length && out.every((line, index) => line === lines[index]);
    return same ? raw : Buffer.from(out.join('\n'));
  }

  #data(text: string): string {
    const json = maskNestedJson(this.#masks, text, { name: null, label: LABEL, nested: 1 });
    if (json !== null) return json;
    // Whole first: a private key takes many lines.
    const searched = this.#masks.searches ? this.#masks.searchedText(LABEL, text) : text;
    return searched
      .split('\n')
      .map((line) => maskLine(this.#masks, line, LABEL))
      .join('\n');
  }
}
