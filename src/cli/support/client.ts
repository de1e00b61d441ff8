import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import type { Connection } from './connection.ts';
import { CliError, usageError } from './failure.ts';

const LARGEST_ANSWER = 64 * 1024 * 1024;
const ANSWER_TIMEOUT_MS = 60_000;

export type Query = Readonly<Record<string, string | number | readonly string[] | undefined>>;

/** A page of a list. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly next: string | null;
}

interface Call {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly query?: Query;
  readonly body?: object;
  readonly timeoutMs?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

const UNTRUSTED = new Set([
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

/** A path with values in it, each encoded. Those that would mean another path are names of nothing. */
export function path(strings: TemplateStringsArray, ...values: readonly string[]): string {
  return strings.reduce((done, part, at) => {
    const value = values[at - 1] as string;
    if (value === '' || value === '.' || value === '..')
      throw usageError(`"${value}" is not a name or an id`);
    return done + encodeURIComponent(value) + part;
  });
}

/** A client of the control API. Every failure is a `CliError` that says what to do about it. */
export class ApiClient {
  readonly connection: Connection;
  readonly #agent: Agent;

  constructor(connection: Connection) {
    this.connection = connection;
    this.#agent = new Agent({ keepAlive: true, ...(connection.ca && { ca: connection.ca.pem }) });
  }

  get<T>(path: string, query?: Query): Promise<T> {
    return this.#json({ method: 'GET', path, ...(query && { query }) });
  }

  post<T>(path: string, body: object, timeoutMs?: number): Promise<T> {
    return this.#json({ method: 'POST', path, body, ...(timeoutMs && { timeoutMs }) });
  }

  /** The pages of a list, each fetched when the one before has been used. */
  async *pages<T>(path: string, query: Query): AsyncGenerator<Page<T>> {
    let cursor: string | undefined;
    do {
      const page: Page<T> = await this.get(path, { ...query, ...(cursor !== undefined && { cursor }) });
      yield page;
      if (page.next === cursor) throw this.#malformed('the list repeats itself');
      cursor = page.next ?? undefined;
    } while (cursor !== undefined);
  }

  /** All items of a list. */
  async all<T>(path: string, query: Query = {}): Promise<T[]> {
    const items: T[] = [];
    for await (const page of this.pages<T>(path, { limit: 1000, ...query })) items.push(...page.items);
    return items;
  }

  /** The answer as a stream, once it is known to be one. */
  async fetch(path: string, headers: Readonly<Record<string, string>> = {}): Promise<IncomingMessage> {
    return this.#call({ method: 'GET', path, headers });
  }

  async #json<T>(call: Call): Promise<T> {
    const text = await this.#read(await this.#call(call));
    try {
      return JSON.parse(text) as T;
    } catch {
      throw this.#malformed('not JSON');
    }
  }

  /** The answer when it is a success; otherwise throws what the API says. */
  async #call(call: Call): Promise<IncomingMessage> {
    const answer = await this.#send(call);
    const status = answer.statusCode ?? 0;
    if (status >= 200 && status < 300) return answer;
    throw this.#refusal(status, await this.#read(answer));
  }

  #send(call: Call): Promise<IncomingMessage> {
    const { api, token } = this.connection;
    const url = new URL(call.path, api);
    for (const [name, value] of Object.entries(call.query ?? {})) {
      if (typeof value === 'object') for (const each of value) url.searchParams.append(name, each);
      else if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const body = call.body && JSON.stringify(call.body);
    const timeout = call.timeoutMs ?? ANSWER_TIMEOUT_MS;
    return new Promise((resolve, reject) => {
      const sent = request(url, {
        method: call.method,
        agent: this.#agent,
        timeout,
        headers: {
          accept: 'application/json, application/zip',
          ...call.headers,
          ...(token !== null && { authorization: `Bearer ${token}` }),
          ...(body !== undefined && {
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(body),
          }),
        },
      });
      sent.on('response', resolve);
      sent.on('error', (error) => reject(this.#unreachable(error)));
      sent.on('timeout', () => {
        sent.destroy(new CliError('CLI_TIMEOUT', `${api} did not answer within ${timeout / 1000} s`));
      });
      sent.end(body);
    });
  }

  async #read(answer: IncomingMessage): Promise<string> {
    const chunks: Buffer[] = [];
    let length = 0;
    try {
      for await (const chunk of answer as AsyncIterable<Buffer>) {
        length += chunk.length;
        if (length > LARGEST_ANSWER) throw this.#malformed('it is too large');
        chunks.push(chunk);
      }
    } catch (error) {
      throw this.#unreachable(error as Error);
    }
    return Buffer.concat(chunks).toString('utf8');
  }

  #malformed(why: string): CliError {
    return new CliError(
      'CLI_BAD_ANSWER',
      `${this.connection.api} gave an answer that Postern would not: ${why}`,
    );
  }

  #refusal(status: number, text: string): CliError {
    let error: { code?: unknown; message?: unknown; hint?: unknown } | undefined;
    try {
      error = (JSON.parse(text) as { error?: typeof error } | null)?.error;
    } catch {
      // A proxy in between answers in its own words; the status says enough.
    }
    if (typeof error?.code !== 'string' || typeof error.message !== 'string') {
      return new CliError('CLI_BAD_ANSWER', `${this.connection.api} answered with HTTP status ${status}`);
    }
    const hint = typeof error.hint === 'string' ? error.hint : status === 401 ? this.#tokenHint() : undefined;
    return new CliError(error.code, error.message, hint);
  }

  #tokenHint(): string {
    return this.connection.token === null
      ? 'You are not signed in: postern login. Or use --token-file FILE or POSTERN_TOKEN, or "postern setup" on a new installation.'
      : 'Your session or API token is wrong or has ended, or you are disabled. Sign in: postern login';
  }

  #unreachable(error: NodeJS.ErrnoException): CliError {
    if (error instanceof CliError) return error;
    const { api, ca } = this.connection;
    const code = error.code ?? '';
    if (UNTRUSTED.has(code)) {
      return new CliError(
        'CLI_NOT_TRUSTED',
        `the certificate of ${api} is not trusted: ${error.message}`,
        ca === null
          ? 'Name its certificate authority with --ca FILE or POSTERN_CA (ca/ca.crt in the data directory of the server).'
          : `It was checked against ${ca.file}. Is that file of this installation, and is the server named as in its certificate?`,
      );
    }
    if (code === 'EPROTO' || code.startsWith('ERR_SSL')) {
      return new CliError(
        'CLI_CANNOT_CONNECT',
        `${api} does not speak TLS as expected`,
        'Is the port that of the API?',
      );
    }
    if (code === 'ECONNRESET' || code === 'EPIPE') {
      return new CliError('CLI_CONNECTION_LOST', `${api} closed the connection before it answered`);
    }
    const why = code === 'ECONNREFUSED' ? 'connection refused' : error.message || code;
    return new CliError(
      'CLI_CANNOT_CONNECT',
      `cannot connect to ${api}: ${why}`,
      'Is "postern serve" running there? Name another address with --api URL or POSTERN_API.',
    );
  }
}
