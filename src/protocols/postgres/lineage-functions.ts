/** Built-in functions through which a masked value may go on its way to a result, which is then masked whole. */
import { isTree, list } from './tree.ts';

/** They give one value for whatever they are given, without failing, giving rows or NULL depending on it. */
const TOTAL: ReadonlySet<string> = words(
  `any_value array_to_json ascii bit_length bool_and bool_or btrim cardinality char_length character_length concat concat_ws count
  every first_value hashtext initcap json_agg json_build_array jsonb_agg jsonb_build_array last_value left length lower ltrim max md5 min
  octet_length position quote_ident quote_literal quote_nullable replace reverse right row_to_json rtrim starts_with string_agg strpos
  to_json to_jsonb translate trim upper xmlagg xmlforest`,
);

/** These may fail, or give NULL, depending on the arguments that are not named here: formats, units, lengths, positions, keys. */
const TOTAL_IN: ReadonlyMap<string, (index: number) => boolean> = new Map([
  ...[...words('lag lead round split_part substr substring to_char trunc')].map(
    (name) => [name, (index: number) => index === 0] as const,
  ),
  ...[...words('date_part date_trunc extract json_object_agg jsonb_object_agg')].map(
    (name) => [name, (index: number) => index === 1] as const,
  ),
  ...[...words('json_build_object jsonb_build_object')].map(
    (name) => [name, (index: number) => index % 2 === 1] as const,
  ),
]);

/** Of the others, sums are missing on purpose: beside a large number whether one overflows tells how large the value is. */
export type CallUse = 'carried' | 'joined' | 'probed';

/** What one argument of a built-in function is used for. @param args all of them, as the tree has them */
export function argumentUse(name: string, args: unknown, index: number): CallUse {
  if (name === 'array_agg') return 'joined';
  if (TOTAL.has(name)) return 'carried';
  // With a pattern it gives NULL where nothing fits.
  if (name === 'substring' && !list(args).slice(1).every(isInteger)) return 'probed';
  return TOTAL_IN.get(name)?.(index) === true ? 'carried' : 'probed';
}

function isInteger(value: unknown): boolean {
  return isTree(value) && isTree(value.A_Const) && isTree(value.A_Const.ival);
}

function words(text: string): ReadonlySet<string> {
  return new Set(text.split(/\s+/));
}
