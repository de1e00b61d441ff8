/**
 * The text of an HTTP scope: `VERB[, VERB] on /path[, /path] [where condition [and condition]] [; ...]`, for example
 * `GET, HEAD on /v1/accounts/**; POST on /v1/transfers where body <= 64KiB and query only (dry_run)`. docs/http.md is the page for users.
 */
import { PosternError } from '../../core/errors.ts';
import { encodeSegment, readTarget } from './target.ts';

/** Methods, and what looks like one of them but is something else: a WebSocket begins as a GET, a call of gRPC is a POST. */
export const VERBS = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'QUERY',
  'GRPC',
  'WEBSOCKET',
] as const;
export type Verb = (typeof VERBS)[number];

/** `*`: one segment that is not empty, whatever it is. `**`, the last one: all that follows, at least a slash. */
export type SegmentPattern = { readonly text: string } | '*' | '**';

export type Condition =
  /** The parameter is there, and each time with one of these values. */
  | { readonly kind: 'query'; readonly name: string; readonly values: readonly string[] }
  /** No other parameters than these. */
  | { readonly kind: 'query only'; readonly names: readonly string[] }
  /** The header is there, once, with one of these values. */
  | { readonly kind: 'header'; readonly name: string; readonly values: readonly string[] }
  /** Bytes of the body at most. */
  | { readonly kind: 'body'; readonly most: number }
  /** Requests in a minute at most, of a principal on the resource. */
  | { readonly kind: 'rate'; readonly most: number };

export interface ScopeRule {
  /** In the order of `VERBS`, each once. */
  readonly verbs: readonly Verb[];
  readonly paths: readonly (readonly SegmentPattern[])[];
  readonly conditions: readonly Condition[];
}

export interface Scope {
  readonly rules: readonly ScopeRule[];
}

/** Longest scope text that is read, in characters. */
export const MAX_SCOPE_LENGTH = 16_384;
const MAX_LIST = 64;
const MAX_BODY = 2 ** 40;
const MAX_RATE = 10_000_000;

const UNITS = { '': 1, B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 } as const;

/** Headers on which nothing can be made to depend: they are Postern's own business, or those of one hop. */
const NO_CONDITION: ReadonlySet<string> = new Set([
  'authorization',
  'proxy-authorization',
  'cookie',
  'host',
  'connection',
  'content-length',
  'transfer-encoding',
  'te',
  'trailer',
  'upgrade',
  'keep-alive',
  'expect',
  'postern-principal',
]);

interface Token {
  readonly kind: 'word' | 'quoted' | 'path' | 'mark' | 'end';
  readonly text: string;
  readonly at: number;
}

const LEXEMES =
  /(?<space>[ \t\r\n]+)|"(?<quoted>[^"\p{Cc}]*)"|(?<path>\/[^ \t\r\n,;()"]*)|(?<word>[A-Za-z0-9_.:*+-]+)|(?<mark><=|[,;()=])/uy;

function fail(at: number, what: string, hint?: string): never {
  throw new PosternError('POSTERN_INVALID', `scope, position ${at + 1}: ${what}`, hint);
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    LEXEMES.lastIndex = at;
    const groups = LEXEMES.exec(text)?.groups;
    if (groups === undefined) fail(at, `${JSON.stringify(text[at])} has no meaning here`);
    for (const kind of ['word', 'quoted', 'path', 'mark'] as const) {
      const found = groups[kind];
      if (found !== undefined) tokens.push({ kind, text: found, at });
    }
    at = LEXEMES.lastIndex;
  }
  tokens.push({ kind: 'end', text: '', at });
  return tokens;
}

class Parser {
  readonly #tokens: readonly Token[];
  #next = 0;

  constructor(text: string) {
    this.#tokens = tokenize(text);
  }

  scope(): Scope {
    const rules: ScopeRule[] = [];
    do {
      if (rules.length > 0 && this.#peek().kind === 'end') break;
      rules.push(this.#rule());
    } while (this.#takes('mark', ';'));
    const rest = this.#peek();
    if (rest.kind !== 'end') fail(rest.at, `"${rest.text}" is not expected here`, HINT);
    return { rules };
  }

  #rule(): ScopeRule {
    const verbs = new Set(this.#list(() => this.#verbs()).flat());
    if (!this.#takes('word', 'on')) fail(this.#peek().at, 'after the methods comes "on" and a path', HINT);
    const paths = this.#list(() => this.#path());
    const conditions: Condition[] = [];
    if (this.#takes('word', 'where')) {
      do {
        const { at } = this.#peek();
        const condition = this.#condition();
        const same = conditions.find(
          (each) => each.kind === condition.kind && nameOf(each) === nameOf(condition),
        );
        if (same !== undefined) fail(at, 'this is said twice');
        conditions.push(condition);
      } while (this.#takes('word', 'and'));
    }
    return { verbs: VERBS.filter((verb) => verbs.has(verb)), paths, conditions };
  }

  #verbs(): readonly Verb[] {
    const { kind, text, at } = this.#take();
    if (kind === 'word' && text === '*') return VERBS;
    const verb = VERBS.find((each) => each === text.toUpperCase());
    if (kind !== 'word' || verb === undefined)
      fail(at, `"${text}" is not a method that can be granted`, `They are ${VERBS.join(', ')}.`);
    return [verb];
  }

  #path(): readonly SegmentPattern[] {
    const { kind, text, at } = this.#take();
    if (kind !== 'path') fail(at, 'a path is expected, from / on', HINT);
    const parts = text.slice(1).split('/');
    return parts.map((part, index): SegmentPattern => {
      if (part === '*') return '*';
      if (part === '**') {
        if (index < parts.length - 1) fail(at, '"**" stands for all that follows, so it comes last');
        return '**';
      }
      if (part.includes('*')) fail(at, '"*" stands for a whole segment of a path');
      if (part === '' && index < parts.length - 1) fail(at, 'a path has no empty segment ("//")');
      const target = readTarget(`/${part}`);
      if ('refused' in target || target.search !== '')
        fail(at, 'refused' in target ? target.refused : 'conditions on the query come after "where"');
      return { text: target.segments[0] as string };
    });
  }

  #condition(): Condition {
    const { kind, text, at } = this.#take();
    if (kind !== 'word') fail(at, 'a condition is expected', HINT);
    if (text === 'query') {
      if (this.#takes('word', 'only')) return { kind: 'query only', names: unique(this.#values()) };
      const name = this.#value();
      return { kind: 'query', name, values: this.#oneOf() };
    }
    if (text === 'header') {
      const name = this.#value().toLowerCase();
      if (!/^[a-z0-9!#$%&'*+.^_`|~-]{1,100}$/.test(name) || NO_CONDITION.has(name))
        fail(at, `nothing can depend on the header "${name}"`);
      return { kind: 'header', name, values: this.#oneOf() };
    }
    if (text === 'body' && this.#takes('mark', '<=')) {
      const size = this.#take();
      const [, number = '', unit = ''] = /^(\d{1,12})(B|KiB|MiB|GiB|)$/.exec(size.text) ?? [];
      const most = Number(number) * UNITS[unit as keyof typeof UNITS];
      if (number === '' || most > MAX_BODY) fail(size.at, 'a size is expected, such as 64KiB');
      return { kind: 'body', most };
    }
    if (text === 'rate' && this.#takes('mark', '<=')) {
      const rate = this.#take();
      const per = this.#take();
      if (!/^\d{1,8}$/.test(rate.text) || per.text !== '/min' || Number(rate.text) > MAX_RATE)
        fail(rate.at, 'a rate is expected, such as 100/min');
      return { kind: 'rate', most: Number(rate.text) };
    }
    return fail(at, `"${text}" is not a condition`, HINT);
  }

  #oneOf(): readonly string[] {
    if (this.#takes('mark', '=')) return [this.#value()];
    if (this.#takes('word', 'in')) return unique(this.#values());
    return fail(this.#peek().at, '"=" or "in" is expected');
  }

  #values(): string[] {
    if (!this.#takes('mark', '(')) fail(this.#peek().at, '"(" is expected');
    if (this.#takes('mark', ')')) return [];
    const values = this.#list(() => this.#value());
    if (!this.#takes('mark', ')')) fail(this.#peek().at, '")" is expected');
    return values;
  }

  #value(): string {
    const { kind, text, at } = this.#take();
    if (kind !== 'word' && kind !== 'quoted') fail(at, 'a name or a value is expected');
    if (text.length > 200) fail(at, 'a name or a value has at most 200 characters');
    return text;
  }

  #list<T>(one: () => T): T[] {
    const found = [one()];
    while (this.#takes('mark', ',')) {
      if (found.length >= MAX_LIST) fail(this.#peek().at, `a list has at most ${MAX_LIST} entries`);
      found.push(one());
    }
    return found;
  }

  #takes(kind: Token['kind'], text: string): boolean {
    const token = this.#peek();
    if (token.kind !== kind || (kind === 'word' ? token.text.toLowerCase() : token.text) !== text)
      return false;
    this.#next += 1;
    return true;
  }

  #take(): Token {
    const token = this.#peek();
    if (token.kind === 'end') fail(token.at, 'the scope ends too early', HINT);
    this.#next += 1;
    return token;
  }

  #peek(): Token {
    return this.#tokens[this.#next] as Token;
  }
}

const HINT =
  'A scope looks like this: GET, HEAD on /v1/accounts/**; POST on /v1/transfers where body <= 64KiB';

const unique = (values: readonly string[]): string[] => [...new Set(values)].sort();

const nameOf = (condition: Condition): string => ('name' in condition ? condition.name : '');

/**
 * @throws PosternError POSTERN_INVALID with the position and the reason
 */
export function parseScope(text: string): Scope {
  if (text.length > MAX_SCOPE_LENGTH) fail(0, `the scope is longer than ${MAX_SCOPE_LENGTH} characters`);
  return new Parser(text).scope();
}

/** The canonical text, which {@link parseScope} reads as the same scope. */
export function formatScope({ rules }: Scope): string {
  return rules
    .map(({ verbs, paths, conditions }) => {
      const where = conditions.length === 0 ? '' : ` where ${conditions.map(conditionText).join(' and ')}`;
      const what = verbs.length === VERBS.length ? '*' : verbs.join(', ');
      return `${what} on ${paths.map(pathText).join(', ')}${where}`;
    })
    .join('; ');
}

/** `/v1/accounts/*` */
export function pathText(pattern: readonly SegmentPattern[]): string {
  return pattern
    .map((segment) => `/${typeof segment === 'string' ? segment : pathSegment(segment.text)}`)
    .join('');
}

/** What would be a mark of the grammar is encoded. */
const pathSegment = (text: string): string =>
  encodeSegment(text).replace(/[*,()]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`);

function conditionText(condition: Condition): string {
  switch (condition.kind) {
    case 'query':
    case 'header': {
      const { kind, name, values } = condition;
      const what = values.length === 1 ? `= ${valueText(values[0] as string)}` : `in ${listText(values)}`;
      return `${kind} ${valueText(name)} ${what}`;
    }
    case 'query only':
      return `query only ${listText(condition.names)}`;
    case 'body':
      return `body <= ${sizeText(condition.most)}`;
    case 'rate':
      return `rate <= ${condition.most}/min`;
  }
}

const listText = (values: readonly string[]): string => `(${values.map(valueText).join(', ')})`;

const valueText = (text: string): string =>
  /^[A-Za-z0-9_.:+-]+$/.test(text) && text !== 'only' ? text : `"${text}"`;

function sizeText(bytes: number): string {
  const unit = (['GiB', 'MiB', 'KiB'] as const).find((each) => bytes > 0 && bytes % UNITS[each] === 0);
  return unit === undefined ? `${bytes}` : `${bytes / UNITS[unit]}${unit}`;
}
