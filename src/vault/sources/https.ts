import { request as plainRequest } from 'node:http';
import { request as secureRequest } from 'node:https';

export interface Call {
  readonly method: 'GET' | 'POST';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** PEM of the authority of the server; default: those of the system. */
  readonly ca: string | undefined;
  readonly signal: AbortSignal;
}

/** An answer that is none: the status alone is told, never the text, which may quote what was asked. */
export class AnswerError extends Error {
  readonly status: number;

  constructor(status: number) {
    super(`answered with HTTP status ${status}`);
    this.status = status;
  }
}

const MAX_ANSWER = 256 * 1024;

/**
 * Makes one call and gives the JSON object that is answered. Redirections are not followed, answers are limited, and a connection
 * without TLS is not made (`plain` is for the metadata server of a cloud, which has none).
 *
 * @throws AnswerError for a status other than 200; Error for anything else, with nothing of the answer in it
 */
export function callJson(call: Call, plain = false): Promise<Readonly<Record<string, unknown>>> {
  const { method, url, headers, body, ca, signal } = call;
  return new Promise((resolve, reject) => {
    if (url.protocol !== 'https:' && !plain) throw new Error('is not an https address');
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    const options = {
      method,
      headers: { accept: 'application/json', ...headers, ...length },
      signal,
      agent: false,
    };
    const request = plain
      ? plainRequest(url, options)
      : secureRequest(url, { ...options, ...(ca !== undefined && { ca }), minVersion: 'TLSv1.2' });
    request.on('error', (error) => reject(failureOf(error, signal)));
    request.on('response', (response) => {
      const pieces: Buffer[] = [];
      let bytes = 0;
      response.on('data', (piece: Buffer) => {
        bytes += piece.length;
        if (bytes > MAX_ANSWER) request.destroy(new Error('answers with more than it may'));
        else pieces.push(piece);
      });
      response.on('error', (error) => reject(failureOf(error, signal)));
      response.on('end', () => {
        const text = Buffer.concat(pieces);
        for (const piece of pieces) piece.fill(0);
        if (response.statusCode !== 200) reject(new AnswerError(response.statusCode ?? 0));
        else settle(text, resolve, reject);
        text.fill(0);
      });
    });
    request.end(body);
  });
}

function settle(
  text: Buffer,
  resolve: (value: Record<string, unknown>) => void,
  reject: (error: Error) => void,
): void {
  let json: unknown;
  try {
    json = JSON.parse(text.toString('utf8'));
  } catch {
    // What the parser says may quote the answer.
  }
  if (isObject(json)) resolve(json);
  else reject(new Error('answered with something that is not a JSON object'));
}

function failureOf(error: Error, signal: AbortSignal): Error {
  return signal.aborted ? new Error('did not answer in time') : error;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What stands at a path of an answer; undefined where nothing does. */
export function at(value: unknown, ...path: readonly string[]): unknown {
  let now = value;
  for (const name of path) now = isObject(now) && Object.hasOwn(now, name) ? now[name] : undefined;
  return now;
}

/** @throws Error where it is not text of 1 to 1024 bytes without NUL, or base64 of that */
export function secretText(value: unknown, encoding: 'utf8' | 'base64' = 'utf8'): string {
  const text =
    typeof value === 'string' && encoding === 'base64'
      ? Buffer.from(value, 'base64').toString('utf8')
      : value;
  if (typeof text !== 'string' || text === '' || Buffer.byteLength(text) > 1024 || text.includes('\0'))
    throw new Error('has no text of 1 to 1024 bytes there');
  return text;
}

/** A field of a secret that is itself JSON; without a field, all of it. @throws Error as `secretText` */
export function fieldOf(text: string, field: string | null): string {
  if (field === null) return secretText(text);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // It is not JSON, so it has no fields.
  }
  return secretText(at(json, field));
}

/** A path of a URL, each part encoded. */
export const encoded = (parts: readonly string[]): string => parts.map(encodeURIComponent).join('/');
