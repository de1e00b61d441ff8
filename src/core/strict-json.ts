/**
 * Reads JSON of somebody who may want two readers to understand different things: an object that has one name twice, and
 * one that is nested deeper than `depth`, are refused.
 *
 * @throws SyntaxError
 * @see https://www.rfc-editor.org/rfc/rfc8259#section-4
 * @see https://www.rfc-editor.org/rfc/rfc7515#section-4
 */
export function parseStrictJson(text: string, depth: number): unknown {
  const value: unknown = JSON.parse(text);
  // The text is JSON, so that what follows may count on its grammar.
  const open: (Set<string> | null)[] = [];
  let names: Set<string> | null = null;
  let nameNext = false;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === '{' || char === '[') {
      if (open.length >= depth) throw new SyntaxError('JSON is nested too deeply');
      open.push(names);
      names = char === '{' ? new Set() : null;
      nameNext = char === '{';
    } else if (char === '}' || char === ']') {
      names = open.pop() ?? null;
      nameNext = false;
    } else if (char === ',') {
      nameNext = names !== null;
    } else if (char === '"') {
      const end = endOfString(text, at);
      if (nameNext && names !== null) {
        const name = JSON.parse(text.slice(at, end)) as string;
        if (names.has(name)) throw new SyntaxError('JSON has a name twice');
        names.add(name);
        nameNext = false;
      }
      at = end - 1;
    }
  }
  return value;
}

/** Behind the quotation mark that ends the string that begins at `start`. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}
