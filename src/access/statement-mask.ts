import { maskRequestText } from '../protocols/http/request-text.ts';
import { normalizeLiterals } from '../protocols/postgres/normalize.ts';

/**
 * The text of a statement with its literals replaced, in the language of its protocol; null where it is not certain what in
 * it is a literal (comments, dollar quotes, escape strings, odd numbers). Only for texts that their parser accepts: where
 * quotes are out of step, what looks like a name may be a value.
 */
export function maskStatement(protocol: string, text: string): string | null {
  if (protocol === 'postgres') return normalizeLiterals(text);
  return protocol === 'http' ? maskRequestText(text) : null;
}
