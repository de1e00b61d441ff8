/** Strings, or numbers of so many digits that they may be an account's. Neither part can be matched in two ways. */
const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.]{8,}(?:[eE][+-]?\d+)?/gs;

/**
 * Runs a masking over the strings (keys too) and long numbers of a JSON text and leaves the rest byte for byte as it
 * is. A number that is masked becomes a string. The text is one that PostgreSQL has accepted as JSON.
 */
export function maskJsonTokens(json: string, mask: (value: string) => string | null): string {
  return json.replace(TOKENS, (token) => {
    const value =
      token.startsWith('"') && token.includes('\\') ? (JSON.parse(token) as string) : unquoted(token);
    const masked = mask(value);
    return masked === value ? token : JSON.stringify(masked);
  });
}

const unquoted = (token: string): string => (token.startsWith('"') ? token.slice(1, -1) : token);
