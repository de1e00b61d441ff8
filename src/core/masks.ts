/**
 * What a mask rule says, in the terms that the control process, the gateway and the records share. What the words
 * do is in `src/masking`.
 */

/** What is looked for in the content of text values. */
export const DETECTORS = [
  'email',
  'phone',
  'card',
  'iban',
  'ssn',
  'itin',
  'nino',
  'steuer_id',
  'aws_key',
  'github_token',
  'api_key',
  'jwt',
  'private_key',
  'high_entropy',
] as const;
export type DetectorName = (typeof DETECTORS)[number];

/**
 * What is put in the place of a value. From the strictest to the mildest; where several rules meet on a column, the
 * strictest holds.
 */
export const TRANSFORMS = ['null', 'redact', 'hash', 'tokenise', 'generalise', 'partial'] as const;

export type Transform =
  /** NULL: not even that there was a value. */
  | { readonly kind: 'null' }
  /** One fixed value by type: `[masked]`, 0, the nil UUID. */
  | { readonly kind: 'redact' }
  /** HMAC-SHA-256 under the key of this installation: equal values stay equal, so results can be joined. */
  | { readonly kind: 'hash' }
  /** Letters for letters and digits for digits, derived from a keyed hash: looks alike, cannot be turned back. */
  | { readonly kind: 'tokenise' }
  /** Less exact: dates to month or year, numbers down to a multiple of `bucket`, addresses to their network, other text to `prefix` characters. */
  | {
      readonly kind: 'generalise';
      readonly date: 'month' | 'year';
      readonly bucket: number;
      readonly prefix: number;
    }
  /** The last `keep` characters; never half of the value or more. */
  | { readonly kind: 'partial'; readonly keep: number };

export interface MaskMatch {
  /** `schema.table.column`, each with `*` and `?`; in double quotes a part is literal. */
  readonly columns: readonly string[];
  /** Column names in any table, with `*` and `?`; case, `_`, `-` and spaces do not count. */
  readonly names: readonly string[];
  /** Run on the text values of columns that no rule masks. */
  readonly detectors: readonly DetectorName[];
}

/** Whether statements may compare, sort or group by a masked column, which tells its values without showing them. */
export type Probes = 'deny' | 'allow';

/** A transform with what was chosen of it: `partial, last 4`. */
export function transformWords(transform: Transform): string {
  if (transform.kind === 'partial') return `partial, last ${transform.keep}`;
  if (transform.kind !== 'generalise') return transform.kind;
  const { date, bucket, prefix } = transform;
  return `generalise: days to the ${date}, numbers to ${bucket}, text to ${prefix} characters`;
}
