/** Pairs from the list of buffers, or of texts, that clients of HTTP give; names in lower case. */
export function rawPairs(raw: unknown): [string, string][] {
  if (!Array.isArray(raw)) return [];
  const pairs: [string, string][] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const [name, value] = [raw[index], raw[index + 1]].map((each) =>
      Buffer.isBuffer(each) ? each.toString('latin1') : String(each),
    ) as [string, string];
    pairs.push([name.toLowerCase(), value]);
  }
  return pairs;
}
