/**
 * Strings, or numbers of so many digits that they may be an account's. Neither part can be matched in two ways; a string without an end is
 * taken up to the end of the text, so that its quotes are not each tried anew.
 */
const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?$)|-?\d[\d.]{8,}(?:[eE][+-]?\d+)?/gs;

/**
 * Runs a masking over the strings (keys too) and long numbers of a JSON text and leaves the rest byte for byte as it
 * is. A number that is masked becomes a string. The text should be one that PostgreSQL has accepted as JSON; of a string that is none its
 * characters are looked at as they stand.
 */
export function maskJsonTokens(json: string, mask: (value: string) => string | null): string {
  return json.replace(TOKENS, (token) => {
    const value = textOf(token);
    const masked = mask(value);
    return masked === value ? token : JSON.stringify(masked);
  });
}

function textOf(token: string): string {
  if (!token.startsWith('"')) return token;
  if (token.includes('\\')) {
    try {
      return JSON.parse(token) as string;
    } catch (error) {
      // A server may send anything under the type's name.
      if (!(error instanceof SyntaxError)) throw error;
    }
  }
  return token.length > 1 && token.endsWith('"') ? token.slice(1, -1) : token.slice(1);
}
