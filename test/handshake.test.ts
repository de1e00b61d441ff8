/** What happens before a session, with real clients and with bare messages: versions, encryption, proofs. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { connect as connectTls } from 'node:tls';
import type { ResourceView } from '../src/core/views.ts';
import { serverEndPoint } from '../src/protocols/postgres/channel-binding.ts';
import { PROTOCOL_3_2 } from '../src/protocols/postgres/negotiation.ts';
import { ScramClient } from '../src/protocols/postgres/scram-client.ts';
import { cancelRequest, PROTOCOL_3_0, SSL_REQUEST_PACKET, startup } from '../src/protocols/postgres/wire.ts';
import { Bank, type Credential, untilClosed } from './support/bank.ts';
import { makeServerCertificate } from './support/certificates.ts';
import { type Libpq18, libpq18 } from './support/libpq18.ts';
import { run, until } from './support/processes.ts';
import { brief, type Door, saslInitial, say, WireClient } from './support/wire-client.ts';

describe('the handshake', () => {
  let bank: Bank;
  let who: Credential;
  let door: Door;
  let modern: Libpq18;
  before(async () => {
    modern = libpq18();
    bank = await Bank.start();
    who = await bank.identity('batch', 'select on ledger.*; execute on pg_catalog.pg_sleep');
    door = { ...bank.postern.postgres, ca: bank.postern.caPem };
  });
  after(async () => {
    await bank?.stop();
    modern.remove();
  });

  const psql = (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
    run('psql', ['-X', '-At', ...args], { env: { ...bank.env(who), ...env } });

  /** Logs in with bare messages in a version of the protocol, and gives the key for cancel requests. */
  const loginAs = async (version: number, on: Door = door): Promise<{ client: WireClient; key: Buffer }> => {
    const client = await WireClient.open(on);
    client.send(
      startup(
        [
          ['user', 'batch'],
          ['database', 'ledger-db'],
        ],
        version,
      ),
    );
    await client.prove(who.password);
    await client.until((heard) => /[ZE]/.test(heard.at(-1)?.type ?? ''));
    assert.equal(client.heard.at(-1)?.type, 'Z', client.error.get('M'));
    const key = client.heard.find(({ type }) => type === 'K')?.bytes.subarray(5);
    assert.ok(key);
    client.heard.length = 0;
    return { client, key };
  };

  /** Waits until the server runs `n` statements that sleep. */
  const sleeping = (n: number): Promise<void> =>
    until(
      async () =>
        (
          await bank.server.query(
            `select 1 from pg_stat_activity where state = 'active' and query like 'select pg_sleep%'`,
          )
        ).length === n,
      `${n} statements sleep`,
      10_000,
    );

  describe('protocol 3.2', () => {
    it('is spoken with libpq 18, which insists on it', async () => {
      const said = await psql(['-c', 'select 42'], {
        ...modern.env,
        PGMINPROTOCOLVERSION: '3.2',
        PGMAXPROTOCOLVERSION: '3.2',
      });
      assert.equal(said.stdout, '42\n', said.stderr);
      const grease = await psql(['-c', 'select 42'], { ...modern.env, PGMAXPROTOCOLVERSION: 'latest' });
      assert.equal(grease.stdout, '42\n', grease.stderr);
    });

    it('gives a key with a secret of 32 bytes, and 3.0 one of 4', async () => {
      const { client: newer, key } = await loginAs(PROTOCOL_3_2);
      assert.equal(key.length, 4 + 32);
      const { client: older, key: short } = await loginAs(PROTOCOL_3_0);
      assert.equal(short.length, 4 + 4);
      await newer.end();
      await older.end();
    });

    it('cancels with the whole key, and with no part, extension or neighbour of it', async () => {
      const { client, key } = await loginAs(PROTOCOL_3_2);
      const { client: older, key: short } = await loginAs(PROTOCOL_3_0);
      client.send(say.query('select pg_sleep(30)'));
      older.send(say.query('select pg_sleep(30)'));
      await sleeping(2);
      const flipped = Buffer.from(key);
      flipped[20] = (flipped[20] as number) ^ 1;
      for (const wrong of [
        key.subarray(0, 4),
        key.subarray(0, 8),
        key.subarray(0, 35),
        flipped,
        Buffer.concat([key, Buffer.alloc(1)]),
        Buffer.concat([key, Buffer.alloc(224)]),
        Buffer.concat([key, Buffer.alloc(5000)]),
        Buffer.concat([key.subarray(0, 4), short.subarray(4)]),
        Buffer.concat([short, Buffer.alloc(28)]),
        short.subarray(0, 6),
        Buffer.concat([short.subarray(0, 4), key.subarray(4)]),
      ]) {
        const cancel = await WireClient.open(door);
        cancel.send(cancelRequest(wrong));
        await cancel.until(() => cancel.closed);
        assert.deepEqual(cancel.heard, [], 'a cancel request gets no answer');
      }
      await sleeping(2);
      for (const [victim, right] of [
        [client, key],
        [older, short],
      ] as const) {
        const cancel = await WireClient.open(door);
        cancel.send(cancelRequest(right));
        await victim.until((heard) => heard.at(-1)?.type === 'Z');
        assert.equal(victim.error.get('C'), '57014');
        await victim.end();
      }
    });
  });

  describe('direct TLS', () => {
    it('is taken from libpq 18', async () => {
      const said = await psql(['-c', 'select 42'], { ...modern.env, PGSSLNEGOTIATION: 'direct' });
      assert.equal(said.stdout, '42\n', said.stderr);
    });

    it('negotiates the protocol "postgresql", and so does TLS that was asked for', async () => {
      for (const direct of [true, false]) {
        const client = await WireClient.open({ ...door, direct, tls: { ALPNProtocols: ['postgresql'] } });
        assert.equal(client.tls.alpnProtocol, 'postgresql');
        client.socket.destroy();
        await assert.rejects(
          WireClient.open({ ...door, direct, tls: { ALPNProtocols: ['http/1.1', 'h2'] } }),
          /no application protocol/i,
        );
      }
    });

    it('is closed without a word where no protocol is negotiated', async () => {
      const raw = connectTcp(bank.postern.postgres);
      await once(raw, 'connect');
      const secure = connectTls({ socket: raw, ca: bank.postern.caPem, servername: 'localhost' });
      secure.on('error', () => secure.destroy());
      secure.once('secureConnect', () => secure.write(startup([['user', 'batch']])));
      assert.equal((await untilClosed(secure, 3000)).length, 0);
    });

    it('is not taken twice, nor after other words, nor followed by a request to encrypt', async () => {
      const inside = await WireClient.open({ ...door, direct: true });
      inside.send(SSL_REQUEST_PACKET);
      await inside.until(() => inside.closed);
      assert.match(inside.error.get('M') ?? '', /frontend protocol 1234\.5679 is not supported/);
      const nested = await WireClient.open({ ...door, direct: true });
      nested.send(Buffer.from([0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0]));
      await nested.until(() => nested.closed);
      assert.equal(nested.error.get('C'), '08P01');
    });

    it('is never resumed: every connection proves itself anew, also one that would resume', async () => {
      for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
        const tls = { minVersion: version, maxVersion: version };
        const first = await WireClient.open({ ...door, tls });
        const kept: Buffer[] = [];
        first.tls.on('session', (session: Buffer) => kept.push(session));
        first.send(startup([['user', 'batch']]));
        await first.until((heard) => heard.length === 1);
        const session = kept.at(-1) ?? first.tls.getSession();
        first.socket.destroy();
        const { client } = await loginAs(PROTOCOL_3_0, {
          ...door,
          tls: { ...tls, ...(session === undefined ? {} : { session }) },
        });
        assert.equal(client.tls.isSessionReused(), false);
        assert.equal(client.tls.getProtocol(), version);
        await client.end();
      }
    });

    it('carries a cancel request too', async () => {
      const { client, key } = await loginAs(PROTOCOL_3_2, { ...door, direct: true });
      client.send(say.query('select pg_sleep(30)'));
      await sleeping(1);
      const cancel = await WireClient.open({ ...door, direct: true });
      cancel.send(cancelRequest(key));
      await client.until((heard) => heard.at(-1)?.type === 'Z');
      assert.equal(client.error.get('C'), '57014');
      await client.end();
    });

    it('is used towards a resource that asks for it', async () => {
      await bank.resource('direct-db', {
        tls: { mode: 'verify-full', ca: bank.server.caPem, negotiation: 'direct' },
      });
      await bank.grant('batch', 'select on ledger.*', { resource: 'direct-db' });
      const any = await bank.credential('batch');
      const client = await bank.connect(any, { database: 'direct-db' });
      assert.deepEqual((await client.query('select 42 as n')).rows, [{ n: 42 }]);
      await client.end();
      await assert.rejects(
        bank.resource('plain-db', { tls: { mode: 'disable', negotiation: 'direct' } }),
        /TLS is disabled/,
      );
    });
  });

  describe('channel binding', () => {
    it('is there for a psql that requires it', async () => {
      const said = await psql(['-c', 'select 42'], { PGCHANNELBINDING: 'require' });
      assert.equal(said.stdout, '42\n', said.stderr);
    });

    it('keeps out a man in the middle who holds a certificate that the client trusts', async () => {
      // The client is led to believe in another certificate; the messages are passed on as they are.
      const forged = await makeServerCertificate();
      const middle = await WireClient.open(door);
      middle.send(
        startup([
          ['user', 'batch'],
          ['database', 'ledger-db'],
        ]),
      );
      await middle.until((heard) => heard.length === 1);
      const victim = new ScramClient(
        { id: 'x' } as ResourceView,
        who.password,
        serverEndPoint(new X509Certificate(forged.certPem)),
      );
      const offered = middle.heard[0]?.bytes.toString('latin1', 9).split('\0') ?? [];
      assert.deepEqual(offered.slice(0, 2), ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256']);
      middle.send(victim.first(offered));
      await middle.until((heard) => heard.length === 2);
      middle.send(await victim.final(middle.heard[1]?.bytes.toString('utf8', 9) ?? ''));
      await middle.until(() => middle.closed);
      assert.match(
        middle.error.get('M') ?? '',
        /authentication failed for "batch": the channel binding does not fit this connection/,
      );
    });

    it('cannot be taken out of the offer unnoticed', async () => {
      const client = await WireClient.open(door);
      client.send(startup([['user', 'batch']]), saslInitial('y,,n=,r=abcdefghijkl'));
      await client.until(() => client.closed);
      assert.equal(client.error.get('C'), '28P01');
      assert.match(client.error.get('M') ?? '', /channel binding was offered and did not reach the client/);
    });
  });

  describe('half-close', () => {
    it('lets a client that has said all it has to say hear every answer, as PostgreSQL does', async () => {
      const direct: Door = { host: bank.server.host, port: bank.server.port, ca: bank.server.caPem };
      const owner = { username: bank.ledger.user, password: bank.ledger.password };
      const asks = [
        say.query('select 1'),
        say.query('select count(*) from ledger.entries, generate_series(1, 20)'),
        say.parse('', 'select pg_sleep(0.2)'),
        ...[say.bind('', ''), say.execute(''), say.sync()],
        say.query(`select repeat('x', 100000) from generate_series(1, 50)`),
      ];
      const heard: string[][] = [];
      for (const client of [
        await WireClient.login(direct, owner, 'bank'),
        await WireClient.login(door, who, 'ledger-db'),
      ]) {
        client.send(...asks);
        client.socket.end();
        await client.until(() => client.closed, 15_000);
        heard.push(client.heard.map(brief));
      }
      assert.deepEqual(heard[1], heard[0]);
      assert.equal(heard[1]?.at(-1), 'Z I');
    });

    it('ends an idle session, and one whose client has not said enough', async () => {
      const idle = await WireClient.login(door, who, 'ledger-db');
      idle.socket.end();
      await idle.until(() => idle.closed, 3000);
      const early = await WireClient.open(door);
      early.send(startup([['user', 'batch']]));
      early.socket.end();
      await early.until(() => early.closed, 3000);
      const half = await WireClient.login(door, who, 'ledger-db');
      half.send(say.query('select 1').subarray(0, 9));
      half.socket.end();
      await half.until(() => half.closed, 3000);
    });
  });
});
