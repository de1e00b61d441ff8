/**
 * Transforms of a value of a column of any type. What comes out is a valid text of the type or NULL; a transform
 * that a type cannot hold gives NULL, since a made-up value would be taken for a real one.
 */
import type { Transform } from '../core/masks.ts';
import { maskContent } from './content.ts';
import { LATER } from './hash-lanes.ts';
import { ceilingOf, generalNumber, hashNumber, isNumeric, partialNumber, tokenNumber } from './numbers.ts';
import { redacted, TEXT } from './redacted.ts';
import type { CompiledMask } from './rules.ts';
import { generalAddress, generalTime, HASH_DOMAINS, hashBytes, type Keyed, maskText } from './text.ts';

/**
 * The masked form of a value of a column.
 *
 * @param type the type's name in `pg_type` (`int4`, `varchar`, `_text` for an array); of a domain its base type's
 * @param text the value in PostgreSQL's text format, never NULL; days and times in `DateStyle` ISO
 * @returns a valid text of that type, or null for NULL
 */
export function maskTyped(mask: CompiledMask, type: string, text: string): string | null {
  const { transform } = mask;
  if (transform.kind === 'null') return null;
  if (transform.kind === 'redact') return redacted(type);
  if (TEXT.has(type)) {
    const searched = searchedFirst(mask, type, text);
    if (searched === null) return null;
    // Upper and lower case are equal in this type, so they must give equal masks.
    return maskText(transform, mask, type === 'citext' ? searched.toLowerCase() : searched);
  }
  if (isNumeric(type)) return maskNumber(transform, mask, type, text);
  if (type === 'uuid') return maskUuid(transform, mask, text);
  if (type === 'bytea' && transform.kind === 'hash') {
    return `\\x${mask.key.digest(`${mask.domain} hash`, text).toString('hex')}`;
  }
  if (type === 'json' || type === 'jsonb') {
    return transform.kind === 'hash' ? JSON.stringify(maskText(transform, mask, text)) : null;
  }
  return transform.kind === 'generalise' ? general(transform, type, text) : null;
}

/**
 * The hash of a value of a text type from its bytes `[start, end)`, as `maskTyped` makes it of its text; null where that takes more
 * than bytes: for characters beyond ASCII, and blanks at the end. Most are made {@link LATER}.
 */
export function maskBytes(
  mask: CompiledMask,
  bytes: Uint8Array,
  start: number,
  end: number,
): string | typeof LATER | null {
  if (end > start && (bytes[end - 1] as number) <= BLANK) return null;
  if (mask.key.later(HASH_DOMAINS[mask.domain], bytes, start, end)) return LATER;
  for (let at = start; at < end; at++) if ((bytes[at] as number) >= 0x80) return null;
  return hashBytes(mask, bytes, start, end);
}

const BLANK = 0x20;

/** Whether `maskBytes` is for values of a type under a mask. Of `citext` it is not: there upper and lower case are equal. */
export const masksBytes = ({ transform }: CompiledMask, type: string): boolean =>
  transform.kind === 'hash' && TEXT.has(type) && type !== 'citext';

/** What is left of a value is searched for what may not be shown at all; null for NULL. */
function searchedFirst({ transform, content = [] }: CompiledMask, type: string, text: string): string | null {
  if (transform.kind !== 'partial' && transform.kind !== 'generalise') return text;
  const found = maskContent(content, type, text);
  return found === null ? text : found.text;
}

function maskNumber(transform: Transform, keyed: Keyed, type: string, text: string): string | null {
  const ceiling = ceilingOf(type);
  switch (transform.kind) {
    case 'hash':
      return hashNumber(keyed, type, text);
    case 'tokenise':
      return tokenNumber(keyed, text, ceiling);
    case 'generalise':
      return generalNumber(type, text, transform.bucket);
    default:
      return transform.kind === 'partial' ? partialNumber(text, transform.keep) : null;
  }
}

function maskUuid(transform: Transform, keyed: Keyed, text: string): string | null {
  const digits = text.toLowerCase().replaceAll('-', '');
  if (!/^[0-9a-f]{32}$/.test(digits)) return null;
  switch (transform.kind) {
    case 'hash':
    case 'tokenise': {
      // Version 8 and the variant of RFC 9562: a value of its maker's own meaning.
      const hex = keyed.key.digest(`${keyed.domain} ${transform.kind}`, digits).toString('hex');
      return uuidOf(`${hex.slice(0, 12)}8${hex.slice(13, 16)}8${hex.slice(17, 32)}`);
    }
    case 'partial': {
      const shown = Math.min(transform.keep, 15);
      return uuidOf(digits.slice(32 - shown).padStart(32, '0'));
    }
    default:
      return null;
  }
}

const uuidOf = (hex: string): string =>
  [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');

function general(
  transform: Extract<Transform, { readonly kind: 'generalise' }>,
  type: string,
  text: string,
): string | null {
  if (type === 'date' || type === 'timestamp' || type === 'timestamptz') return generalTime(transform, text);
  return type === 'inet' || type === 'cidr' ? generalAddress(text) : null;
}
