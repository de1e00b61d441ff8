/** One value of a result, masked in the format in which it came. */
import { addressMask, contentLook, isSearched, maskContent } from '../../masking/content.ts';
import type { LATER } from '../../masking/hash-lanes.ts';
import type { CompiledMask, ContentMask } from '../../masking/rules.ts';
import { maskBytes, masksBytes, maskTyped } from '../../masking/transforms.ts';
import type { Masked } from './mask-columns.ts';
import { isText, type MaskType, maskType } from './mask-types.ts';

/**
 * What is put in the place of a value: its text or its bytes, a hash that is written later, null for NULL, undefined to leave
 * it as it is.
 */
export type Replacement = string | Buffer | typeof LATER | null | undefined;

/** What happens to the values of one column of a result. */
export interface CellMask {
  /** What to put in the place of the value `buffer[start, end)`, which is in the column's format and never NULL. */
  apply(buffer: Buffer, start: number, end: number): Replacement;
  /** Values replaced, by what the record says of it. */
  readonly counts: Map<string, MaskCount>;
}

export interface MaskCount {
  readonly column: string;
  readonly rule: CompiledMask['rule'];
  rows: number;
}

/** The name under which the record counts what detectors found in a column. */
const countKey = (column: string, mask: CompiledMask): string => `${column}\0${mask.rule.id}`;

/** A masked column. @param type OID, 0 where it is not known */
export function columnCell({ column, mask }: Masked, type: number, binary: boolean): CellMask {
  const known = maskType(type);
  const counts = new Map<string, MaskCount>();
  const count: MaskCount = { column, rule: mask.rule, rows: 0 };
  const { kind } = mask.transform;
  // These do not look at the value, so there is only one answer.
  const fixed =
    kind === 'redact' || kind === 'null' ? encode(maskTyped(mask, known.name, ''), known, binary) : undefined;
  const inBytes = masksBytes(mask, known.name);
  const asText = !binary || isText(known);
  return {
    counts,
    apply(buffer, start, end) {
      if (count.rows++ === 0) counts.set(countKey(column, mask), count);
      if (fixed !== undefined) return fixed;
      const quick = inBytes ? maskBytes(mask, buffer, start, end) : null;
      if (quick !== null) return quick;
      const text = asText ? buffer.toString('utf8', start, end) : decode(known, buffer, start, end);
      return text === null ? null : encode(maskTyped(mask, known.name, text), known, binary);
    },
  };
}

/** A column without a mask of its own, searched for what the detectors know; null where its type holds no text. */
export function contentCell(
  column: string,
  masks: readonly ContentMask[],
  type: number,
  binary: boolean,
): CellMask | null {
  const known = maskType(type);
  if (masks.length === 0 || !isSearched(known.name)) return null;
  const counts = new Map<string, MaskCount>();
  const byMask = new Map<ContentMask, MaskCount>();
  const count = (mask: ContentMask): void => {
    let known = byMask.get(mask);
    if (known === undefined) {
      known = { column, rule: mask.rule, rows: 0 };
      byMask.set(mask, known);
      counts.set(countKey(column, mask), known);
    }
    known.rows += 1;
  };
  const name = known.name === '' ? 'text' : known.name;
  const look = contentLook(masks, name);
  const asText = !binary || known.decode === null || isText(known);
  const addresses = known.name !== '' && (!binary || isText(known)) ? addressMask(masks, name) : null;
  return {
    counts,
    apply(buffer, start, end) {
      const seen = look(buffer, start, end);
      if (seen === 0) return undefined;
      if (addresses !== null) {
        const quick = addresses.apply(buffer, start, end, seen);
        if (quick === undefined) return undefined;
        if (quick !== null) {
          count(addresses.mask);
          return quick;
        }
      }
      const text = asText ? buffer.toString('utf8', start, end) : decode(known, buffer, start, end);
      const found = text === null ? null : maskContent(masks, name, text, seen);
      if (found === null) return undefined;
      for (const mask of found.masks) count(mask);
      // What a type of its own may hold is not known: a changed text could be none of its values.
      return known.name === '' ? null : encode(found.text, known, binary);
    },
  };
}

function decode({ decode }: MaskType, buffer: Buffer, start: number, end: number): string | null {
  return decode === null ? null : decode(buffer.subarray(start, end));
}

function encode(text: string | null, type: MaskType, binary: boolean): string | Buffer | null {
  if (text === null || !binary || isText(type)) return text;
  return type.encode === null ? null : type.encode(text);
}
