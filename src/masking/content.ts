/** Masks for what detectors find inside text values. */
import { emailsInBytes } from './detect-email.ts';
import { findSecrets } from './detectors.ts';
import { maskJsonTokens } from './json-tokens.ts';
import { ANYTHING, beginnings, ESCAPES, look, lookAt, needsOf, ONLY_AT } from './look.ts';
import { redacted } from './redacted.ts';
import type { ContentMask } from './rules.ts';
import { MASKED, maskText } from './text.ts';

/** Longest text that is searched, in characters. A longer one is masked whole: what is in it is not known. */
export const CONTENT_MAX = 65_536;

export interface ContentMasked {
  /** A valid text of the type, or null for NULL. */
  readonly text: string | null;
  /** The masks that were applied. */
  readonly masks: readonly ContentMask[];
}

/** Types whose values are no text that anybody could have put something into. Every other type is searched. */
const PLAIN: ReadonlySet<string> = new Set([
  ...['bool', 'int2', 'int4', 'int8', 'oid', 'float4', 'float8', 'numeric', 'money', 'bytea', 'uuid'],
  ...[
    'date',
    'time',
    'timetz',
    'timestamp',
    'timestamptz',
    'interval',
    'inet',
    'cidr',
    'macaddr',
    'macaddr8',
  ],
  ...['bit', 'varbit', 'void', 'xid', 'xid8', 'cid', 'tid', 'pg_lsn', 'point', 'line', 'lseg', 'box', 'path'],
  ...['polygon', 'circle', 'int4range', 'int8range', 'numrange', 'tsrange', 'tstzrange', 'daterange'],
]);

/** Whether values of a type are searched by detectors. @param type the type's name in `pg_type` */
export const isSearched = (type: string): boolean => !PLAIN.has(type.startsWith('_') ? type.slice(1) : type);

/**
 * Masks what the detectors find in a value of an unmasked column; null where they find nothing.
 *
 * @param type the type's name in `pg_type`
 * @param text the value in PostgreSQL's text format
 * @param seen what a look at all of the text has told
 */
export function maskContent(
  masks: readonly ContentMask[],
  type: string,
  text: string,
  seen?: number,
): ContentMasked | null {
  const [strictest] = masks;
  if (strictest === undefined || !isSearched(type)) return null;
  if (text.length > CONTENT_MAX) {
    return { text: redacted(type), masks: [strictest] };
  }
  const applied: ContentMask[] = [];
  const masked = isJson(type)
    ? maskJsonTokens(text, (value) => maskSpans(masks, value, lookAt(value), applied))
    : maskSpans(masks, text, seen ?? lookAt(text), applied);
  if (applied.length === 0) return null;
  const hidden = applied.some(({ transform }) => transform.kind === 'null');
  return { text: hidden ? null : masked, masks: applied };
}

interface Found {
  readonly start: number;
  readonly end: number;
  readonly mask: ContentMask;
  /** The less, the stricter the mask. */
  readonly order: number;
}

/** Tells of a value of a type, before it is made a text, whether the detectors of some masks could find anything in it. */
export function contentLook(
  masks: readonly ContentMask[],
  type: string,
): (bytes: Uint8Array, start: number, end: number) => number {
  const needs = needsIn(masks, type);
  const begins = beginnings(needs);
  return (bytes, start, end) => {
    if (end - start > CONTENT_MAX) return ANYTHING;
    let from = start;
    if (begins !== null) {
      while (from < end && begins[bytes[from] as number] === 0) from += 1;
      if (from === end) return 0;
    }
    return look(bytes, start, end, from) & needs;
  };
}

/** In JSON any character may be written as an escape. */
const needsIn = (masks: readonly ContentMask[], type: string): number =>
  (isJson(type) ? ESCAPES : 0) | needsOf(masks.flatMap(({ detectors }) => detectors));

const isJson = (type: string): boolean => type === 'json' || type === 'jsonb';

/** What `maskContent` would make of a value in which there are addresses and nothing else, from its bytes. */
export interface AddressMask {
  readonly mask: ContentMask;
  /**
   * The masked value; undefined where there is nothing to mask, null where that takes the text.
   *
   * @param seen what a look has told
   */
  apply(bytes: Buffer, start: number, end: number, seen: number): string | null | undefined;
}

/** Null where no mask looks for addresses, or where more than the bytes of the address would change. @param type a text's */
export function addressMask(masks: readonly ContentMask[], type: string): AddressMask | null {
  const mask = masks.find(({ detectors }) => detectors.includes('email'));
  if (mask === undefined || mask.transform.kind === 'null' || isJson(type)) return null;
  const found: number[] = [];
  return {
    mask,
    apply(bytes, start, end, seen) {
      if (seen !== ONLY_AT || !emailsInBytes(bytes, start, end, found)) return null;
      if (found.length === 0) return undefined;
      let out = '';
      let at = start;
      for (let i = 0; i < found.length; i += 2) {
        const [from, to] = [found[i] as number, found[i + 1] as number];
        if (from > at) out += bytes.toString('latin1', at, from);
        out += replaced(mask, bytes, from, to);
        at = to;
      }
      return at === end ? out : out + bytes.toString('latin1', at, end);
    },
  };
}

/** Of a redacted address the text does not matter. */
const replaced = (mask: ContentMask, bytes: Buffer, from: number, to: number): string =>
  mask.transform.kind === 'redact'
    ? MASKED
    : (maskText(mask.transform, mask, bytes.toString('latin1', from, to)) ?? MASKED);

/** Null where a mask asks for NULL: there is none inside a text. */
function maskSpans(
  masks: readonly ContentMask[],
  text: string,
  seen: number,
  applied: ContentMask[],
): string | null {
  const found: Found[] = [];
  for (let order = 0; order < masks.length; order++) {
    const mask = masks[order] as ContentMask;
    for (const { start, end } of findSecrets(text, mask.detectors, seen))
      found.push({ start, end, mask, order });
  }
  if (found.length === 0) return text;
  if (found.length > 1) found.sort((a, b) => a.start - b.start || a.order - b.order);
  let out = '';
  let at = 0;
  for (let i = 0; i < found.length; ) {
    const first = found[i] as Found;
    let { end, mask, order } = first;
    let shortest = end - first.start;
    // Findings that overlap are one, under the strictest of their masks.
    for (i += 1; i < found.length && (found[i] as Found).start < end; i += 1) {
      const next = found[i] as Found;
      end = Math.max(end, next.end);
      shortest = Math.min(shortest, next.end - next.start);
      if (next.order < order) ({ mask, order } = next);
    }
    if (!applied.includes(mask)) applied.push(mask);
    // What is shown of several together is less than half of each: no more than of the shortest, where it is shown.
    const { kind } = mask.transform;
    const from = kind === 'partial' ? end - shortest : first.start;
    const to = kind === 'generalise' ? first.start + shortest : end;
    const replaced = maskText(mask.transform, mask, text.slice(from, to));
    out += text.slice(at, first.start) + (replaced ?? MASKED);
    at = end;
  }
  return out + text.slice(at);
}
