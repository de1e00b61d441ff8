/**
 * Signature of a request to AWS, version 4.
 *
 * @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 */
import { createHash, createHmac } from 'node:crypto';

export interface Signing {
  readonly accessKey: string;
  readonly secret: string;
  readonly region: string;
  readonly service: string;
}

export interface Signable {
  readonly method: string;
  /** As it is sent, encoded. */
  readonly path: string;
  /** Decoded. */
  readonly query: readonly (readonly [name: string, value: string])[];
  readonly host: string;
  readonly contentType: string | undefined;
  /** `X-Amz-Target`, where the client says which operation it means: AWS takes no such header unsigned. */
  readonly target: string | undefined;
  /** SHA-256 of the body, hex, or `UNSIGNED-PAYLOAD`. */
  readonly payload: string;
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();

const encode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`);

/** The headers that sign it. @param nowMs since the Unix epoch */
export function signature(signing: Signing, request: Signable, nowMs: number): [string, string][] {
  const { accessKey, secret, region, service } = signing;
  const time = new Date(nowMs).toISOString().replace(/[-:]|\.\d{3}/g, '');
  const day = time.slice(0, 8);
  const signed: [string, string][] = [
    ...(request.contentType === undefined ? [] : [['content-type', request.contentType] as [string, string]]),
    ['host', request.host],
    ['x-amz-content-sha256', request.payload],
    ['x-amz-date', time],
    ...(request.target === undefined ? [] : [['x-amz-target', request.target] as [string, string]]),
  ];
  const names = signed.map(([name]) => name).join(';');
  // Every service but S3 encodes the path once more.
  const path =
    service === 's3'
      ? request.path
      : request.path
          .split('/')
          .map((each) => encode(each))
          .join('/');
  const query = request.query
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort()
    .join('&');
  const headers = signed.map(([name, value]) => `${name}:${value.trim().replace(/ +/g, ' ')}\n`).join('');
  const canonical = [request.method, path, query, headers, names, request.payload].join('\n');
  const place = `${day}/${region}/${service}/aws4_request`;
  const text = ['AWS4-HMAC-SHA256', time, place, sha256(canonical)].join('\n');
  const key = ['aws4_request'].reduce(hmac, hmac(hmac(hmac(`AWS4${secret}`, day), region), service));
  const proof = hmac(key, text).toString('hex');
  return [
    ['x-amz-content-sha256', request.payload],
    ['x-amz-date', time],
    [
      'authorization',
      `AWS4-HMAC-SHA256 Credential=${accessKey}/${place}, SignedHeaders=${names}, Signature=${proof}`,
    ],
  ];
}
