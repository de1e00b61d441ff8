/**
 * Signs requests to AWS, and looks at signatures, as AWS does: for tests, with published vectors of its own.
 *
 * @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 */
import { createHash, createHmac } from 'node:crypto';

export interface AwsKey {
  readonly id: string;
  readonly secret: string;
  /** Of a session of a role. */
  readonly token?: string;
}

export interface AwsRequest {
  readonly method: string;
  readonly path: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();

/** The signature over the named headers. @param scope `DATE/REGION/SERVICE/aws4_request` */
export function signatureOf(
  request: AwsRequest,
  names: readonly string[],
  scope: string,
  secret: string,
): string {
  const { method, path, headers, body } = request;
  const lines = names.map((name) => `${name}:${(headers[name] ?? '').trim().replace(/ +/g, ' ')}\n`).join('');
  const canonical = [method, path, '', lines, names.join(';'), sha256(body)].join('\n');
  const toSign = ['AWS4-HMAC-SHA256', headers['x-amz-date'], scope, sha256(canonical)].join('\n');
  const key = scope.split('/').reduce<string | Buffer>((held, part) => hmac(held, part), `AWS4${secret}`);
  return hmac(key, toSign).toString('hex');
}

/** The request with the headers that sign it. */
export function signed(
  request: AwsRequest,
  key: AwsKey,
  { region, service, date }: { readonly region: string; readonly service: string; readonly date: string },
): AwsRequest {
  const headers: Record<string, string> = {
    ...request.headers,
    'x-amz-date': date,
    ...(key.token !== undefined && { 'x-amz-security-token': key.token }),
  };
  const names = Object.keys(headers).sort();
  const scope = `${date.slice(0, 8)}/${region}/${service}/aws4_request`;
  const signature = signatureOf({ ...request, headers }, names, scope, key.secret);
  headers.authorization = `AWS4-HMAC-SHA256 Credential=${key.id}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`;
  return { ...request, headers };
}

/** `20261122T021700Z` */
export const amzDate = (ms: number): string => new Date(ms).toISOString().replace(/[-:]|\.\d+/g, '');
