/** Masks form fields as they pass, one at a time. @see https://url.spec.whatwg.org/#application/x-www-form-urlencoded */
import { isUtf8 } from 'node:buffer';
import { Growing } from './mask-growing.ts';
import { maskNestedJson } from './mask-json.ts';
import { type BodyMasks, Unmaskable } from './mask-values.ts';

const AND = 0x26;

export class FormMasker {
  readonly #masks: BodyMasks;
  readonly #field = new Growing();

  constructor(masks: BodyMasks) {
    this.#masks = masks;
  }

  /** @throws Unmaskable */
  push(chunk: Buffer): Buffer {
    const out: Buffer[] = [];
    let start = 0;
    for (let at = 0; at < chunk.length; at++) {
      if (chunk[at] !== AND) continue;
      this.#field.add(chunk, start, at);
      out.push(this.#ended(), chunk.subarray(at, at + 1));
      start = at + 1;
    }
    this.#field.add(chunk, start, chunk.length);
    if (this.#field.length > this.#masks.messageBytes)
      throw new Unmaskable('a field of the form is too long to be masked');
    return Buffer.concat(out);
  }

  /** @throws Unmaskable */
  end(): Buffer {
    return this.#ended();
  }

  #ended(): Buffer {
    const raw = this.#field.take();
    if (!isUtf8(raw)) throw new Unmaskable('the form is not in UTF-8');
    const text = raw.toString('utf8');
    if (text.includes(';')) throw new Unmaskable('the form holds a semicolon, which to some ends a field');
    const equals = text.indexOf('=');
    const name = decoded(equals === -1 ? text : text.slice(0, equals));
    const value = equals === -1 ? null : decoded(text.slice(equals + 1));
    const label = this.#masks.label('', name);
    const shownName = this.#masks.searchedText(label, name);
    const shownValue = value === null ? null : this.#value(name, label, value);
    if (shownName === name && shownValue === value) return raw;
    const written = encodeURIComponent(shownName.toWellFormed());
    return Buffer.from(
      shownValue === null ? written : `${written}=${encodeURIComponent(shownValue.toWellFormed())}`,
    );
  }

  #value(name: string, label: string, value: string): string {
    const mask = this.#masks.plan.forMember(null, name);
    if (mask !== null) return this.#masks.named(mask, label, value) ?? '';
    return (
      maskNestedJson(this.#masks, value, { name, label, nested: 1 }) ?? this.#masks.searchedText(label, value)
    );
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw new Unmaskable('the form holds a % that encodes no UTF-8');
  }
}
