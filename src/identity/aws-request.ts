/**
 * A request for GetCallerIdentity that a client signed and did not send: Postern sends it to AWS, which answers whose it is. It is
 * looked at closely before that, since what is sent must be this question and nothing else, made for this Postern, a moment ago.
 *
 * @see https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
 * @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 */
import { createHash } from 'node:crypto';
import { isObject } from '../core/jws.ts';
import { parseStrictJson } from '../core/strict-json.ts';

/** The header with which the client says for whom it signed. It must be among those that are signed. */
const SERVER_ID = 'x-postern-server-id';
const BODY = 'Action=GetCallerIdentity&Version=2011-06-15';
const REQUEST_MAX = 16_384;
const HEADER_MAX = 8192;
/** AWS itself takes a signature for a quarter of an hour. */
const AGE_MS = 5 * 60_000;
const AHEAD_MS = 60_000;

/** What a client may send, and no more. */
const HEADERS: ReadonlySet<string> = new Set([
  ...['authorization', 'content-type', 'host', 'x-amz-date', 'x-amz-security-token', SERVER_ID],
]);

/** Regions with an STS of their own. A host that is not made from one of these is never asked. */
const REGIONS: ReadonlySet<string> = new Set([
  ...['us-east-1', 'us-east-2', 'us-west-1', 'us-west-2', 'af-south-1', 'ap-east-1', 'ap-east-2'],
  ...['ap-south-1', 'ap-south-2', 'ap-southeast-1', 'ap-southeast-2', 'ap-southeast-3', 'ap-southeast-4'],
  ...['ap-southeast-5', 'ap-southeast-6', 'ap-southeast-7', 'ap-northeast-1', 'ap-northeast-2'],
  ...['ap-northeast-3', 'ca-central-1', 'ca-west-1', 'eu-central-1', 'eu-central-2', 'eu-west-1'],
  ...['eu-west-2', 'eu-west-3', 'eu-south-1', 'eu-south-2', 'eu-north-1', 'il-central-1', 'me-south-1'],
  ...['me-central-1', 'mx-central-1', 'sa-east-1', 'us-gov-east-1', 'us-gov-west-1'],
]);

export const isRegion = (text: string): boolean => REGIONS.has(text);

/** A request that may be sent. */
export interface SignedRequest {
  readonly region: string;
  /** For whom the client signed it. */
  readonly serverId: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Tells it again: hex SHA-256 of the signature. */
  readonly mark: string;
  /** When it is not taken any more, in milliseconds since the Unix epoch. */
  readonly endsMs: number;
}

const AUTHORIZATION =
  /^AWS4-HMAC-SHA256 Credential=([\w-]{16,128})\/(\d{8})\/([a-z0-9-]{1,30})\/sts\/aws4_request, ?SignedHeaders=([a-z0-9;-]{1,500}), ?Signature=([0-9a-f]{64})$/;

/**
 * Reads what a client shows: base64url of the JSON object `{"url": ..., "headers": {...}}`, of a POST with the one body that asks
 * for the caller's identity.
 *
 * @returns the request, or why it is not sent
 */
export function readSignedRequest(token: string, nowMs: number): SignedRequest | string {
  const shown = token.length <= REQUEST_MAX ? shownIn(token) : null;
  if (shown === null) return 'it is no signed request';
  const { url } = shown;
  const region = /^https:\/\/sts\.([a-z0-9-]+)\.amazonaws\.com\/$/.exec(url)?.[1];
  if (region === undefined || !isRegion(region)) return 'it is not for the STS of a region of AWS';
  const headers = headersOf(shown.headers);
  if (headers === null) return 'it has headers that are not taken';
  const { authorization = '', 'x-amz-date': date = '', [SERVER_ID]: serverId = '' } = headers;
  const [, , day, of, signed = '', signature = ''] = AUTHORIZATION.exec(authorization) ?? [];
  if (day === undefined) return 'it is not signed as AWS asks for';
  if (of !== region) return 'it is signed for another region';
  const names = signed.split(';');
  // Every header that means something, so that nobody who saw the request can put others in their place.
  const must = ['host', ...Object.keys(headers).filter((name) => name.startsWith('x-'))];
  if (!must.includes(SERVER_ID)) return `it has no header ${SERVER_ID}`;
  if (!must.every((name) => names.includes(name)) || new Set(names).size !== names.length)
    return 'its signature leaves headers out';
  if (!names.every((name) => name === 'host' || name === 'content-length' || headers[name] !== undefined))
    return 'its signature is over headers that it does not have';
  const at = instantOf(date);
  if (at === null || !date.startsWith(day)) return 'it does not say when it was signed';
  if (at + AGE_MS <= nowMs) return 'it was signed too long ago';
  if (at > nowMs + AHEAD_MS) return 'it was signed in the future';
  if ((headers.host ?? new URL(url).host) !== new URL(url).host) return 'it is for another host';
  const { host: _, ...sent } = headers;
  return {
    ...{ region, serverId, url, body: BODY },
    headers: { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8', ...sent },
    mark: createHash('sha256').update(`aws\n${signature}`).digest('hex'),
    endsMs: at + AGE_MS,
  };
}

interface ShownRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, unknown>>;
}

function shownIn(token: string): ShownRequest | null {
  const bytes = Buffer.from(token, 'base64url');
  if (bytes.toString('base64url') !== token) return null;
  try {
    const value = parseStrictJson(new TextDecoder('utf-8', { fatal: true }).decode(bytes), 2);
    if (!isObject(value)) return null;
    const { url, headers, ...more } = value;
    return typeof url === 'string' && isObject(headers) && Object.keys(more).length === 0
      ? { url, headers }
      : null;
  } catch {
    return null;
  }
}

function headersOf(given: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> | null {
  const headers: Record<string, string> = {};
  for (const [written, value] of Object.entries(given)) {
    const name = written.toLowerCase();
    if (!HEADERS.has(name) || Object.hasOwn(headers, name)) return null;
    if (
      typeof value !== 'string' ||
      value.length > HEADER_MAX ||
      !/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(value)
    )
      return null;
    headers[name] = value;
  }
  const type = headers['content-type'];
  if (type !== undefined && !/^application\/x-www-form-urlencoded(; ?charset=utf-8)?$/i.test(type))
    return null;
  return headers;
}

/** `20261122T021700Z` */
function instantOf(date: string): number | null {
  const parts = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(date);
  if (parts === null) return null;
  const [, year, month, day, hour, minute, second] = parts;
  const at = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(at) ? null : at;
}

/** Whose request it was, as AWS says. */
export interface CallerIdentity {
  readonly account: string;
  readonly arn: string;
  /** `AROA...` of a role, `AIDA...` of a user: never given again. */
  readonly uniqueId: string;
  /** The name of the role's session (of an instance: its id); null of a user. */
  readonly session: string | null;
}

/** Reads what AWS answers; null where it is not that. */
export function readCallerIdentity(answer: Readonly<Record<string, unknown>>): CallerIdentity | null {
  const response = answer.GetCallerIdentityResponse;
  const result = isObject(response) ? response.GetCallerIdentityResult : null;
  if (!isObject(result)) return null;
  const { Account: account, Arn: arn, UserId: user } = result;
  if (typeof account !== 'string' || typeof arn !== 'string' || typeof user !== 'string') return null;
  const [, uniqueId, session] = /^([A-Z0-9]{12,128})(?::([\w+=,.@-]{1,64}))?$/.exec(user) ?? [];
  const within = /^arn:aws[a-z-]*:(?:iam|sts)::(\d{12}):[\w+=,.@/:-]{1,400}$/.exec(arn)?.[1];
  if (uniqueId === undefined || within !== account) return null;
  return { account, arn, uniqueId, session: session ?? null };
}
