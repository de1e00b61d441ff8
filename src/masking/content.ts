/** Masks for what detectors find inside text values. */
import { findSecrets } from './detectors.ts';
import type { Span } from './digits.ts';
import { maskJsonTokens } from './json-tokens.ts';
import { redacted } from './redacted.ts';
import type { ContentMask } from './rules.ts';
import { maskText } from './text.ts';

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
 */
export function maskContent(masks: readonly ContentMask[], type: string, text: string): ContentMasked | null {
  const [strictest] = masks;
  if (strictest === undefined || !isSearched(type)) return null;
  if (text.length > CONTENT_MAX) {
    return { text: redacted(type), masks: [strictest] };
  }
  const applied = new Set<ContentMask>();
  const inText = (value: string): string | null => maskSpans(masks, value, applied);
  const masked = type === 'json' || type === 'jsonb' ? maskJsonTokens(text, inText) : inText(text);
  if (applied.size === 0) return null;
  const hidden = [...applied].some(({ transform }) => transform.kind === 'null');
  return { text: hidden ? null : masked, masks: [...applied] };
}

/** Null where a mask asks for NULL: there is none inside a text. */
function maskSpans(masks: readonly ContentMask[], text: string, applied: Set<ContentMask>): string | null {
  const found = masks.flatMap((mask, order) =>
    findSecrets(text, mask.detectors).map(({ start, end }) => ({ start, end, mask, order })),
  );
  if (found.length === 0) return text;
  found.sort((a, b) => a.start - b.start || a.order - b.order);
  let out = '';
  let at = 0;
  for (let i = 0; i < found.length; ) {
    const first = found[i] as (typeof found)[number];
    let { end, mask, order } = first;
    // Findings that overlap are one, under the strictest of their masks.
    for (i += 1; i < found.length && (found[i] as Span).start < end; i += 1) {
      const next = found[i] as (typeof found)[number];
      end = Math.max(end, next.end);
      if (next.order < order) ({ mask, order } = next);
    }
    applied.add(mask);
    const replaced = maskText(mask.transform, mask, text.slice(first.start, end));
    out += text.slice(at, first.start) + (replaced ?? '[masked]');
    at = end;
  }
  return out + text.slice(at);
}
