/** For tests: the API over real HTTPS on a free port, and a client that trusts its CA. */

import { request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { FastifyInstance } from 'fastify';
import { type TestControl, testControl } from '../access/control.fixture.ts';
import type { ControlOptions } from '../access/control.ts';
import { PosternError } from '../core/errors.ts';
import { evidenceJobs } from '../evidence/jobs/jobs.fixture.ts';
import { PublishedLog } from '../ledger/published-log.ts';
import { ensureTls } from '../vault/ca.ts';
import type { ApiDeps } from './deps.ts';
import { createApi } from './server.ts';

export interface Answer {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly text: string;
  readonly bytes: Buffer;
  readonly body: Json;
}

/** Parsed JSON, loosely: tests look into it. */
export interface Json {
  readonly [key: string]: Json;
}

/** The items of a list's answer. */
export const itemsOf = (answer: Answer): readonly Json[] => answer.body.items as unknown as readonly Json[];

export interface TestApi extends TestControl {
  readonly app: FastifyInstance;
  readonly deps: ApiDeps;
  readonly logged: string[];
  /** Every answer so far, headers and body, for searching. */
  readonly answers: string[];
  call(
    method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    body?: unknown,
    token?: string | null,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Answer>;
}

export async function testApi(
  context: TestContext,
  overrides: Partial<ApiDeps> = {},
  controlOptions: Partial<ControlOptions> = {},
): Promise<TestApi> {
  let port = 0;
  const publicUrl = (): string => `https://localhost:${port}`;
  const t = await testControl(context, { issuer: publicUrl, ...controlOptions });
  const tls = await ensureTls(t.dataDir);
  const logged: string[] = [];
  const log = (fields: object, message: string): void => {
    logged.push(JSON.stringify({ ...fields, message }));
  };
  const deps: ApiDeps = {
    control: t.control,
    activity: {
      query: () => ({ items: [], next: null }),
      withTexts: () => [],
      summary: () => {
        throw new Error('no summary in this test');
      },
      record: () => {
        throw new PosternError('POSTERN_NOT_FOUND', 'No record in this test.');
      },
      observed: () => [],
      resourcesOf: async () => [],
      sharing: async () => 0,
      lastUses: () => new Map(),
      sources: () => [],
      history: () => [],
    },
    ledger: {
      status: () => ({ origin: 'o', size: 7, root: '', checkpoint: '', vkey: '', losses: [], fault: null }),
      flush: async () => undefined,
      rotateKey: async () => ({ before: ['old'], after: ['new', 'old'] }),
    },
    witnesses: {
      status: () => ({ witnesses: [], cosigned: null, policy: null }),
      warnings: () => [],
    },
    sinks: { state: () => null, warnings: () => [], test: async () => null },
    keyOverlapDays: 30,
    log: new PublishedLog(join(t.dataDir, 'log')),
    findLeaf: () => null,
    assessEvidence: async () => {
      throw new Error('not in this test');
    },
    evidence: evidenceJobs(t.dataDir, {}),
    evidenceFolders: [],
    gateway: {
      sessions: () => [],
      testResource: async () => ({ ok: true, steps: [] }),
      survey: async () => ({
        survey: { outcome: 'failed', why: 'there is no gateway' },
        before: null,
        after: null,
      }),
      health: () => ({ workers: 1, reasons: [] }),
    },
    tls,
    addresses: () => ({
      api: { host: '127.0.0.1', port },
      postgres: { host: '127.0.0.1', port: 6432 },
      http: null,
    }),
    publicUrl,
    version: '0.0.0-test',
    logger: { warn: log, error: log },
    ...overrides,
  };
  const app = await createApi(deps);
  context.after(() => app.close());
  await app.listen({ host: '127.0.0.1', port: 0 });
  port = (app.server.address() as AddressInfo).port;
  const answers: string[] = [];

  const call: TestApi['call'] = (method, path, body, token = t.token, more = {}) =>
    new Promise((resolve, reject) => {
      const payload = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
      const headers = {
        ...(payload !== undefined && { 'content-type': 'application/json' }),
        ...(token !== null && { authorization: `Bearer ${token}` }),
        ...more,
      };
      const options = { host: '127.0.0.1', port, method, path, headers, ca: deps.tls.caPem, agent: false };
      const req = request(options, (res) => {
        const chunks: Buffer[] = [];
        res.on('data', (chunk: Buffer) => chunks.push(chunk));
        res.on('end', () => {
          const bytes = Buffer.concat(chunks);
          const text = bytes.toString();
          answers.push(`${JSON.stringify(res.headers)}\n${text}`);
          const json = String(res.headers['content-type']).includes('json');
          resolve({
            status: res.statusCode ?? 0,
            headers: res.headers,
            text,
            bytes,
            body: (json ? JSON.parse(text) : null) as Json,
          });
        });
        res.on('error', reject);
      });
      req.on('error', reject);
      req.end(payload);
    });

  return {
    ...t,
    app,
    deps,
    logged,
    answers,
    call,
  };
}
