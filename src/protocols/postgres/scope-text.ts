/**
 * The text of a PostgreSQL scope: `verb[, verb] on object[, object] [; ...]`, for example
 * `insert, select (id, amount) on ledger.*; listen on ledger_events`. docs/scopes.md is the page for users.
 */
import { PosternError } from '../../core/errors.ts';
import { COLUMN_VERBS, VERBS, type Verb } from './classified.ts';

/** One name pattern. `quoted`: everything in it is literal. Otherwise `*` and `?` are wildcards. */
export interface NamePattern {
  readonly text: string;
  readonly quoted: boolean;
}

export interface ObjectPattern {
  /** Null for a channel. */
  readonly schema: NamePattern | null;
  readonly name: NamePattern;
}

/** One verb, on whole objects (`columns` is null) or on some columns of them. */
export interface Right {
  readonly verb: Verb;
  readonly columns: readonly NamePattern[] | null;
}

export interface ScopeRule {
  /** Sorted as in `VERBS`, each verb once. */
  readonly rights: readonly Right[];
  readonly objects: readonly ObjectPattern[];
}

export interface Scope {
  readonly rules: readonly ScopeRule[];
}

/** Longest scope text that is read, in characters. */
export const MAX_SCOPE_LENGTH = 16_384;
/** Longest part of a name pattern, in characters. PostgreSQL's own names have at most 63 bytes. */
const MAX_PATTERN_LENGTH = 128;

const ALL_VERBS = Object.keys(VERBS) as readonly Verb[];
/** Verbs on things that stand in no schema. */
const CHANNEL_VERBS: ReadonlySet<string> = new Set<Verb>(['listen', 'notify']);

type Token =
  | { readonly kind: 'word' | 'quoted'; readonly text: string; readonly at: number }
  | { readonly kind: 'mark'; readonly text: string; readonly at: number };

const BARE = /[A-Za-z0-9_$*?\u0080-\uffff]+/y;

function fail(position: number, what: string, hint?: string): never {
  throw new PosternError('POSTERN_INVALID', `scope, position ${position + 1}: ${what}`, hint);
}

/** PostgreSQL folds ASCII letters of an unquoted name only. */
const fold = (text: string): string => text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());

function readQuoted(text: string, start: number): { readonly value: string; readonly end: number } {
  let value = '';
  let from = start + 1;
  for (;;) {
    const close = text.indexOf('"', from);
    if (close === -1) fail(start, 'the quoted name is not closed');
    value += text.slice(from, close);
    if (text[close + 1] !== '"') {
      if (value === '') fail(start, 'a name cannot be empty');
      return { value, end: close + 1 };
    }
    value += '"';
    from = close + 2;
  }
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const char = text[at] as string;
    if (' \t\r\n'.includes(char)) {
      at += 1;
    } else if (',;.()'.includes(char)) {
      tokens.push({ kind: 'mark', text: char, at });
      at += 1;
    } else if (char === '"') {
      const { value, end } = readQuoted(text, at);
      tokens.push({ kind: 'quoted', text: value, at });
      at = end;
    } else {
      BARE.lastIndex = at;
      const word = BARE.exec(text)?.[0];
      if (word === undefined) {
        fail(
          at,
          `unexpected ${JSON.stringify(char)}`,
          'Put names with other characters in double quotes: "my-schema".*',
        );
      }
      tokens.push({ kind: 'word', text: word, at });
      at += word.length;
    }
    const last = tokens.at(-1);
    if (last !== undefined && last.text.length > MAX_PATTERN_LENGTH) fail(last.at, 'the name is too long');
    if (last?.text.includes('\0')) fail(last.at, 'a name cannot hold a NUL character');
  }
  return tokens;
}

class Reader {
  readonly #tokens: readonly Token[];
  readonly #end: number;
  #next = 0;

  constructor(text: string) {
    this.#tokens = tokenize(text);
    this.#end = text.length;
  }

  get done(): boolean {
    return this.#next >= this.#tokens.length;
  }

  get position(): number {
    return this.#tokens[this.#next]?.at ?? this.#end;
  }

  get found(): string {
    const token = this.#tokens[this.#next];
    return token === undefined ? 'the end' : JSON.stringify(token.text);
  }

  mark(text: string): boolean {
    const token = this.#tokens[this.#next];
    if (token?.kind !== 'mark' || token.text !== text) return false;
    this.#next += 1;
    return true;
  }

  keyword(text: string): boolean {
    const token = this.#tokens[this.#next];
    if (token?.kind !== 'word' || token.text.toLowerCase() !== text) return false;
    this.#next += 1;
    return true;
  }

  word(): string | null {
    const token = this.#tokens[this.#next];
    if (token?.kind !== 'word') return null;
    this.#next += 1;
    return token.text;
  }

  name(): NamePattern | null {
    const token = this.#tokens[this.#next];
    if (token === undefined || token.kind === 'mark') return null;
    this.#next += 1;
    return token.kind === 'quoted'
      ? // Quotes that say nothing are left out, as they are when it is written.
        { text: token.text, quoted: !PLAIN_NAME.test(token.text) }
      : { text: fold(token.text).replace(/\*+/g, '*'), quoted: false };
  }
}

function readRights(reader: Reader): Right[] {
  const rights = new Map<Verb, Map<string, NamePattern> | null>();
  do {
    const at = reader.position;
    const found = reader.found;
    const word = reader.word()?.toLowerCase();
    const columns = readColumns(reader);
    if (word === undefined || (word !== 'all' && !Object.hasOwn(VERBS, word))) {
      fail(at, `${found} is not a verb`, `The verbs are: all, ${ALL_VERBS.join(', ')}.`);
    }
    const verbs = word === 'all' ? ALL_VERBS : [word as Verb];
    for (const verb of verbs) {
      if (columns === null) {
        rights.set(verb, null);
      } else if (!COLUMN_VERBS.has(verb)) {
        fail(
          at,
          `${found} takes no columns`,
          `Only ${[...COLUMN_VERBS].join(', ')} can be given on columns.`,
        );
      } else {
        const before = rights.get(verb);
        // The whole object has its columns.
        if (before !== null) rights.set(verb, new Map([...(before ?? []), ...columns]));
      }
    }
  } while (reader.mark(','));
  return ALL_VERBS.filter((verb) => rights.has(verb)).map((verb) => {
    const columns = rights.get(verb);
    return { verb, columns: columns === null || columns === undefined ? null : [...columns.values()] };
  });
}

/** `(id, amount)`, or nothing. By their text, so that each is there once. */
function readColumns(reader: Reader): Map<string, NamePattern> | null {
  if (!reader.mark('(')) return null;
  const columns = new Map<string, NamePattern>();
  do {
    const column = reader.name();
    if (column === null) fail(reader.position, `expected a column, found ${reader.found}`);
    columns.set(formatPattern(column), column);
  } while (reader.mark(','));
  if (!reader.mark(')')) fail(reader.position, `expected ")" or ",", found ${reader.found}`);
  return columns;
}

function readObject(reader: Reader, rights: readonly Right[]): ObjectPattern {
  const at = reader.position;
  const found = reader.found;
  const channels = rights.every(({ verb }) => CHANNEL_VERBS.has(verb));
  const first = reader.name();
  if (first === null) fail(at, `expected an object such as ledger.*, found ${found}`);
  if (!reader.mark('.')) {
    if (channels) return { schema: null, name: first };
    fail(
      at,
      `${found} names no schema`,
      'Write schema.table, or schema.* for all of a schema. Only listen and notify take a bare name.',
    );
  }
  const secondAt = reader.position;
  const second = reader.name();
  if (second === null) fail(secondAt, `expected a name after the dot, found ${reader.found}`);
  if (channels) {
    fail(at, 'a channel has no schema', 'Write listen on my_channel.');
  }
  return { schema: first, name: second };
}

/**
 * Reads a scope.
 *
 * @throws {PosternError} POSTERN_INVALID with the position and, for an unknown verb, the list of verbs.
 */
export function parseScope(text: string): Scope {
  if (text.length > MAX_SCOPE_LENGTH) fail(MAX_SCOPE_LENGTH, `longer than ${MAX_SCOPE_LENGTH} characters`);
  const reader = new Reader(text);
  const rules: ScopeRule[] = [];
  if (reader.done) fail(0, 'the scope is empty', 'Write for example: select on ledger.*');
  while (!reader.done) {
    const rights = readRights(reader);
    if (!reader.keyword('on')) fail(reader.position, `expected "on" or ",", found ${reader.found}`);
    const objects: ObjectPattern[] = [];
    do objects.push(readObject(reader, rights));
    while (reader.mark(','));
    rules.push({ rights, objects });
    if (!reader.done && !reader.mark(';')) {
      fail(reader.position, `expected ";" or ",", found ${reader.found}`);
    }
  }
  return { rules };
}

const PLAIN_NAME = /^[a-z_\u0080-\uffff][a-z0-9_$\u0080-\uffff]*$/;

/** A name as it is written in SQL and in a scope: in double quotes where it must be. */
export function quoteName(name: string): string {
  return PLAIN_NAME.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}

function formatPattern(pattern: NamePattern): string {
  return pattern.quoted ? quoteName(pattern.text) : pattern.text;
}

function formatRight({ verb, columns }: Right): string {
  return columns === null ? verb : `${verb} (${columns.map(formatPattern).join(', ')})`;
}

/** The canonical text of a scope: parsing it gives an equal scope. */
export function formatScope(scope: Scope): string {
  return scope.rules
    .map(({ rights, objects }) => {
      const all = rights.length === ALL_VERBS.length && rights.every(({ columns }) => columns === null);
      const list = all ? 'all' : rights.map(formatRight).join(', ');
      const on = objects.map((o) =>
        o.schema === null ? formatPattern(o.name) : `${formatPattern(o.schema)}.${formatPattern(o.name)}`,
      );
      return `${list} on ${on.join(', ')}`;
    })
    .join('; ');
}
