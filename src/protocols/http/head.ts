/**
 * The head of a request as it came and as it goes on. What two servers could frame or read in two ways is refused before anything else is
 * looked at; what is forwarded is written anew.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9112#section-11.2
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1
 */
import type { HttpSettings } from '../../core/views.ts';

/** Names in lower case, values as they came, in their order. */
export type Headers = readonly (readonly [name: string, value: string])[];

/** Pairs from the flat list that Node.js gives. Fields of HTTP/2 that begin with a colon are no headers. */
export function pairsOf(raw: readonly string[]): Headers {
  const pairs: [string, string][] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = (raw[index] as string).toLowerCase();
    if (!name.startsWith(':')) pairs.push([name, raw[index + 1] as string]);
  }
  return pairs;
}

export function valuesOf(headers: Headers, name: string): readonly string[] {
  return headers.filter(([each]) => each === name).map(([, value]) => value);
}

const TOKEN = /^[a-z0-9!#$%&'*+.^`|~_-]+$/;
// Visible characters, spaces, tabs, and what is not ASCII.
const VALUE = /^[\t\x20-\x7e\x80-\u{10ffff}]*$/u;

/** Of these there is one, or two servers choose two. */
const ONCE: ReadonlySet<string> = new Set([
  ...[
    'host',
    'content-length',
    'transfer-encoding',
    'authorization',
    'proxy-authorization',
    'postern-principal',
  ],
  ...['content-type', 'content-encoding', 'expect', 'upgrade', 'x-amz-target'],
]);

/** With these a server may do something else than what the request line says. */
const OVERRIDES: ReadonlySet<string> = new Set([
  ...['x-http-method-override', 'x-http-method', 'x-method-override', 'x-original-url', 'x-rewrite-url'],
]);

/** What `Connection` may name; anything else it would take away from what was decided on. */
const OPTIONS: ReadonlySet<string> = new Set(['close', 'keep-alive', 'upgrade', 'te', 'http2-settings']);

const BODILESS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'TRACE']);

/** @param version of HTTP, `1.1` or `2.0` @returns why the head is not taken, or null */
export function headProblem(method: string, version: string, headers: Headers): string | null {
  if (version !== '1.1' && version !== '2.0') return `HTTP/${version} is not spoken here`;
  const seen = new Set<string>();
  for (const [name, value] of headers) {
    if (!TOKEN.test(name)) return 'a header has a name that is none';
    if (!VALUE.test(value)) return `the header ${name} holds a control character`;
    if (ONCE.has(name) && seen.has(name)) return `the header ${name} is there twice`;
    if (OVERRIDES.has(name))
      return `with the header ${name} a server might do something else than was asked for`;
    seen.add(name);
  }
  const [length] = valuesOf(headers, 'content-length');
  const [coding] = valuesOf(headers, 'transfer-encoding');
  if (length !== undefined && !/^\d{1,15}$/.test(length)) return 'content-length is not a number';
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') return 'transfer-encoding is not "chunked"';
  if (length !== undefined && coding !== undefined)
    return 'content-length and transfer-encoding contradict each other';
  if (coding !== undefined && version === '2.0') return 'HTTP/2 has no transfer-encoding';
  if (version === '1.1' && valuesOf(headers, 'host').length !== 1) return 'there is no host';
  if (BODILESS.has(method) && (coding !== undefined || (length !== undefined && Number(length) > 0)))
    return `a ${method} with a body is read in different ways by different servers`;
  for (const value of valuesOf(headers, 'connection')) {
    for (const option of value.split(','))
      if (option.trim() !== '' && !OPTIONS.has(option.trim().toLowerCase()))
        return 'connection names a header that is to be taken away on the way';
  }
  return null;
}

/** Headers of one hop, those by which clients prove who they are, and those by which a gateway says who they are. */
const NOT_FORWARDED: ReadonlySet<string> = new Set([
  ...[
    'host',
    'connection',
    'keep-alive',
    'proxy-connection',
    'transfer-encoding',
    'te',
    'trailer',
    'upgrade',
    'expect',
  ],
  ...['http2-settings', 'authorization', 'proxy-authorization', 'cookie', 'forwarded', 'x-real-ip', 'via'],
]);
const OF_GATEWAYS = /^(x-forwarded-|postern-|x-postern-)/;

/**
 * What of a client's headers goes on to the service. A name with `_` does not: many servers read it as one with `-`.
 */
export function forwardedHeaders(headers: Headers, auth: HttpSettings['auth']): [string, string][] {
  return headers.flatMap(([name, value]) =>
    NOT_FORWARDED.has(name) ||
    OF_GATEWAYS.test(name) ||
    name.includes('_') ||
    (auth.kind === 'header' && auth.name === name) ||
    (auth.kind === 'sigv4' && name.startsWith('x-amz-') && name !== 'x-amz-target')
      ? []
      : [[name, value] as [string, string]],
  );
}

/** Of one hop; cookies, which would open the service without Postern; and what leads past Postern. */
const NOT_RETURNED: ReadonlySet<string> = new Set([
  ...['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'trailer', 'upgrade', 'te'],
  ...[
    'set-cookie',
    'www-authenticate',
    'proxy-authenticate',
    'authentication-info',
    'proxy-authentication-info',
  ],
  ...['alt-svc', 'strict-transport-security', 'public-key-pins', 'http2-settings'],
]);

/** What of a service's headers goes back to the client. */
export function returnedHeaders(raw: readonly (readonly [string, string])[]): [string, string][] {
  const dropped = new Set(
    raw
      .filter(([name]) => name === 'connection')
      .flatMap(([, value]) => value.split(',').map((each) => each.trim().toLowerCase())),
  );
  return raw.flatMap(([name, value]) =>
    NOT_RETURNED.has(name) || dropped.has(name) || OF_GATEWAYS.test(name)
      ? []
      : [[name, value] as [string, string]],
  );
}
