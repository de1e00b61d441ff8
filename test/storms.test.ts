/** Storms and crowds: many at once, many idle, many that stop half way. Whoever is in a session already goes on. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { cstring, Front, message, SSL_REQUEST_PACKET, startup } from '../src/protocols/postgres/wire.ts';
import { Bank, type Credential, untilClosed } from './support/bank.ts';
import { makeServerCertificate } from './support/certificates.ts';
import { Issuer } from './support/issuer.ts';
import { loginStorm } from './support/login-storm.ts';
import { until, workersOf } from './support/processes.ts';
import { type Door, saslInitial, say, WireClient } from './support/wire-client.ts';

const ONE = ['T', 'D', 'C SELECT 1', 'Z I'];

/** A session that asks again and again while `busy` goes on; gives how often it was answered. */
async function meanwhile(client: WireClient, busy: Promise<unknown>): Promise<number> {
  let done = false;
  const ends = busy.finally(() => {
    done = true;
  });
  let answered = 0;
  for (; !done; answered++) {
    client.heard.length = 0;
    assert.deepEqual(await client.ask([say.query(`select ${answered}`)]), ONE);
    await sleep(5);
  }
  await ends;
  return answered;
}

/** Megabytes of memory that a process has. */
const memoryOf = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;

const COMPLAINTS = /a fault of the gateway|postern: session|postern: worker|could not be set up|ended with/;

describe('a crowd', () => {
  const CROWD = 1000;
  let bank: Bank;
  let who: Credential;
  let door: Door;
  let directory: string;
  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'postern-storm-'));
    const config = join(directory, 'postern.json');
    // With two cores for the clients, the gateway and the server, the last of a storm waits for a while.
    writeFileSync(config, JSON.stringify({ limits: { handshakeSeconds: 120, upstreamSeconds: 120 } }));
    bank = await Bank.start(
      { args: ['--config', config, '--workers', '1', '--postgres-tls', 'allow'] },
      {
        hba: ['hostnossl all all 127.0.0.1/32 scram-sha-256'],
        settings: { max_connections: String(CROWD + 300), shared_buffers: '16MB' },
      },
    );
    who = await bank.identity('batch', 'select on ledger.*');
    door = { ...bank.postern.postgres, ca: bank.postern.caPem };
  });
  after(async () => {
    await bank?.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  /** Connections of Postern to the server: sessions, and the one that reads names. */
  const upstream = async (): Promise<number> => {
    const [row] = await bank.server.query<{ n: number }>(
      "select count(*)::int as n from pg_stat_activity where usename = 'ledger_app'",
    );
    return row?.n ?? 0;
  };

  it('of 1,000 idle sessions costs little memory for each, and each is there when it is needed', async (t) => {
    await bank.resource('plain', { tls: { mode: 'disable' } });
    const grant = await bank.grant('batch', 'select on ledger.*', { resource: 'plain' });
    const plain = await bank.credential('batch', grant);
    const [pid = 0] = workersOf(bank.postern.pid);
    const clients: WireClient[] = [];
    const grow = async (to: number): Promise<number> => {
      while (clients.length < to) {
        const some = Array.from({ length: Math.min(50, to - clients.length) }, () =>
          WireClient.login(bank.postern.postgres, plain, 'plain', [], 120_000),
        );
        clients.push(...(await Promise.all(some)));
      }
      await sleep(2000);
      return memoryOf(pid);
    };
    // What the first ones cost is code that is compiled and caches that are filled.
    const before = await grow(200);
    const kib = (((await grow(200 + CROWD)) - before) * 1024) / CROWD;
    t.diagnostic(`${kib.toFixed(1)} KiB a session`);
    assert.ok(kib < 90, `${kib} KiB a session`);
    for (let at = 0; at < clients.length; at += 100) {
      const some = clients.slice(at, at + 100);
      for (const heard of await Promise.all(some.map((client) => client.ask([say.query('select 1')]))))
        assert.deepEqual(heard, ONE);
    }
    await Promise.all(clients.map((client) => client.end()));
    await until(async () => (await upstream()) <= 1, 'the sessions are gone at the server too');
    assert.doesNotMatch(bank.postern.running.stderr, COMPLAINTS);
  });

  it('of 500 logs in at once, each is let in, and who works already is answered all the while', async (t) => {
    const worker = await WireClient.login(door, who, 'ledger-db');
    const storm = loginStorm({ door, who, database: 'ledger-db', clients: 500, timeoutMs: 120_000 });
    const answered = await meanwhile(worker, storm);
    t.diagnostic(`${answered} statements answered meanwhile`);
    assert.ok(answered > 10, `${answered} statements answered meanwhile`);
    for (const heard of await storm) assert.deepEqual(heard, ONE);
    await worker.end();
    await until(async () => (await upstream()) <= 1, 'the sessions are gone at the server too');
    assert.doesNotMatch(bank.postern.running.stderr, COMPLAINTS);
  });
});

/** A socket of which only the first `most` bytes written to it leave: a client that stops in the middle of its TLS handshake. */
function cutOff(raw: Socket, most: number): Duplex {
  let left = most;
  const half = new Duplex({
    read: () => undefined,
    write(chunk: Buffer, _encoding, done) {
      raw.write(chunk.subarray(0, left));
      left = Math.max(0, left - chunk.length);
      done();
    },
  });
  raw.on('data', (chunk: Buffer) => half.push(chunk));
  raw.on('close', () => half.destroy());
  return half;
}

describe('a storm of clients that stop half way', () => {
  const HANDSHAKE_SECONDS = 8;
  /** Of each kind. */
  const EACH = 60;
  let bank: Bank;
  let who: Credential;
  let door: Door;
  let issuer: Issuer;
  let directory: string;
  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'postern-storm-'));
    const tls = await makeServerCertificate();
    const caFile = join(directory, 'issuer-ca.crt');
    writeFileSync(caFile, tls.caPem);
    const config = join(directory, 'postern.json');
    writeFileSync(config, JSON.stringify({ limits: { handshakeSeconds: HANDSHAKE_SECONDS } }));
    issuer = new Issuer(tls);
    issuer.server.listen(0, '127.0.0.1');
    await once(issuer.server, 'listening');
    bank = await Bank.start({
      args: ['--config', config, '--workers', '1'],
      env: { ...process.env, NODE_EXTRA_CA_CERTS: caFile },
    });
    who = await bank.identity('batch', 'select on ledger.*');
    await bank.identity('bound', 'select on ledger.*');
    const claims = { issuer: issuer.url, audience: 'postern', claims: { sub: 'job-1' } };
    await bank.postern.call('POST', '/v1/principals/bound/bindings', claims);
    door = { ...bank.postern.postgres, ca: bank.postern.caPem };
  });
  after(async () => {
    await bank?.stop();
    issuer?.server.close();
    issuer?.server.closeAllConnections();
    rmSync(directory, { recursive: true, force: true });
  });

  const raw = async (): Promise<Socket> => {
    const socket = connect(bank.postern.postgres);
    socket.on('error', () => socket.destroy());
    await once(socket, 'connect');
    return socket;
  };
  /** Begins TLS and stops after so many bytes of the client's. */
  const halfTls = (socket: Socket, most: number): Socket => {
    const secure = connectTls({
      socket: cutOff(socket, most),
      ca: bank.postern.caPem,
      servername: 'localhost',
      ALPNProtocols: ['postgresql'],
    });
    secure.on('error', () => secure.destroy());
    return socket;
  };
  const started = async (user: string, kind: number): Promise<WireClient> => {
    const client = await WireClient.open({ ...door, direct: true });
    client.send(
      startup([
        ['user', user],
        ['database', 'ledger-db'],
      ]),
    );
    await client.until((heard) => heard.some(({ bytes }) => bytes.readInt32BE(5) === kind));
    assert.equal(client.heard.at(-1)?.bytes.readInt32BE(5), kind);
    return client;
  };
  const bound = async (): Promise<WireClient> => {
    const client = await started('batch', 10);
    client.send(saslInitial('p=tls-server-end-point,,n=,r=abcdefghijklmnop', 'SCRAM-SHA-256-PLUS'));
    await client.until((heard) => heard.some(({ bytes }) => bytes.readInt32BE(5) === 11));
    return client;
  };

  const KINDS: Readonly<Record<string, () => Promise<Socket>>> = {
    'direct TLS, half a ClientHello': async () => halfTls(await raw(), 100),
    'direct TLS, asked for a certificate and silent': async () => halfTls(await raw(), 4096),
    'TLS that was asked for, half a ClientHello': async () => {
      const socket = await raw();
      socket.write(SSL_REQUEST_PACKET);
      await once(socket, 'data');
      return halfTls(socket, 100);
    },
    'asked for a token and silent': async () => (await started('bound', 3)).socket,
    'half a token': async () => {
      const client = await started('bound', 3);
      client.send(message(Front.password, cstring(issuer.token())).subarray(0, 200));
      return client.socket;
    },
    'offered SCRAM and silent': async () => (await started('batch', 10)).socket,
    'SCRAM-SHA-256-PLUS half way': async () => (await bound()).socket,
    'half a proof': async () => {
      const client = await bound();
      client.send(message(Front.password, Buffer.from('c=cD10bHM=,r=abc')).subarray(0, 12));
      return client.socket;
    },
    'half a cancel request': async () => {
      const socket = await raw();
      socket.write(Buffer.from([0, 0, 0, 16, 4, 210, 22, 46, 0, 0]));
      return socket;
    },
  };

  it('is closed at the deadline, all of it; who works is answered, and who comes is let in', async (t) => {
    const worker = await WireClient.login(door, who, 'ledger-db');
    const [pid = 0] = workersOf(bank.postern.pid);
    const before = memoryOf(pid);
    let most = 0;
    const storm = async (): Promise<void> => {
      const closed: Promise<unknown>[] = [];
      for (let round = 0; round < EACH / 10; round++) {
        const sockets = await Promise.all(
          Object.values(KINDS).flatMap((open) => Array.from({ length: 10 }, () => open())),
        );
        for (const socket of sockets) closed.push(untilClosed(socket, HANDSHAKE_SECONDS * 1000 + 10_000));
      }
      most = memoryOf(pid);
      const fresh = await WireClient.login(door, who, 'ledger-db');
      await fresh.end();
      await Promise.all(closed);
    };
    const answered = await meanwhile(worker, storm());
    t.diagnostic(`${answered} statements answered meanwhile, ${(most - before).toFixed(0)} MiB more`);
    assert.ok(answered > 10, `${answered} statements answered meanwhile`);
    assert.ok(most - before < 200, `the worker grew by ${most - before} MiB`);
    await worker.end();
    const [row] = await bank.server.query<{ n: number }>(
      "select count(*)::int as n from pg_stat_activity where application_name like 'postern/%'",
    );
    assert.ok((row?.n ?? 9) <= 1, 'nobody who did not prove itself reached the server');
    assert.doesNotMatch(bank.postern.running.stderr, COMPLAINTS);
  });
});
