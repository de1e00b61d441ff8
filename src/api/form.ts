/**
 * Bodies of `application/x-www-form-urlencoded`, which RFC 6749 asks for at the token endpoint.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6749#section-3.2
 */
import { OAuthError } from './oauth-error.ts';

const PARAMETERS_MAX = 32;

/** The parameters, none of them twice; those without a value are left out, as if they had not been sent. */
export function parseForm(text: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  let count = 0;
  for (const [name, value] of new URLSearchParams(text)) {
    count += 1;
    if (count > PARAMETERS_MAX) throw new OAuthError('invalid_request', 'There are too many parameters.');
    if (value === '') continue;
    if (found.has(name))
      throw new OAuthError(
        'invalid_request',
        `A parameter is there twice: ${JSON.stringify(name.slice(0, 60))}.`,
      );
    found.set(name, value);
  }
  return found;
}
