/**
 * Masks JSON as it passes: a reader of RFC 8259 and nothing more, which holds one name, number or string at a time. What is not masked
 * goes on byte for byte; what is no JSON ends it.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8259
 */
import { isUtf8 } from 'node:buffer';
import type { CompiledMask } from '../../masking/rules.ts';
import { Growing } from './mask-growing.ts';
import { invalid, isBlank, isValidWord, isWord, QUOTE, StringEnd } from './mask-json-lex.ts';
import { type JsonPlace, mayBeJson, nestedJson, TOP } from './mask-nested.ts';
import { type BodyMasks, SEARCHED_BYTES, Unmaskable } from './mask-values.ts';

/** Containers in one another. */
const MAX_DEPTH = 512;
const MAX_NAME = 8192;
const MAX_WORD = 65_536;

const [OPEN, CLOSE, LIST, LIST_END, COMMA, COLON, RECORD] = [0x7b, 0x7d, 0x5b, 0x5d, 0x2c, 0x3a, 0x1e];
const BOM = [0xef, 0xbb, 0xbf];

/** What may come: a value, one or the end of the list, a name, one or the end of the object, ... */
type State = 'value' | 'element' | 'name' | 'member' | 'colon' | 'after' | 'string' | 'word';

/** What a value is called, as a parent of others and in records, and what holds for it. */
interface Place {
  readonly name: string | null;
  readonly label: string;
  readonly mask: CompiledMask | null;
}

interface Container extends Place {
  readonly list: boolean;
}

export class JsonMasker {
  readonly #masks: BodyMasks;
  readonly #many: boolean;
  readonly #nested: number;
  readonly #top: Place;
  readonly #stack: Container[] = [];
  readonly #token = new Growing();
  readonly #stringEnd = new StringEnd();
  /** The first quote of a string has not been passed yet. */
  #first = false;
  #state: State = 'value';
  /** Bytes of a byte order mark; -1 when there can be none any more. */
  #bom = 0;
  #isName = false;
  /** Of a string: passed on; dropped, since its replacement is known; held; held until its first character tells. */
  #handling: 'pass' | 'drop' | 'hold' | 'peek' = 'pass';
  /** The value that comes. */
  #place: Place;
  /** How deep the object stands of which nothing is shown; 0 outside of one. */
  #hidden = 0;
  #out: Buffer[] = [];
  #chunk: Buffer = Buffer.alloc(0);
  /** What of the piece in hand goes out as it is. */
  #from = 0;
  #to = 0;

  /** @param many values one behind the other, as in NDJSON and JSON text sequences */
  constructor(masks: BodyMasks, many = false, { name, label, nested }: JsonPlace = TOP) {
    this.#masks = masks;
    this.#many = many;
    this.#nested = nested;
    this.#top = { name, label, mask: null };
    this.#place = this.#top;
  }

  /** What goes on of a piece. @throws Unmaskable */
  push(chunk: Buffer): Buffer {
    this.#chunk = chunk;
    this.#from = this.#to = 0;
    for (let at = 0; at < chunk.length; ) {
      if (this.#state === 'string') at = this.#string(at);
      else if (this.#state === 'word') at = this.#word(at);
      else at = this.#between(at);
    }
    return this.#taken();
  }

  /** What is left. @throws Unmaskable where a value has not come to its end */
  end(): Buffer {
    this.#chunk = Buffer.alloc(0);
    this.#from = this.#to = 0;
    if (this.#state === 'word') this.#wordEnded();
    const nothing = this.#state === 'value' && this.#bom <= 0;
    if (this.#stack.length > 0 || !(this.#state === 'after' || nothing)) throw invalid();
    return this.#taken();
  }

  #taken(): Buffer {
    this.#flush();
    const out = this.#out;
    this.#out = [];
    return out.length === 1 ? (out[0] as Buffer) : Buffer.concat(out);
  }

  #flush(): void {
    if (this.#to > this.#from) this.#out.push(this.#chunk.subarray(this.#from, this.#to));
    this.#from = this.#to;
  }

  /** Passes bytes of the piece on. */
  #pass(from: number, to: number): void {
    if (this.#hidden > 0) return;
    if (from !== this.#to) {
      this.#flush();
      this.#from = from;
    }
    this.#to = to;
  }

  #write(what: Buffer | string): void {
    if (this.#hidden > 0) return;
    this.#flush();
    this.#out.push(typeof what === 'string' ? Buffer.from(what) : what);
  }

  #between(at: number): number {
    const byte = this.#chunk[at] as number;
    if (this.#bom >= 0) {
      if (byte === BOM[this.#bom]) {
        this.#bom = this.#bom === 2 ? -1 : this.#bom + 1;
        this.#pass(at, at + 1);
        return at + 1;
      }
      if (this.#bom > 0) throw invalid();
      this.#bom = -1;
    }
    const top = this.#stack.length === 0;
    if (isBlank(byte) || (byte === RECORD && this.#many && top)) {
      this.#pass(at, at + 1);
      return at + 1;
    }
    if (top && this.#many && this.#state === 'after') this.#expect();
    if (byte === QUOTE) {
      this.#beginString();
      return at;
    }
    if (isWord(byte)) {
      if (this.#state !== 'value' && this.#state !== 'element') throw invalid();
      this.#state = 'word';
      return at;
    }
    const hidden = this.#hidden > 0;
    this.#structure(byte);
    // Of what is hidden neither the first brace is shown nor the last.
    if (!hidden) this.#pass(at, at + 1);
    return at + 1;
  }

  /** A value may come: the next element, or the next document. */
  #expect(): void {
    const around = this.#stack.at(-1);
    this.#place = around ?? this.#top;
    this.#state = 'value';
  }

  #structure(byte: number): void {
    const around = this.#stack.at(-1);
    const state = this.#state;
    const isValue = state === 'value' || state === 'element';
    if (byte === OPEN && isValue) this.#open(false);
    else if (byte === LIST && isValue) this.#open(true);
    else if (byte === COLON && state === 'colon') this.#state = 'value';
    else if (byte === COMMA && state === 'after' && around !== undefined) {
      if (around.list) this.#expect();
      else this.#state = 'name';
    } else if (byte === LIST_END && around?.list === true && (state === 'after' || state === 'element'))
      this.#close();
    else if (byte === CLOSE && around?.list === false && (state === 'after' || state === 'member'))
      this.#close();
    else throw invalid();
  }

  #open(list: boolean): void {
    const { name, label, mask } = this.#place;
    if (this.#stack.length >= MAX_DEPTH) throw new Unmaskable('the answer is nested too deep to be masked');
    this.#stack.push({ list, name, label, mask: list ? mask : null });
    this.#state = list ? 'element' : 'member';
    if (list) this.#place = this.#stack.at(-1) as Container;
    else if (mask !== null && this.#hidden === 0) {
      this.#write(this.#masks.namedObject(mask, label));
      this.#hidden = this.#stack.length;
    }
  }

  #close(): void {
    if (this.#stack.length === this.#hidden) this.#hidden = 0;
    this.#stack.pop();
    this.#state = 'after';
  }

  #beginString(): void {
    const state = this.#state;
    if (state === 'name' || state === 'member') {
      this.#isName = true;
      this.#handling = this.#hidden > 0 ? 'drop' : 'hold';
    } else if (state === 'value' || state === 'element') {
      this.#isName = false;
      this.#handling = this.#handlingOf(this.#place.mask);
    } else throw invalid();
    this.#stringEnd.begin();
    this.#state = 'string';
    this.#first = true;
  }

  #handlingOf(mask: CompiledMask | null): 'pass' | 'drop' | 'hold' | 'peek' {
    if (this.#hidden > 0) return 'drop';
    if (mask !== null) return 'hold';
    if (this.#masks.searches) return 'hold';
    return this.#masks.plan.members ? 'peek' : 'pass';
  }

  #string(at: number): number {
    const start = at;
    let behind = at;
    if (this.#first) {
      this.#first = false;
      behind = at + 1;
    }
    const end = this.#stringEnd.find(this.#chunk, behind);
    if (this.#handling === 'pass') this.#pass(start, end);
    else if (this.#handling !== 'drop') this.#hold(start, end);
    if (this.#stringEnd.ended) this.#stringEnded();
    return end;
  }

  #hold(start: number, end: number): void {
    const token = this.#token;
    if (this.#handling === 'peek' && token.length + end - start > 1) {
      const second =
        token.length > 1 ? null : (this.#chunk[token.length === 1 ? start : start + 1] as number);
      if (second !== null && !mayBeJson(second)) {
        if (token.length > 0) this.#write(token.take());
        this.#handling = 'pass';
        this.#pass(start, end);
        return;
      }
      this.#handling = 'hold';
    }
    token.add(this.#chunk, start, end);
    if (this.#isName) {
      if (token.length > MAX_NAME) throw new Unmaskable('a name is too long to be looked at for masks');
      return;
    }
    const { mask, label } = this.#place;
    if (mask === null && this.#masks.searches && token.length > SEARCHED_BYTES) {
      token.take();
      this.#write(JSON.stringify(this.#masks.unsearched(label)));
      this.#handling = 'drop';
    } else if (token.length > this.#masks.messageBytes)
      throw new Unmaskable('a text is too long to be masked');
  }

  #stringEnded(): void {
    this.#state = this.#isName ? 'colon' : 'after';
    if (this.#handling === 'pass' || this.#handling === 'drop') {
      this.#handling = 'pass';
      return;
    }
    const raw = this.#token.take();
    const text = textOf(raw);
    if (this.#isName) this.#nameEnded(raw, text);
    else this.#write(this.#valueOf(text) ?? raw);
  }

  #nameEnded(raw: Buffer, text: string): void {
    const around = this.#stack.at(-1) as Container;
    const { plan } = this.#masks;
    const label = this.#masks.label(around.label, text);
    this.#place = { name: text, label, mask: plan.forMember(around.name, text) };
    const shown = this.#masks.searches ? this.#masks.searchedText(label, text) : text;
    this.#write(shown === text ? raw : JSON.stringify(shown));
  }

  /** The JSON that stands in the place of a string; null where it stays. */
  #valueOf(text: string): string | null {
    const { name, label, mask } = this.#place;
    if (mask !== null) return JSON.stringify(this.#masks.named(mask, label, text));
    const inner = maskNestedJson(this.#masks, text, { name, label, nested: this.#nested + 1 });
    if (inner !== null) return inner === text ? null : JSON.stringify(inner);
    const searched = this.#masks.searched(label, text);
    return searched === undefined ? null : JSON.stringify(searched);
  }

  #word(at: number): number {
    const chunk = this.#chunk;
    let end = at;
    while (end < chunk.length && isWord(chunk[end] as number)) end += 1;
    if (this.#token.length + end - at > MAX_WORD) throw new Unmaskable('a number is too long to be masked');
    this.#token.add(chunk, at, end);
    if (end < chunk.length) this.#wordEnded();
    return end;
  }

  #wordEnded(): void {
    const raw = this.#token.take();
    const word = raw.toString('latin1');
    if (!isValidWord(word)) throw invalid();
    this.#state = 'after';
    const { label, mask } = this.#place;
    if (this.#hidden > 0) return;
    if (mask !== null) this.#write(this.#masks.namedToken(mask, label, word));
    else this.#write(this.#masks.searchedNumber(label, word) ?? raw);
  }
}

/** @throws Unmaskable where it is no UTF-8, which readers read in different ways */
function textOf(raw: Buffer): string {
  if (!isUtf8(raw)) throw invalid();
  const text = raw.toString('utf8');
  return text.includes('\\') ? (JSON.parse(text) as string) : text.slice(1, -1);
}

/** A text that is JSON itself, as {@link nestedJson} makes it. */
export const maskNestedJson = (masks: BodyMasks, text: string, place: JsonPlace): string | null =>
  nestedJson(masks, text, place, () => {
    const masker = new JsonMasker(masks, false, place);
    return Buffer.concat([masker.push(Buffer.from(text)), masker.end()]).toString();
  });
