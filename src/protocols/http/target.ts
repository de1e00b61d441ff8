/**
 * The target of a request: one path that has one meaning, whoever reads it. What two servers could understand in two ways
 * (dot segments, encoded slashes, double slashes, parameters of segments, double encoding) is refused, not guessed at; what is left is
 * written in one form, which is decided on, recorded and forwarded.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-7.1
 * @see https://www.rfc-editor.org/rfc/rfc3986#section-6.2.2
 */

export interface Target {
  /** `scheme://authority` of a target in absolute form, as it came; null for one in origin form. */
  readonly origin: { readonly scheme: string; readonly authority: string } | null;
  /** Canonical path, from `/` on. */
  readonly path: string;
  /** Decoded segments of the path; the last one is empty where it ends in `/`. */
  readonly segments: readonly string[];
  /** From `?` on, as it came; empty without one. */
  readonly search: string;
}

export interface BadTarget {
  readonly refused: string;
}

/** Longest target that is looked at, in bytes. */
export const MAX_TARGET = 8192;
const MAX_SEGMENTS = 128;

/** RFC 3986 `pchar` and `/`, and `%` to be looked at apart. `;` is left out: it begins parameters of a segment. */
const PATH = /^\/[A-Za-z0-9\-._~!$&'()*+,=:@%/]*$/;
/** `query`, with what clients send there unencoded and no server gives a meaning. */
const SEARCH = /^\?[A-Za-z0-9\-._~!$&'()*+,;=:@%/?[\]{}|^"<>`\\]*$/;
const ABSOLUTE = /^(https?):\/\/([A-Za-z0-9\-._:[\]]{1,260})(\/[^?]*)?(\?.*)?$/i;
const UNRESERVED = /[A-Za-z0-9\-._~]/;

/** @param text the request-target, or the `:path` of HTTP/2 */
export function readTarget(text: string): Target | BadTarget {
  if (text.length > MAX_TARGET) return { refused: `the target is longer than ${MAX_TARGET} bytes` };
  let origin: Target['origin'] = null;
  let rest = text;
  if (!text.startsWith('/')) {
    const match = ABSOLUTE.exec(text);
    if (match === null) return { refused: 'the target is neither a path nor an http URL' };
    origin = { scheme: (match[1] as string).toLowerCase(), authority: (match[2] as string).toLowerCase() };
    rest = `${match[3] ?? '/'}${match[4] ?? ''}`;
  }
  const mark = rest.indexOf('?');
  const raw = mark === -1 ? rest : rest.slice(0, mark);
  const search = mark === -1 ? '' : rest.slice(mark);
  if (raw.includes(';'))
    return { refused: 'the path has parameters (";"), which servers read in different ways' };
  if (!PATH.test(raw)) return { refused: 'the path holds a character that must be percent-encoded' };
  if (search !== '' && !SEARCH.test(search))
    return { refused: 'the query holds a character that must be percent-encoded' };
  if (/%(?![0-9A-Fa-f]{2})/.test(search)) return { refused: 'the query holds a % that encodes nothing' };
  const segments: string[] = [];
  const canonical: string[] = [];
  const parts = raw.slice(1).split('/');
  if (parts.length > MAX_SEGMENTS) return { refused: `the path has more than ${MAX_SEGMENTS} segments` };
  for (const [index, part] of parts.entries()) {
    if (part === '' && index < parts.length - 1) return { refused: 'the path has an empty segment ("//")' };
    const decoded = decodeSegment(part);
    if (typeof decoded !== 'string') return decoded;
    segments.push(decoded);
    canonical.push(canonicalSegment(part));
  }
  return { origin, path: `/${canonical.join('/')}`, segments, search };
}

function decodeSegment(part: string): string | BadTarget {
  if (!part.includes('%')) return dots(part) ?? part;
  let decoded: string;
  try {
    decoded = decodeURIComponent(part);
  } catch {
    return { refused: 'the path holds a % that encodes no UTF-8' };
  }
  for (const character of decoded) {
    const code = character.codePointAt(0) as number;
    if (code < 0x20 || code === 0x7f) return { refused: 'the path holds an encoded control character' };
    if (character === '/' || character === '\\')
      return { refused: 'the path holds an encoded slash, which some servers take for one' };
  }
  if (/%[0-9A-Fa-f]{2}/.test(decoded))
    return { refused: 'the path is encoded twice: a server that decodes twice would see another one' };
  return dots(decoded) ?? decoded;
}

/** A server may cut a segment at an encoded `;`, and dots with nothing but spaces around them are dots to some. */
function dots(segment: string): BadTarget | null {
  const name = (segment.split(';')[0] ?? '').trim();
  return name === '.' || name === '..'
    ? { refused: 'the path has a segment "." or "..": write where it leads' }
    : null;
}

/** Unreserved characters as they are, all else that was encoded in upper-case hex. */
function canonicalSegment(part: string): string {
  return part.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => {
    const character = String.fromCharCode(Number.parseInt(hex, 16));
    return UNRESERVED.test(character) ? character : `%${hex.toUpperCase()}`;
  });
}

/** A segment in the form that {@link readTarget} gives. */
export function encodeSegment(text: string): string {
  return encodeURIComponent(text).replace(/%(21|24|26|27|28|29|2A|2B|2C|3A|3D|40)/g, (all) =>
    decodeURIComponent(all),
  );
}

const MAX_PARAMETERS = 256;

/**
 * The parameters of a query, decoded, in their order. Null where servers would disagree on what they are: `;` may separate them
 * too, and what is encoded twice or no UTF-8 has two readings.
 *
 * @see https://url.spec.whatwg.org/#urlencoded-parsing
 */
export function readQuery(search: string): readonly (readonly [name: string, value: string])[] | null {
  if (search === '' || search === '?') return [];
  if (search.includes(';')) return null;
  const found: [string, string][] = [];
  for (const part of search.slice(1).split('&')) {
    if (part === '') continue;
    if (found.length >= MAX_PARAMETERS) return null;
    const equals = part.indexOf('=');
    const name = decodeParameter(equals === -1 ? part : part.slice(0, equals));
    const value = decodeParameter(equals === -1 ? '' : part.slice(equals + 1));
    if (name === null || value === null) return null;
    found.push([name, value]);
  }
  return found;
}

function decodeParameter(text: string): string | null {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return null;
  }
}

const MAX_ROUTE = 300;
const ID =
  /^(?:\d+|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{12,}|(?=[^/]*\d)[\w-]{20,}|.*@.*|.{64,})$/i;

/** Whether a text looks like the id of one thing. */
export const isId = (text: string): boolean => ID.test(text);

/**
 * A path with `*` for what looks like the id of one thing: what is counted, summed and compared. The path itself is in the text of
 * the request.
 */
export function routeOf({ segments }: Pick<Target, 'segments'>): string {
  let route = '';
  for (const segment of segments) {
    route += `/${isId(segment) ? '*' : encodeSegment(segment)}`;
    if (route.length > MAX_ROUTE) return `${route.slice(0, MAX_ROUTE)}...`;
  }
  return route;
}
