/**
 * Built-in functions that give one value for whatever they are given, without failing or giving rows depending on it. A masked value
 * may go through them on its way to a result, which is then masked whole; through others it may not, since whether they fail would tell of it.
 */
export const TOTAL_FUNCTIONS: ReadonlySet<string> = new Set(
  `any_value array_agg array_length array_to_json ascii avg bit_length btrim bool_and bool_or cardinality char_length character_length
concat concat_ws count date_part date_trunc every extract first_value hashtext initcap json_agg json_build_array json_build_object
jsonb_agg jsonb_build_array jsonb_build_object json_object_agg jsonb_object_agg lag last_value lead left length lower ltrim max md5 min
 octet_length position quote_ident quote_literal quote_nullable replace
reverse right round row_to_json rtrim split_part starts_with stddev stddev_pop stddev_samp string_agg strpos substr substring sum
to_char to_json to_jsonb translate trim trunc upper var_pop var_samp variance xmlagg xmlforest`
    .split(/\s+/)
    .filter((name) => name !== ''),
);
