/** The demo's bank behind a real Postern: what most end-to-end tests start from. */
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import pg from 'pg';
import { createLedgerDatabase, type LedgerDatabase } from '../../demo/database.ts';
import { type PosternOptions, startPostern, type TestPostern } from './postern.ts';
import { type PostgresOptions, startPostgres, type TestPostgres } from './postgres.ts';

export interface Credential {
  readonly username: string;
  readonly password: string;
  readonly grant: string;
  readonly credential: string;
}

export interface CommandRow {
  readonly id: string;
  readonly type: string;
  readonly verbs: readonly string[];
  readonly objects: readonly string[];
  readonly decision: string;
  readonly reason: string | null;
  readonly status: string | null;
  readonly code: string | null;
  readonly rows: number | null;
  readonly session: string;
  readonly grant: string | null;
}

export class Bank {
  readonly server: TestPostgres;
  readonly ledger: LedgerDatabase;
  readonly postern: TestPostern;

  constructor(server: TestPostgres, ledger: LedgerDatabase, postern: TestPostern) {
    this.server = server;
    this.ledger = ledger;
    this.postern = postern;
  }

  static async start(options: PosternOptions = {}, postgres: PostgresOptions = {}): Promise<Bank> {
    const server = await startPostgres(postgres);
    try {
      const ledger = await createLedgerDatabase(server);
      const postern = await startPostern(options);
      const bank = new Bank(server, ledger, postern);
      await bank.resource('ledger-db');
      return bank;
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await this.postern.stop();
    await this.server.stop();
  }

  async resource(name: string, over: object = {}): Promise<void> {
    await this.postern.call('POST', '/v1/resources', {
      name,
      protocol: 'postgres',
      host: this.server.host,
      port: this.server.port,
      database: this.ledger.database,
      tls: { mode: 'verify-full', ca: this.server.caPem },
      environment: 'test',
      classification: 'restricted',
      upstream: { user: this.ledger.user, password: this.ledger.password },
      ...over,
    });
  }

  async principal(name: string): Promise<void> {
    await this.postern.call('POST', '/v1/principals', {
      name,
      kind: 'service_account',
      owner: 'admin@example.com',
      backupOwner: 'backup@example.com',
      purpose: 'end-to-end test',
      environment: 'test',
    });
  }

  async grant(principal: string, scope: string, over: object = {}): Promise<string> {
    const grant = await this.postern.call<{ id: string }>('POST', '/v1/grants', {
      principal,
      resource: 'ledger-db',
      scope,
      ttlSeconds: 3600,
      ticket: 'CHG-1',
      ...over,
    });
    return grant.id;
  }

  /** A new principal with a grant of `scope` and a credential bound to it. */
  async identity(name: string, scope: string, over: object = {}): Promise<Credential> {
    await this.principal(name);
    const grant = await this.grant(name, scope, over);
    return this.credential(name, grant);
  }

  async credential(principal: string, grant?: string): Promise<Credential> {
    const issued = await this.postern.call<{
      username: string;
      password: string;
      credential: { id: string };
    }>('POST', '/v1/credentials', { principal, ...(grant === undefined ? {} : { grant }), ttlSeconds: 3600 });
    return {
      username: issued.username,
      password: issued.password,
      grant: grant ?? '',
      credential: issued.credential.id,
    };
  }

  /** Connects node-postgres, TLS verify-full. Errors after the connection are kept in `lost`. */
  async connect(who: Credential, over: pg.ClientConfig = {}): Promise<pg.Client & { lost: Error[] }> {
    const { host, port } = this.postern.postgres;
    const client = new pg.Client({
      host,
      port,
      user: who.username,
      password: who.password,
      database: 'ledger-db',
      ssl: { ca: this.postern.caPem },
      ...over,
    }) as pg.Client & { lost: Error[] };
    client.lost = [];
    client.on('error', (error) => client.lost.push(error));
    await client.connect();
    return client;
  }

  /** Environment with which stock clients reach `ledger-db` as `who`. */
  env(who: Credential, database = 'ledger-db'): NodeJS.ProcessEnv {
    const { host, port } = this.postern.postgres;
    return {
      ...process.env,
      PGHOST: host,
      PGPORT: String(port),
      PGUSER: who.username,
      PGPASSWORD: who.password,
      PGDATABASE: database,
      PGSSLMODE: 'verify-full',
      PGSSLROOTCERT: this.postern.caFile,
    };
  }

  /** Commands of a principal, oldest first. */
  async commands(principal: string, filter = ''): Promise<CommandRow[]> {
    // A record that nothing waits for may stay in its worker for a moment.
    await sleep(60);
    const rows: CommandRow[] = [];
    let cursor = '';
    for (;;) {
      const page = await this.postern.call<{ items: CommandRow[]; next: string | null }>(
        'GET',
        `/v1/activity?principal=${principal}&order=asc&limit=1000${filter}${cursor}`,
      );
      rows.push(...page.items);
      if (page.next === null) return rows;
      cursor = `&cursor=${encodeURIComponent(page.next)}`;
    }
  }

  async statement(
    id: string,
  ): Promise<{ statement: string | null; parameters: unknown; record: Record<string, unknown> }> {
    return this.postern.call('GET', `/v1/activity/${id}`);
  }

  /** A bare TCP connection to the gateway. */
  async raw(): Promise<Socket> {
    const socket = connectTcp(this.postern.postgres);
    socket.on('error', () => socket.destroy());
    await once(socket, 'connect');
    return socket;
  }

  /** A TLS connection to the gateway, before the startup packet. */
  async rawTls(): Promise<Socket> {
    const socket = await this.raw();
    socket.write(Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]));
    await once(socket, 'data');
    const secure = connectTls({ socket, ca: this.postern.caPem, host: 'localhost', servername: 'localhost' });
    secure.on('error', () => secure.destroy());
    await once(secure, 'secureConnect');
    return secure;
  }
}

/** Waits until the socket is closed; gives what came before. Fails after `timeoutMs`. */
export async function untilClosed(socket: Socket, timeoutMs: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => parts.push(chunk));
  if (!socket.closed) {
    await once(socket, 'close', { signal: AbortSignal.timeout(timeoutMs) });
  }
  return Buffer.concat(parts);
}

/** The error that `promise` ends in, as node-postgres gives it. */
export async function databaseError(promise: Promise<unknown>): Promise<pg.DatabaseError> {
  try {
    await promise;
  } catch (error) {
    return error as pg.DatabaseError;
  }
  throw new Error('it succeeded');
}
