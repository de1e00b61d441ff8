/** The command line at the token endpoint. No API token goes there. */
import { request } from 'node:https';
import { type Connection, reachable } from './connection.ts';
import { CliError } from './failure.ts';

const ANSWER_TIMEOUT_MS = 30_000;
const LARGEST = 262_144;

export const KINDS = {
  password: 'urn:postern:token-type:scram-password',
  certificate: 'urn:postern:token-type:x509-certificate',
  ssh: 'urn:postern:token-type:ssh-certificate',
  jwt: 'urn:ietf:params:oauth:token-type:access_token',
} as const;
export type ExchangeKind = keyof typeof KINDS;

/** What the endpoint gives. */
export interface ExchangeAnswer {
  readonly access_token: string;
  readonly issued_token_type: string;
  readonly token_type: string;
  readonly expires_in: number;
  readonly username: string;
  readonly credential: string;
  readonly expires_at: string;
  readonly connection: { readonly host: string; readonly port: number; readonly ca: string };
}

/**
 * Exchanges what is shown for a credential.
 *
 * @throws CliError with what the endpoint says when it refuses
 * @see https://www.rfc-editor.org/rfc/rfc8693#section-2
 */
export async function exchangeAt(
  { api, ca }: Connection,
  parameters: Readonly<Record<string, string | undefined>>,
): Promise<ExchangeAnswer> {
  const given = Object.entries(parameters).filter((each): each is [string, string] => each[1] !== undefined);
  const grantType = 'urn:ietf:params:oauth:grant-type:token-exchange';
  const body = new URLSearchParams([['grant_type', grantType], ...given]).toString();
  const { status, text } = await post(new URL('/v1/token', api), body, ca?.pem);
  let answer: Partial<ExchangeAnswer> & {
    error?: unknown;
    error_description?: unknown;
    postern_code?: unknown;
  };
  try {
    answer = JSON.parse(text) as typeof answer;
  } catch {
    throw new CliError('CLI_BAD_ANSWER', `${api} answered with HTTP status ${status}`);
  }
  if (status === 200 && typeof answer.access_token === 'string') return answer as ExchangeAnswer;
  if (typeof answer.error !== 'string')
    throw new CliError('CLI_BAD_ANSWER', `${api} answered with HTTP status ${status}`);
  const code = typeof answer.postern_code === 'string' ? answer.postern_code : 'CLI_REFUSED';
  throw new CliError(code, `${String(answer.error_description ?? '')} (${answer.error})`);
}

/** The host under which the gateway is reached, from where the API is. */
export function gatewayHost({ api }: Connection, answer: ExchangeAnswer): string {
  return reachable(answer.connection.host, new URL(api).hostname.replace(/^\[|\]$/g, ''));
}

function post(
  url: URL,
  body: string,
  ca: string | undefined,
): Promise<{ readonly status: number; readonly text: string }> {
  return new Promise((resolve, reject) => {
    const fail = (why: string): void => reject(new CliError('CLI_CANNOT_CONNECT', `${url.origin}: ${why}`));
    const sent = request(
      url,
      {
        method: 'POST',
        agent: false,
        timeout: ANSWER_TIMEOUT_MS,
        ...(ca !== undefined && { ca }),
        headers: {
          'content-type': 'application/x-www-form-urlencoded',
          'content-length': Buffer.byteLength(body),
        },
      },
      (answer) => {
        const parts: Buffer[] = [];
        let size = 0;
        answer.on('data', (part: Buffer) => {
          size += part.length;
          if (size > LARGEST) sent.destroy(new Error('the answer is too large'));
          else parts.push(part);
        });
        answer.on('error', (error) => fail(error.message));
        answer.on('end', () =>
          resolve({ status: answer.statusCode ?? 0, text: Buffer.concat(parts).toString('utf8') }),
        );
      },
    );
    sent.on('error', (error) => fail(error.message));
    sent.on('timeout', () => sent.destroy(new Error(`no answer within ${ANSWER_TIMEOUT_MS / 1000} s`)));
    sent.end(body);
  });
}
