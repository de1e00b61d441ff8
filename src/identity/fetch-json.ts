import { type RequestOptions, request } from 'node:https';
import { parseStrictJson } from '../core/strict-json.ts';

const ANSWER_MAX = 262_144;
const ANSWER_MS = 10_000;
const ANSWER_DEPTH = 16;

export interface FetchOptions {
  /** PEM of the authority to trust; default: those of the system. */
  readonly ca?: string | undefined;
  /** Where to connect instead; the certificate must still be for the name in the URL. */
  readonly address?: { readonly host: string; readonly port: number } | undefined;
  readonly post?: { readonly headers: Readonly<Record<string, string>>; readonly body: string };
  /** What counts as an answer; default: 200. */
  readonly statuses?: readonly number[];
}

/**
 * Asks for a JSON object: over https alone, without following redirections, within 10 s and 256 KiB, and with no name in it twice.
 *
 * @throws Error that says what is wrong with the answer, in words that hold nothing of the question
 */
export async function fetchJson(
  url: string,
  options: FetchOptions = {},
): Promise<Readonly<Record<string, unknown>>> {
  if (!URL.canParse(url) || new URL(url).protocol !== 'https:') throw new Error(`${url} is no https URL`);
  const text = await answerOf(url, options);
  let value: unknown;
  try {
    value = parseStrictJson(text, ANSWER_DEPTH);
  } catch {
    value = null;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error(`${url} does not answer with a JSON object`);
  return value as Record<string, unknown>;
}

function answerOf(url: string, { ca, address, post, statuses = [200] }: FetchOptions): Promise<string> {
  const { hostname, port } = new URL(url);
  const how: RequestOptions = {
    agent: false,
    method: post === undefined ? 'GET' : 'POST',
    headers: {
      accept: 'application/json',
      ...post?.headers,
      host: port === '' ? hostname : `${hostname}:${port}`,
      ...(post && { 'content-length': Buffer.byteLength(post.body) }),
    },
    signal: AbortSignal.timeout(ANSWER_MS),
    ...(ca !== undefined && { ca }),
    ...(address && { host: address.host, hostname: address.host, port: address.port, servername: hostname }),
  };
  return new Promise((resolve, reject) => {
    const fail = (why: string): void => {
      call.destroy();
      reject(new Error(`${url} ${why}`));
    };
    const call = request(url, how, (response) => {
      if (!statuses.includes(response.statusCode ?? 0)) return fail(`answers ${response.statusCode}`);
      const parts: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > ANSWER_MAX) fail(`answers with more than ${ANSWER_MAX} bytes`);
        else parts.push(chunk);
      });
      response.on('error', (error) => fail(`cannot be read: ${error.message}`));
      response.on('end', () => resolve(Buffer.concat(parts).toString('utf8')));
    });
    call.on('error', (error) => fail(`cannot be asked: ${error.message}`));
    call.end(post?.body);
  });
}
