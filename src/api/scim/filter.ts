/**
 * Filters of SCIM: `attribute eq value`, joined by `and`, and `attribute[...]`; nothing else is taken. Pure.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7644#section-3.4.2.2
 */
import { ScimError } from './errors.ts';

type Value = string | number | boolean | null;

export interface Condition {
  /** In lower case, without the schema's URN. */
  readonly path: readonly string[];
  readonly value: Value;
  /** Conditions that one and the same element of the attribute must meet; then `value` is null and means nothing. */
  readonly within: readonly Condition[] | null;
}

const LONGEST = 2000;
const MOST = 20;
const DEEPEST = 2;
const TOKEN =
  /\s*(?:(and|eq)\b(?![.:[])|([A-Za-z$][\w$-]*(?:[.:][\w$.:-]*)?)|("(?:[^"\\]|\\.)*")|(-?\d+(?:\.\d+)?)|([[\]()]))/iy;

interface Token {
  readonly kind: 'word' | 'name' | 'value' | 'mark';
  readonly text: string;
}

/** @throws ScimError invalidFilter */
export function parseFilter(text: string): readonly Condition[] {
  if (text.length > LONGEST) throw invalid('it is too long');
  const tokens = tokensOf(text);
  const conditions = conjunction(tokens, 0);
  if (tokens.length > 0) throw invalid(`"${tokens[0]?.text}" is not understood here`);
  return conditions;
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  const end = text.trimEnd().length;
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < end) {
    const match = TOKEN.exec(text);
    if (match === null) throw invalid('only "eq" and "and" are understood');
    const [, word, name, quoted, number, mark] = match;
    if (word !== undefined) tokens.push({ kind: 'word', text: word.toLowerCase() });
    else if (name !== undefined) tokens.push({ kind: 'name', text: name });
    else if (mark !== undefined) tokens.push({ kind: 'mark', text: mark });
    else tokens.push({ kind: 'value', text: quoted ?? number ?? '' });
    if (tokens.length > MOST * 8) throw invalid('it is too long');
  }
  return tokens;
}

function conjunction(tokens: Token[], depth: number): Condition[] {
  const conditions = [condition(tokens, depth)];
  while (tokens[0]?.kind === 'word' && tokens[0].text === 'and') {
    tokens.shift();
    conditions.push(condition(tokens, depth));
    if (conditions.length > MOST) throw invalid('it is too long');
  }
  return conditions;
}

function condition(tokens: Token[], depth: number): Condition {
  const name = tokens.shift();
  if (name?.kind !== 'name') throw invalid('an attribute is missing');
  const path = attributePath(name.text);
  const next = tokens.shift();
  if (next?.text === '[' && depth < DEEPEST) {
    const within = conjunction(tokens, depth + 1);
    if (tokens.shift()?.text !== ']') throw invalid('"]" is missing');
    return { path, value: null, within };
  }
  if (next?.kind !== 'word' || next.text !== 'eq') throw invalid('only "eq" and "and" are understood');
  return { path, value: literalOf(tokens.shift()), within: null };
}

function literalOf(token: Token | undefined): Value {
  if (token?.kind === 'value') {
    try {
      return JSON.parse(token.text) as Value;
    } catch {
      throw invalid('a value is not JSON');
    }
  }
  const word = token?.kind === 'name' ? token.text.toLowerCase() : '';
  if (word === 'true' || word === 'false') return word === 'true';
  if (word === 'null') return null;
  throw invalid('a value is missing');
}

/** `urn:...:User:name.familyName` as `['name', 'familyname']`. */
export function attributePath(text: string): string[] {
  const plain = text.replace(/^urn:[\w.:-]*:(?=[^:]*$)/i, '');
  return plain.toLowerCase().split('.');
}

/** Whether a resource meets all conditions. Text is compared without regard to case, as most attributes of SCIM are. */
export function meets(resource: unknown, conditions: readonly Condition[]): boolean {
  return conditions.every(({ path, value, within }) => {
    const found = valuesAt(resource, path);
    if (within !== null) return found.some((one) => meets(one, within));
    return found.some((one) => equal(one, value));
  });
}

function valuesAt(value: unknown, path: readonly string[]): unknown[] {
  if (Array.isArray(value)) return value.flatMap((one) => valuesAt(one, path));
  const [name, ...rest] = path;
  if (name === undefined) return [value];
  if (typeof value !== 'object' || value === null) return [];
  const key = keyOf(value, name);
  return key === undefined ? [] : valuesAt((value as Record<string, unknown>)[key], rest);
}

/** The own key that is the name in any case. */
export const keyOf = (value: object, name: string): string | undefined =>
  Object.keys(value).find((key) => key.toLowerCase() === name.toLowerCase());

function equal(found: unknown, value: Value): boolean {
  // `emails eq "x"` means their values.
  const plain = typeof found === 'object' && found !== null && 'value' in found ? found.value : found;
  if (typeof plain === 'string' && typeof value === 'string')
    return plain.toLowerCase() === value.toLowerCase();
  return plain === value;
}

const invalid = (why: string): ScimError =>
  new ScimError(400, `The filter cannot be used: ${why}.`, 'invalidFilter');
