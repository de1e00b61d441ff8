/** One value of a result, masked in the format in which it came. */
import { isSearched, maskContent } from '../../masking/content.ts';
import type { CompiledMask, ContentMask } from '../../masking/rules.ts';
import { maskTyped } from '../../masking/transforms.ts';
import type { Masked } from './mask-columns.ts';
import { type MaskType, maskType } from './mask-types.ts';

/** What happens to the values of one column of a result. */
export interface CellMask {
  /**
   * The bytes to put in the place of a value: null for NULL, undefined to leave it as it is.
   *
   * @param bytes the value in the column's format, never NULL
   */
  apply(bytes: Buffer): Buffer | null | undefined;
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
  return {
    counts,
    apply(bytes) {
      if (count.rows++ === 0) counts.set(countKey(column, mask), count);
      if (fixed !== undefined) return fixed;
      const text = binary ? (known.decode?.(bytes) ?? null) : bytes.toString('utf8');
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
  return {
    counts,
    apply(bytes) {
      const text = binary && known.decode !== null ? known.decode(bytes) : bytes.toString('utf8');
      const found = text === null ? null : maskContent(masks, known.name === '' ? 'text' : known.name, text);
      if (found === null) return undefined;
      for (const mask of found.masks) {
        const key = countKey(column, mask);
        const count = counts.get(key) ?? { column, rule: mask.rule, rows: 0 };
        count.rows += 1;
        counts.set(key, count);
      }
      // What a type of its own may hold is not known: a changed text could be none of its values.
      return known.name === '' ? null : encode(found.text, known, binary);
    },
  };
}

function encode(text: string | null, type: MaskType, binary: boolean): Buffer | null {
  if (text === null) return null;
  return binary ? (type.encode?.(text) ?? null) : Buffer.from(text, 'utf8');
}
