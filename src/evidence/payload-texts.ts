import type { PayloadShown, PayloadsShown } from './format.ts';

const PLAIN = '[^"\\\\\\u0000-\\u001f]*';
const TEXT = `${PLAIN}(?:\\\\["\\\\bfnrt]${PLAIN})*`;
const SHOWN = `"commitment":"([0-9a-f]{64})","bytes":(0|[1-9]\\d{0,14}),"salt":"([0-9a-f]{32})","text":"(${TEXT})"`;
const FORM = new RegExp(`^\\{"statement":\\{${SHOWN}\\}(?:,"parameters":\\{${SHOWN}\\})?\\}\\}$`);
/** Longer ones are parsed. */
const LONGEST = 8192;

/**
 * The payloads at the end of a row, with the brace that ends the row, where they are shown in full and written exactly as
 * `JSON.stringify` writes them; null where they are anything else. The text came out of bytes: there is no half of a pair of
 * surrogates in it.
 */
export function readPayloads(rest: string): PayloadsShown | null {
  const match = rest.length > LONGEST ? null : FORM.exec(rest);
  if (match === null) return null;
  const statement = shown(match, 1);
  return match[5] === undefined ? { statement } : { statement, parameters: shown(match, 5) };
}

function shown(match: RegExpExecArray, at: number): PayloadShown {
  const text = match[at + 3] as string;
  return {
    commitment: match[at] as string,
    bytes: Number(match[at + 1]),
    salt: match[at + 2] as string,
    text: text.includes('\\') ? (JSON.parse(`"${text}"`) as string) : text,
  };
}
