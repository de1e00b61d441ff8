/** A real `postern serve` in a process of its own, with a person who may do everything, for tests and benchmarks. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Exit, type Running, start } from './processes.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

export interface PosternOptions {
  /** Further arguments of `postern serve`. */
  readonly args?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** A data directory of an earlier start, left as it is afterwards. Default: a new one, gone afterwards. */
  readonly dataDir?: string;
  /** API token of an administrator, for a data directory that has one. Default: the first one is made. */
  readonly token?: string;
}

/** An answer of the API that is not a success. */
export class ApiFailure extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, body: string) {
    super(`${status}: ${body}`);
    this.status = status;
    this.code = body.match(/"code":"(\w+)"/)?.[1] ?? '';
  }
}

export class TestPostern {
  readonly running: Running;
  readonly dataDir: string;
  readonly api: { readonly host: string; readonly port: number };
  readonly postgres: { readonly host: string; readonly port: number };
  /** Null without `--http-port`. */
  readonly http: { readonly host: string; readonly port: number } | null;
  readonly caFile: string;
  readonly caPem: string;
  /** API token of an administrator. */
  token = '';
  readonly #temporary: boolean;

  constructor(running: Running, dataDir: string, temporary: boolean) {
    this.running = running;
    this.dataDir = dataDir;
    this.#temporary = temporary;
    const { api, postgres, http } = JSON.parse(readFileSync(join(dataDir, 'run.json'), 'utf8'));
    this.api = api;
    this.postgres = postgres;
    this.http = http;
    this.caFile = join(dataDir, 'ca', 'ca.crt');
    this.caPem = readFileSync(this.caFile, 'utf8');
  }

  get pid(): number {
    return this.running.pid;
  }

  /**
   * Calls the API and gives the parsed answer.
   *
   * @param token whose call it is; default: the administrator
   * @throws ApiFailure when the API refuses
   */
  call<T = unknown>(method: string, path: string, body?: object, token = this.token): Promise<T> {
    return new Promise((resolve, reject) => {
      const text = body === undefined ? '' : JSON.stringify(body);
      const call = request(
        {
          ...{ host: this.api.host, port: this.api.port, method, path, ca: this.caPem, agent: false },
          headers: {
            ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
            ...(body === undefined
              ? {}
              : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
          },
        },
        (response) => {
          let answer = '';
          response.setEncoding('utf8');
          response.on('data', (piece: string) => {
            answer += piece;
          });
          response.on('error', reject);
          response.on('end', () => {
            const status = response.statusCode ?? 0;
            if (status >= 300) reject(new ApiFailure(status, answer));
            else resolve((answer === '' ? undefined : JSON.parse(answer)) as T);
          });
        },
      );
      call.on('error', reject);
      call.end(text);
    });
  }

  /** Ends the process; `SIGTERM` lets it drain. Removes the data directory if it was made here. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Exit> {
    const exit = await this.running.stop(signal, 20_000);
    if (this.#temporary) rmSync(this.dataDir, { recursive: true, force: true });
    return exit;
  }
}

/**
 * Starts Postern on free ports and makes its first administrator.
 *
 * @throws Error with what it printed, when it does not start
 */
export async function startPostern(options: PosternOptions = {}): Promise<TestPostern> {
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'postern-data-'));
  const running = await start(
    process.execPath,
    [
      ...[MAIN, 'serve', '--data', dataDir, '--api-port', '0', '--postgres-port', '0'],
      ...(options.args ?? []),
    ],
    options.env === undefined ? {} : { env: options.env },
  );
  // A test that fails before it stops Postern must not leave it behind.
  const end = (): void => void running.child.kill('SIGKILL');
  process.once('exit', end);
  running.exited.then(() => process.off('exit', end));
  try {
    await running.waitFor(/CA file .*\n/, 30_000);
    const postern = new TestPostern(running, dataDir, options.dataDir === undefined);
    postern.token = options.token ?? (await setUp(postern));
    return postern;
  } catch (error) {
    await running.stop('SIGKILL');
    if (options.dataDir === undefined) rmSync(dataDir, { recursive: true, force: true });
    throw error;
  }
}

async function setUp(postern: TestPostern): Promise<string> {
  const [, setupToken] = await postern.running.waitFor(/makes one:\n\s+(\S+)\n/);
  const person = { token: setupToken, name: 'Test Administrator', email: 'admin@example.com' };
  const { token } = await postern.call<{ token: string }>('POST', '/v1/setup', person, '');
  const backup = { name: 'Backup Owner', email: 'backup@example.com', roles: ['owner'] };
  await postern.call('POST', '/v1/persons', backup, token);
  return token;
}
