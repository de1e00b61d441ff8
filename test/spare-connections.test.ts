/** Spare connections as a real PostgreSQL sees them. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ResourceView } from '../src/core/views.ts';
import { SpareConnections } from '../src/protocols/postgres/spare-connections.ts';
import { connectUpstream } from '../src/protocols/postgres/upstream.ts';
import { startPostgres, type TestPostgres } from './support/postgres.ts';

const MAX_CONNECTIONS = 5;
const RESOURCES = 6;
let server: TestPostgres;
before(async () => {
  const settings = { max_connections: String(MAX_CONNECTIONS), superuser_reserved_connections: '0' };
  server = await startPostgres({ settings: { ...settings, log_connections: 'on' } });
});
after(() => server?.stop());

const log = (): string => readFileSync(server.logFile, 'utf8');

test('they take no place of a session, come to one when a session begins in them, and end without a word in the log', async () => {
  const of = (id: number): ResourceView => {
    const tls = { mode: 'verify-full', ca: server.caPem, serverName: null, negotiation: 'postgres' };
    const upstream = server.superuser;
    return { id: `r${id}`, name: 'r', host: server.host, port: server.port, tls, upstream } as never;
  };
  const received = (): number => log().split('connection received').length - 1;
  const sofar = received();
  const spares = new SpareConnections(2000);
  for (let id = 0; id < RESOURCES; id++) for (let i = 0; i < 2; i++) spares.began(of(id), 5000);
  for (let i = 0; i < 500 && received() < sofar + 2 * RESOURCES; i++) await sleep(10);
  assert.ok(2 * RESOURCES > MAX_CONNECTIONS);
  const count = `select count(*)::int n from pg_stat_activity where backend_type = 'client backend'`;
  assert.deepEqual(await server.query(count), [{ n: 1 }]);

  await sleep(200);
  const before = received();
  const upstream = await connectUpstream(of(0), 'postgres', new Map(), 5000, undefined, spares);
  assert.equal(received(), before);
  assert.deepEqual(await server.query(count), [{ n: 2 }]);
  upstream.socket.end(Buffer.from([0x58, 0, 0, 0, 4]));
  upstream.socket.resume();

  await sleep(2500);
  assert.equal(spares.take(of(1)), null);
  assert.doesNotMatch(log(), /could not receive data|incomplete startup|SSL error/);
});
