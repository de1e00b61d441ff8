/** Hostile and broken clients against a running Postern: each gets a clear error or a timely close, and no other notices. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  cstring,
  Front,
  int16,
  int32,
  message,
  SSL_REQUEST_PACKET,
  startup,
} from '../src/protocols/postgres/wire.ts';
import { Bank, type Credential, untilClosed } from './support/bank.ts';
import { until } from './support/processes.ts';
import { generator, mutated, randomScript } from './support/random-script.ts';
import { contradiction, isEmptyStatement, sessionsOf } from './support/recorded.ts';
import { LOG_EVERYTHING, statementsOf } from './support/server-log.ts';
import { brief, type Door, saslInitial, say, WireClient } from './support/wire-client.ts';

const HANDSHAKE_SECONDS = 3;
const SEED = Number(process.env.HOSTILE_SEED ?? Date.now() % 1_000_000);

describe('hostile clients', () => {
  let bank: Bank;
  let who: Credential;
  let door: Door;
  let directory: string;

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'postern-hostile-'));
    const config = join(directory, 'postern.json');
    writeFileSync(config, JSON.stringify({ limits: { handshakeSeconds: HANDSHAKE_SECONDS } }));
    bank = await Bank.start({ args: ['--config', config] }, { settings: LOG_EVERYTHING });
    await bank.server.query(
      `create schema fuzz; create table fuzz.t (n int); create table fuzz.secret (n int);
       insert into fuzz.secret values (4711); create schema open; create table open.secret (n int);
       grant usage on schema open to ledger_app; grant all on open.secret to ledger_app;
       alter role ledger_app set search_path = open;
       grant usage on schema fuzz to ledger_app; grant all on all tables in schema fuzz to ledger_app`,
      'bank',
    );
    who = await bank.identity('batch', 'select, insert, copy on fuzz.t; select on ledger.*, open.*');
    door = { ...bank.postern.postgres, ca: bank.postern.caPem };
  });
  after(async () => {
    await bank?.stop();
    rmSync(directory, { recursive: true, force: true });
  });
  afterEach(async () => {
    const client = await login();
    assert.deepEqual(await client.ask([say.query('select 1')]), ['T', 'D', 'C SELECT 1', 'Z I']);
    await client.end();
    assert.doesNotMatch(
      bank.postern.running.stderr,
      /a fault of the gateway|postern: session|postern: worker|could not be set up|ended with/,
    );
  });

  const login = (over: { credential?: Credential; database?: string; application?: string } = {}) =>
    WireClient.login(door, over.credential ?? who, over.database ?? 'ledger-db', [
      ['application_name', over.application ?? 'hostile'],
    ]);
  const refusal = async (promise: Promise<WireClient>): Promise<string> => {
    try {
      await promise;
    } catch (error) {
      return (error as Error).message;
    }
    throw new Error('it was let in');
  };
  const refusals = async (principal: string): Promise<number> => {
    const { items } = await bank.postern.call<{ items: { type: string }[] }>(
      'GET',
      `/v1/activity?principal=${principal}&type=session&limit=1000`,
    );
    return items.filter(({ type }) => type === 'session.refused').length;
  };
  /** Says `bytes` on an open connection and gives the error that the gateway closes it with. */
  const closedWith = async (client: WireClient, ...bytes: Buffer[]): Promise<Map<string, string>> => {
    client.send(...bytes);
    await client.until(() => client.closed, 3000);
    return client.error;
  };

  describe('credentials', () => {
    it('refuses a wrong password, an unknown name and the credential of another in the same words', async () => {
      const other = await bank.identity('other', 'select on fuzz.t');
      const wrong = { username: 'batch', password: `${who.password.slice(0, -1)}!` };
      const unknown = { username: 'nobody', password: who.password };
      const anothers = { username: 'batch', password: other.password };
      const words: string[] = [];
      for (const credential of [wrong, unknown, anothers]) {
        const said = await refusal(WireClient.login(door, credential, 'ledger-db'));
        words.push(said.replace(credential.username, 'NAME'));
      }
      assert.deepEqual([...new Set(words)], ['FATAL 28P01 postern: authentication failed for "NAME"']);
      const first = async (username: string): Promise<string> => {
        const client = await WireClient.open(door);
        client.send(startup([['user', username]]), saslInitial('n,,n=,r=abcdefghijkl'));
        await client.until((heard) => heard.length === 2);
        client.socket.destroy();
        return client.heard[1]?.bytes.toString('latin1', 9).replace(/r=[^,]*/, '') ?? '';
      };
      assert.equal(
        await first('nobody'),
        await first('nobody'),
        'the salt of an unknown name does not change',
      );
      assert.equal((await first('nobody')).length, (await first('batch')).length);
      await until(
        async () => (await refusals('batch')) === 2,
        'the refusals of a known name are in the log',
        2000,
      );
    });

    it('refuses expired and revoked credentials, and says so only to who holds them', async () => {
      await bank.identity('brief', 'select on fuzz.t');
      const issued = await bank.postern.call<{ password: string }>('POST', '/v1/credentials', {
        principal: 'brief',
        ttlSeconds: 1,
      });
      const expired = { username: 'brief', password: issued.password };
      const revoked = await bank.credential('brief');
      await bank.postern.call('POST', `/v1/credentials/${revoked.credential}/revoke`, { reason: 'leaked' });
      assert.match(
        await refusal(login({ credential: revoked })),
        /^FATAL 28000 postern: credential .* was revoked/,
      );
      await sleep(1100);
      assert.match(
        await refusal(WireClient.login(door, expired, 'ledger-db')),
        /^FATAL 28000 postern: credential .* expired at/,
      );
      const guess = { ...revoked, password: issued.password.toUpperCase() };
      assert.match(
        await refusal(login({ credential: guess })),
        /^FATAL 28P01 postern: authentication failed/,
      );
    });

    it('takes a credential that is bound to a grant for that grant alone, and no resource without a grant', async () => {
      await bank.resource('second-db');
      await bank.principal('bound');
      const first = await bank.grant('bound', 'select on fuzz.t');
      await bank.grant('bound', 'select on fuzz.t', { resource: 'second-db' });
      const tied = await bank.credential('bound', first);
      await (await login({ credential: tied })).end();
      const said = await refusal(login({ credential: tied, database: 'second-db' }));
      assert.match(said, /^FATAL 28000 postern: no grant gives bound a resource named "second-db"/);
      const nowhere = await refusal(login({ credential: tied, database: 'nowhere' }));
      assert.equal(said.replaceAll('second-db', 'X'), nowhere.replaceAll('nowhere', 'X'));
      await until(async () => (await refusals('bound')) === 2, 'both refusals are in the log', 2000);
    });

    it('refuses proofs of another exchange, other mechanisms and malformed SASL messages', async () => {
      for (const bytes of [
        [saslInitial('n,,n=,r=abcdefghijkl', 'SCRAM-SHA-256-PLUS')],
        [saslInitial('n,,n=,r=abcdefghijkl', 'PLAIN')],
        [saslInitial('p=tls-unique,,n=,r=abcdefghijkl')],
        [saslInitial('n,a=admin,n=,r=abcdefghijkl')],
        [saslInitial('n,,n=,r=')],
        [saslInitial(`n,,n=,r=${'x'.repeat(3000)}`)],
        [saslInitial(Buffer.from([0x6e, 0x2c, 0x2c, 0xff]).toString('latin1'))],
        [message(Front.password, cstring('SCRAM-SHA-256'), int32(-1))],
        [message(Front.password, cstring('SCRAM-SHA-256'), int32(0x7fffffff))],
        [message(Front.password, Buffer.from('password'))],
        [message(Front.password)],
        [saslInitial('n,,n=,r=abcdefghijkl'), message(Front.password, Buffer.from('c=biws,r=x,p='))],
        [
          saslInitial('n,,n=,r=abcdefghijkl'),
          message(Front.password, Buffer.from(`c=biws,r=abcdefghijklmno,p=${'A'.repeat(43)}=`)),
        ],
        [say.query('select 1')],
        [Buffer.from([0x70, 0x7f, 0xff, 0xff, 0xff])],
        [Buffer.from([0x70, 0, 0, 0, 0])],
      ]) {
        const client = await WireClient.open(door);
        client.send(startup([['user', 'batch']]));
        await client.until((heard) => heard.length === 1);
        const error = await closedWith(client, ...bytes);
        assert.equal(error.get('C'), '08P01', bytes.map((each) => each.toString('latin1')).join());
        assert.equal(error.get('V'), 'FATAL');
      }
    });
  });

  describe('bytes before a session', () => {
    const packet = (code: number, ...body: Buffer[]): Buffer => {
      const rest = Buffer.concat(body);
      return Buffer.concat([int32(rest.length + 8), int32(code), rest]);
    };
    const inside = async (bytes: Buffer): Promise<Map<string, string>> =>
      closedWith(await WireClient.open(door), bytes);

    it('refuses startup packets that lie about their size, at once and without holding memory for them', async () => {
      for (const size of [0, 4, 7, 10_001, 1 << 30, 0x7fffffff, -1]) {
        for (const encrypted of [true, false]) {
          const client = await WireClient.open(encrypted ? door : bank.postern.postgres);
          const error = await closedWith(client, int32(size), int32(196608));
          assert.equal(error.get('C'), '08P01', String(size));
          assert.match(error.get('M') ?? '', /^postern: a startup packet of \d+ bytes$/);
        }
      }
    });

    it('refuses other protocols, doubled parameters, text that is no UTF-8 and packets without an end', async () => {
      const bad: [Buffer, RegExp][] = [
        [packet(131072), /frontend protocol 2\.0 is not supported/],
        [packet(262144), /frontend protocol 4\.0 is not supported/],
        [Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'), /a startup packet of/],
        [
          startup([
            ['user', 'batch'],
            ['user', 'other'],
          ]),
          /startup parameter "user" given twice/,
        ],
        [packet(196608, cstring('user'), Buffer.from([0xff, 0]), Buffer.alloc(1)), /not valid UTF-8/],
        [packet(196608, Buffer.from([0xc3, 0x28, 0]), cstring('x'), Buffer.alloc(1)), /not valid UTF-8/],
        [packet(196608, cstring('user'), cstring('batch')), /without its/],
        [packet(196608, cstring('user'), Buffer.from('batch')), /without its/],
        [packet(196608, cstring('user'), cstring('batch'), Buffer.from('\0more')), /without its/],
        [
          startup([
            ['user', 'batch'],
            ['replication', 'true'],
          ]),
          /replication connections are not supported/,
        ],
        [
          startup([
            ['user', 'batch'],
            ['options', '-c role=postgres'],
          ]),
          /"role" cannot be changed/,
        ],
        [
          startup([
            ['user', 'batch'],
            ['options', '-d 5'],
          ]),
          /may only hold settings/,
        ],
        [
          startup([
            ['user', 'batch'],
            ['session_authorization', 'postgres'],
          ]),
          /cannot be changed/,
        ],
        [SSL_REQUEST_PACKET, /frontend protocol 1234\.5679 is not supported/],
      ];
      for (const [bytes, pattern] of bad) {
        const error = await inside(bytes);
        assert.equal(error.get('V'), 'FATAL');
        assert.match(error.get('M') ?? '', pattern, bytes.toString('latin1'));
      }
    });

    it('negotiates a newer minor version and unknown protocol options, and goes on', async () => {
      const client = await WireClient.open(door);
      client.send(
        packet(
          196610,
          ...['user', 'batch', 'database', 'ledger-db', '_pq_.command_tag', 'on', ''].map(cstring),
        ),
      );
      await client.prove(who.password);
      await client.until((heard) => heard.at(-1)?.type === 'Z');
      const negotiated = client.heard[0];
      assert.equal(negotiated?.type, 'v');
      assert.equal(negotiated?.bytes.readInt32BE(5) ?? -1, 0);
      assert.match(negotiated?.bytes.toString('latin1') ?? '', /_pq_\.command_tag/);
      assert.deepEqual(await client.ask([say.query('select 1')]), ['T', 'D', 'C SELECT 1', 'Z I']);
      await client.end();
    });

    it('refuses data smuggled in behind a request to encrypt', async () => {
      for (const smuggled of [startup([['user', 'batch']]), Buffer.from([0x16, 3, 1, 0, 5])]) {
        const client = await WireClient.open(bank.postern.postgres);
        const error = await closedWith(client, SSL_REQUEST_PACKET, smuggled);
        assert.equal(error.get('C'), '08P01');
      }
      const gss = await WireClient.open(bank.postern.postgres);
      const error = await closedWith(gss, packet(80877104), startup([['user', 'batch']]));
      assert.equal(error.get('C'), '08P01');
    });

    it('closes connections whose TLS is none, ends early or never ends', async () => {
      const starts: (Buffer | null)[] = [
        Buffer.from('GET / HTTP/1.1\r\n\r\n'),
        Buffer.from([0x16, 3, 1, 0xff, 0xff]),
        Buffer.from([0x15, 3, 3, 0, 2, 2, 40]),
        Buffer.alloc(20_000, 0x16),
        null,
      ];
      for (const bytes of starts) {
        const socket = await bank.raw();
        socket.write(SSL_REQUEST_PACKET);
        const [answer] = (await once(socket, 'data')) as [Buffer];
        assert.equal(answer.toString(), 'S');
        if (bytes !== null) socket.write(bytes);
        else socket.write(Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]));
        await untilClosed(socket, HANDSHAKE_SECONDS * 1000 + 2000);
      }
      const half = await bank.raw();
      half.write(SSL_REQUEST_PACKET);
      await once(half, 'data');
      half.end();
      await untilClosed(half, 2000);
    });

    it('closes who is slow, one byte in 100 ms, in every phase, at the deadline', async () => {
      const slowly = (socket: Socket, bytes: Buffer): Promise<Buffer> => {
        let at = 0;
        const timer = setInterval(() => {
          if (socket.destroyed || at === bytes.length) clearInterval(timer);
          else socket.write(bytes.subarray(at, ++at));
        }, 100);
        return untilClosed(socket, HANDSHAKE_SECONDS * 1000 + 2000);
      };
      const login = startup([
        ['user', 'batch'],
        ['database', 'ledger-db'],
        ['application_name', 'slow'.repeat(10)],
      ]);
      const tls = await bank.rawTls();
      const tlsStarted = await bank.rawTls();
      tlsStarted.write(login);
      await once(tlsStarted, 'data');
      await Promise.all([
        slowly(await bank.raw(), login),
        slowly(tls, login),
        slowly(tlsStarted, saslInitial(`n,,n=,r=${'x'.repeat(100)}`)),
      ]);
    });

    it('goes on with a client that is slow but in time, whatever the pieces it sends', async () => {
      const client = await WireClient.open(door);
      for (const byte of startup([
        ['user', 'batch'],
        ['database', 'ledger-db'],
      ])) {
        client.send(Buffer.from([byte]));
        await sleep(2);
      }
      await client.prove(who.password);
      await client.until((heard) => heard.at(-1)?.type === 'Z');
      for (const byte of Buffer.concat([say.query('select 1'), say.parse('', 'select 2'), say.sync()])) {
        client.send(Buffer.from([byte]));
        await sleep(2);
      }
      await client.until((heard) => heard.filter(({ type }) => type === 'Z').length === 3);
      await client.end();
    });

    it('holds 2,000 silent connections, works meanwhile, and closes them all at the deadline', async () => {
      const silent: Socket[] = [];
      let closed = 0;
      for (let i = 0; i < 2000; i++) {
        const socket = connect(bank.postern.postgres);
        socket.on('error', () => socket.destroy());
        socket.on('close', () => {
          closed += 1;
        });
        silent.push(socket);
        if (i % 100 === 99) await once(socket, 'connect');
      }
      const client = await login();
      assert.deepEqual(await client.ask([say.query('select 1')]), ['T', 'D', 'C SELECT 1', 'Z I']);
      await until(
        () => closed === 2000,
        'all silent connections are closed',
        HANDSHAKE_SECONDS * 1000 + 5000,
      );
      assert.deepEqual(await client.ask([say.query('select 2')]), ['T', 'D', 'C SELECT 1', 'Z I']);
      await client.end();
    });
  });

  describe('bytes in a session', () => {
    it('ends the session, and none but that, for bytes that are no protocol', async () => {
      const bystander = await login();
      for (const bytes of [
        Buffer.from('GET / HTTP/1.1\r\n\r\n'),
        Buffer.from([0x51, 0, 0, 0, 3]),
        Buffer.from([0x51, 0xff, 0xff, 0xff, 0xff]).subarray(0, 3),
        message(Front.query, Buffer.from('select 1')),
        message(Front.query, Buffer.from('select 1\0select 2\0')),
        message(Front.query),
        message(Front.parse, Buffer.from('a\0b')),
        message(Front.parse, cstring('a'), cstring('select 1'), int16(5)),
        message(Front.parse, cstring('a'), cstring('select 1'), int16(0), Buffer.from('x')),
        message(Front.bind, cstring('')),
        message(Front.bind, cstring(''), cstring(''), int16(-1)),
        message(Front.bind, cstring(''), cstring(''), int16(0), int16(1), int32(-2)),
        message(Front.bind, cstring(''), cstring(''), int16(0), int16(1), int32(0x7fffffff)),
        message(Front.bind, cstring(''), cstring(''), int16(0), int16(32767)),
        message(Front.execute, cstring('')),
        message(Front.execute, cstring(''), int32(0), int32(0)),
        message(Front.describe, Buffer.from('Sname')),
        message(Front.describe, Buffer.from('X\0')),
        message(Front.close, Buffer.from('S')),
        message(Front.sync, Buffer.from('x')),
        message(Front.flush, Buffer.from('x')),
        message(Front.terminate, Buffer.from('x')),
        message(Front.password, Buffer.from('x')),
        Buffer.concat([Buffer.from('D'), int32(1 << 30)]),
        Buffer.concat([Buffer.from('S'), int32(100_000)]),
        say.parse(Buffer.from([0xff]), 'select 1'),
        say.bind(Buffer.from([0xff]), ''),
        say.bind('', Buffer.from([0xc3, 0x28])),
        message(Front.execute, Buffer.from([0xff, 0]), int32(0)),
        message(Front.close, Buffer.from([0x53, 0xff, 0])),
        say.parse('x'.repeat(64), 'select 1'),
        say.bind('x'.repeat(64), ''),
        startup([['user', 'batch']]),
        SSL_REQUEST_PACKET,
      ]) {
        const client = await login();
        client.send(bytes);
        // An unfinished message is no fault yet: what decides is that the session ends with its client.
        if (bytes.length === 3) client.socket.end();
        await client
          .until(() => client.closed, 3000)
          .catch((error: unknown) => {
            throw new Error(`${JSON.stringify(bytes.toString('latin1'))}: ${String(error)}`);
          });
        if (bytes.length === 3 || bytes[0] === Front.terminate) continue;
        assert.equal(client.error.get('C'), '08P01', bytes.toString('latin1'));
        assert.equal(client.error.get('V'), 'FATAL');
      }
      assert.deepEqual(await bystander.ask([say.query('select 1')]), ['T', 'D', 'C SELECT 1', 'Z I']);
      await bystander.end();
    });

    it('ends or goes on, but does not fall, whatever the bytes', async (t) => {
      t.diagnostic(`seed ${SEED}`);
      const random = generator(SEED);
      for (let round = 0; round < 100; round++) {
        const honest = Buffer.concat(
          randomScript(SEED + round, { refused: true }).flatMap(({ messages }) => messages),
        );
        const client = await login();
        const bytes = mutated(honest, random);
        for (let at = 0; at < bytes.length && !client.closed; ) {
          const size = 1 + Math.floor(random() * 400);
          client.send(bytes.subarray(at, at + size));
          at += size;
          if (random() < 0.1) await sleep(1);
        }
        client.socket.end();
        await client.until(() => client.closed, 5000);
      }
    });

    it('refuses statements that are no UTF-8 or too large with an error, and stays usable', async () => {
      const client = await login();
      for (const text of [Buffer.from([0x73, 0xff]), Buffer.from("select '\xc3\x28'", 'latin1')]) {
        assert.deepEqual(await client.ask([say.query(text)]), ['E 42601', 'Z I']);
        assert.deepEqual(await client.ask([say.parse('', text), say.sync()]), ['E 42601', 'Z I']);
      }
      const huge = Buffer.alloc(17 * 1024 * 1024, 0x20);
      assert.deepEqual(await client.ask([say.query(huge)]), ['E 54000', 'Z I']);
      assert.deepEqual(await client.ask([say.parse('', huge), say.sync()]), ['E 54000', 'Z I']);
      assert.deepEqual(
        await client.ask([say.parse('', 'select $1::text'), say.bind('', '', [huge]), say.sync()]),
        ['1', 'E 54000', 'Z I'],
      );
      const invalid = await client.ask([
        say.parse('', 'select $1::text'),
        say.bind('', '', [Buffer.from([0xff])]),
        say.execute(''),
        say.sync(),
      ]);
      assert.deepEqual(invalid, ['1', 'E 22021', 'Z I']);
      const zero = await client.ask([
        say.parse('', 'select $1::text'),
        say.bind('', '', [Buffer.from('a\0b')]),
        say.execute(''),
        say.sync(),
      ]);
      assert.deepEqual(zero, ['1', 'E 22021', 'Z I']);
      await client.end();
    });

    it('gives names that mean nothing the error of PostgreSQL', async () => {
      const client = await login();
      assert.deepEqual(await client.ask([say.bind('', 'nothing'), say.execute(''), say.sync()]), [
        'E 26000',
        'Z I',
      ]);
      assert.deepEqual(await client.ask([say.execute('nothing'), say.sync()]), ['E 34000', 'Z I']);
      assert.deepEqual(await client.ask([say.describe('S', 'nothing'), say.sync()]), ['E 26000', 'Z I']);
      assert.deepEqual(await client.ask([say.describe('P', 'nothing'), say.sync()]), ['E 34000', 'Z I']);
      assert.deepEqual(await client.ask([say.close('S', 'nothing'), say.sync()]), ['3', 'Z I']);
      assert.deepEqual(
        await client.ask([message(Front.functionCall, int32(1), int16(0), int16(0), int16(0))]),
        ['E 0A000', 'Z I'],
      );
      await client.end();
    });

    it('records a statement that touches more than a record can hold, and the log goes on', async () => {
      const client = await login();
      const names = Array.from({ length: 3000 }, (_, i) => `fuzz."${String(i).padStart(50, 'x')}"`);
      const [answer] = await client.ask([say.query(`select 1 from ${names.join(', ')}`)]);
      assert.match(answer ?? '', /^E (42501|54000)$/);
      await client.ask([
        say.query(
          `select ${Array.from({ length: 1600 }, (_, i) => `t.n as "${String(i).padStart(60, 'y')}"`).join(', ')} from fuzz.t`,
        ),
      ]);
      await client.ask([say.query(`select * from fuzz."${'\u0001'.repeat(60)}"`)]);
      await client.ask([say.query('select 1 as after')]);
      await client.end();
      const long = await refusal(login({ database: '\u0001'.repeat(9000) }));
      assert.match(long, /^FATAL 28000/);
      const [last] = (await sessionsOf(bank.postern, 'batch')).slice(-1);
      assert.ok(last !== undefined);
      const health = await bank.postern.call<{ size: number }>('GET', '/v1/ledger');
      assert.ok(health.size > 0);
    });
  });

  describe('confusion about names', () => {
    /** Runs the script on a session of its own; everything that the server ran must be recorded as what it was. */
    const script = async (application: string, batches: readonly (readonly Buffer[])[], readies?: number) => {
      const client = await login({ application });
      const heard: string[] = [];
      if (readies === undefined) for (const batch of batches) heard.push(...(await client.ask(batch)));
      else heard.push(...(await client.ask(batches.flat(), readies)));
      await client.end();
      await sleep(100);
      const ran = statementsOf(bank.server).filter((each) => each.application === application);
      const session = (await sessionsOf(bank.postern, 'batch')).find(
        (each) => each.application === application,
      );
      assert.ok(session !== undefined);
      assert.equal(contradiction(ran, session.commands), null);
      return { heard, ran: ran.map(({ text }) => text) };
    };
    const A = say.parse('s', 'select 1');
    const run = [say.bind('', 's'), say.execute('')];
    const S = say.sync();

    it('does not take a name for what a failing or skipped Parse would have made it', async () => {
      await script('parse-fails', [
        [A, S],
        [say.parse('s', 'select 2 from nothing'), S],
        [...run, S],
      ]);
      await script('parse-twice', [
        [A, S],
        [say.parse('s', 'select 2'), S],
        [...run, S],
      ]);
      await script('parse-skipped', [
        [A, S],
        [say.parse('', 'selec'), say.close('S', 's'), say.parse('s', 'select 2'), S],
        [...run, S],
      ]);
      await script('pipelined', [[A, S, say.parse('s', 'select 2'), S, ...run, S]], 3);
      await script(
        'pipelined-close',
        [[A, S, say.close('S', 's'), say.parse('s', 'select 2'), S, ...run, S]],
        3,
      );
      await script(
        'pipelined-fails',
        [[A, S, say.close('S', 's'), say.parse('s', 'select 2 from nothing'), S, ...run, S]],
        3,
      );
      await script(
        'pipelined-skipped',
        [[A, S, say.parse('', 'selec'), say.close('S', 's'), say.parse('s', 'select 2'), S, ...run, S]],
        3,
      );
    });

    it('does not take a name for what a refused statement would have made it', async () => {
      const secret = 'select n from fuzz.secret';
      await script('refused', [
        [A, S],
        [say.close('S', 's'), say.parse('s', secret), S],
        [...run, S],
      ]);
      await script('refused-piped', [[A, S, say.close('S', 's'), say.parse('s', secret), S, ...run, S]], 3);
      await script('refused-sql', [
        [say.query('prepare s as select 1')],
        [say.query(`deallocate s; prepare s as ${secret}`)],
        [say.query('execute s')],
        [...run, S],
      ]);
    });

    it('follows names through SQL and protocol, transactions and savepoints', async () => {
      await script('sql', [[say.query('prepare s as select 11')], [...run, S], [say.query('execute s')]]);
      await script('both', [
        [A, S],
        [say.query('deallocate s')],
        [say.query('prepare s as select 12')],
        [...run, S],
      ]);
      await script('discard', [
        [A, S],
        [say.query('discard all')],
        [...run, S],
        [say.parse('s', 'select 13'), ...run, S],
      ]);
      await script('rolled-back', [
        [say.query('begin')],
        [say.query('savepoint x')],
        [say.query('prepare s as select 14')],
        [say.query('rollback to x')],
        [...run, S],
        [say.query('rollback')],
        [...run, S],
      ]);
      await script('in-doubt', [
        [A, S],
        [say.query('deallocate s; prepare s as select 15; select 1/0')],
        [...run, S],
        [say.query('execute s')],
      ]);
      await script('cursor', [
        [say.query('begin')],
        [say.query('declare p cursor for select 16')],
        [say.execute('p'), S],
        [say.query('savepoint x; close p; declare p cursor for select 17')],
        [say.execute('p'), S],
        [say.query('rollback to x')],
        [say.execute('p'), S],
        [say.query('rollback')],
      ]);
      await script('portal', [
        [say.query('begin')],
        [A, say.bind('p', 's'), S],
        [say.parse('u', 'select 18'), say.bind('p', 'u'), S],
        [say.execute('p'), S],
        [say.query('rollback')],
      ]);
    });

    it('does not let EXECUTE or FETCH do unseen what changes a name or the search path', async () => {
      // SQL's EXECUTE runs whatever the protocol prepared, also what SQL's PREPARE would not take.
      const name = await script('execute-prepare', [
        [
          say.parse('s', 'select 1'),
          say.parse('d', 'deallocate s'),
          say.parse('y', 'prepare s as select 2'),
          S,
        ],
        [say.query('execute d')],
        [say.query('execute y')],
        [...run, S],
      ]);
      assert.deepEqual(name.heard.slice(-4), ['2', 'D', 'C SELECT 1', 'Z I']);
      const secret = 'select n from secret';
      const set = `select set_config('search_path', 'fuzz', false)`;
      for (const [application, ...steps] of [
        ['path-util', [say.parse('x', 'set search_path = fuzz'), S], [say.query('execute x')]],
        ['path-prepare', [say.query(`prepare x as ${set}`)], [say.query('execute x')]],
        ['path-explain', [say.query(`prepare x as ${set}`)], [say.query('explain analyze execute x')]],
        [
          'path-nested',
          [say.query(`prepare x as ${set}`), say.parse('z', 'execute x'), S],
          [say.query('execute z')],
        ],
        [
          'path-cursor',
          [say.query('begin')],
          [say.query(`declare x cursor for ${set}`)],
          [say.query('fetch x')],
        ],
      ] as const) {
        const last = steps.at(-1) ?? [];
        const client = await login({ application });
        for (const step of steps.slice(0, -1)) client.send(...step);
        await sleep(50);
        client.send(...last, say.query(secret), say.parse('', secret), say.bind('', ''), say.execute(''), S);
        await sleep(200);
        await client.end();
        assert.ok(!client.heard.some((heard) => heard.bytes.includes('4711')), application);
      }
      const client = await login({ application: 'path-string' });
      await client.ask([say.query(`prepare x as ${set}`)]);
      assert.deepEqual(await client.ask([say.query(`execute x; ${secret}`)]), ['E 42501', 'Z I']);
      assert.deepEqual(await client.ask([say.query('execute x')]), ['T', 'D', 'C SELECT 1', 'S', 'Z I']);
      assert.deepEqual(await client.ask([say.query(secret)]), ['E 42501', 'Z I']);
      await client.end();
    });

    it('does not take a name in a portal for what it means later: it is settled by Bind', async () => {
      for (const read of [[say.execute('p'), S], [say.query('fetch all from p')]]) {
        const client = await login({ application: 'bound-names' });
        await client.ask([say.query('begin')]);
        await client.ask([say.parse('x', 'select n from secret'), S]);
        await client.ask([say.query('set search_path = fuzz')]);
        assert.equal((await client.ask([say.bind('p', 'x'), S]))[0], 'E 42501');
        await client.ask([say.query('rollback; begin; set search_path = open')]);
        await client.ask(read);
        await client.end();
        assert.ok(!client.heard.some((heard) => heard.bytes.includes('4711')));
      }
      const client = await login({ application: 'bound-names' });
      await client.ask([say.query('begin')]);
      await client.ask([say.parse('x', 'select n from secret'), say.bind('p', 'x'), S]);
      await client.ask([say.query('set search_path = fuzz')]);
      assert.equal((await client.ask([say.execute('p'), S]))[0], 'E 42501');
      await client.end();
    });

    it('does not take two names that PostgreSQL cuts to one for two', async () => {
      const [x, y] = ['X', 'Y'].map((end) => `${'n'.repeat(63)}${end}`) as [string, string];
      const client = await login({ application: 'cut' });
      client.send(
        say.parse(x, 'select 1'),
        S,
        say.close('S', y),
        S,
        say.parse(y, 'select 2'),
        S,
        say.bind('', x),
        say.execute(''),
        S,
      );
      await client.until(() => client.closed, 3000);
      assert.match(client.error.get('M') ?? '', /a name of over 63 bytes/);
      const sql = await script('cut-sql', [
        [say.parse('n'.repeat(62), 'select 1'), S],
        [say.query(`deallocate "${'n'.repeat(62)}é"`)],
        [say.query(`prepare "${'n'.repeat(62)}é" as select 2`)],
        [say.bind('', 'n'.repeat(62)), say.execute(''), S],
      ]);
      assert.deepEqual(sql.heard, [
        '1',
        'Z I',
        'E 0A000',
        'Z I',
        'E 0A000',
        'Z I',
        '2',
        'D',
        'C SELECT 1',
        'Z I',
      ]);
    });
  });

  describe('COPY', () => {
    const begin = 'copy fuzz.t from stdin';
    const types = (heard: readonly string[]): string => heard.map((each) => each.split(' ')[0]).join('');

    it('passes in simple and extended protocol, and what fails leaves the session in order', async () => {
      const client = await login();
      assert.deepEqual(await client.ask([say.query(begin), say.copyData('1\n2\n'), say.copyDone()]), [
        'G',
        'C COPY 2',
        'Z I',
      ]);
      assert.deepEqual(await client.ask([say.query(begin), say.copyData('x\n'), say.copyDone()]), [
        'G',
        'E 22P02',
        'Z I',
      ]);
      assert.deepEqual(await client.ask([say.query(begin), say.copyFail('no')]), ['G', 'E 57014', 'Z I']);
      for (const [data, end] of [
        ['3\n', 'C COPY 1'],
        ['x\n', 'E 22P02'],
      ] as const) {
        client.heard.length = 0;
        client.send(say.parse('', begin), say.bind('', ''), say.execute(''), S());
        await client.until((heard) => heard.at(-1)?.type === 'G');
        client.send(say.copyData(data), say.copyDone(), S());
        await client.until((heard) => heard.at(-1)?.type === 'Z');
        assert.deepEqual(client.heard.map(brief), ['1', '2', 'G', end, 'Z I']);
      }
      const whole = [say.parse('', begin), say.bind('', ''), say.execute('')];
      assert.equal(types(await client.ask([...whole, say.copyData('4\n'), say.copyDone(), S()])), '12GCZ');
      assert.equal(types(await client.ask([...whole, say.copyData('x\n'), say.copyDone(), S()])), '12GEZ');
      assert.deepEqual(await client.ask([say.query('select 5')]), ['T', 'D', 'C SELECT 1', 'Z I']);
      assert.deepEqual(await client.ask([say.copyData('9\n'), say.copyDone(), say.query('select 6')]), [
        'T',
        'D',
        'C SELECT 1',
        'Z I',
      ]);
      await client.end();
    });

    it('does not let the rest of a message that the server waits for become something else', async () => {
      const client = await login({ application: 'smuggler' });
      await client.ask([say.parse('holder', 'select length($1::bytea)'), S()]);
      client.heard.length = 0;
      // The server fails at the first row while it has but the head of the second message.
      const second = say.copyData(Buffer.alloc(1000, 0x31));
      client.send(
        say.parse('', begin),
        say.bind('', ''),
        say.execute(''),
        say.copyData('x\n'),
        second.subarray(0, 20),
      );
      await client.until((heard) => heard.at(-1)?.type === 'E');
      client.send(second.subarray(20));
      await sleep(50);
      // Were those bytes not passed on, the server would take what follows for them, and then the value for messages.
      const smuggled = Buffer.concat([S(), say.query('insert into fuzz.t values (777)')]);
      const value = Buffer.concat([
        Buffer.alloc(985 - 5 - 5 - 1 - 7 - 2 - 2 - 4),
        smuggled,
        Buffer.alloc(300),
      ]);
      client.send(S(), say.bind('', 'holder', [value]), say.execute(''), S());
      await client
        .until((heard) => heard.filter(({ type }) => type === 'Z').length >= 2, 3000)
        .catch(() => undefined);
      await client.end();
      assert.deepEqual(await bank.server.query('select * from fuzz.t where n = 777', 'bank'), []);
      assert.deepEqual(client.heard.map(brief), ['1', '2', 'G', 'E 22P02', 'Z I', 'E 22021', 'Z I']);
    });

    it('ends a session whose client says something else in the middle of it, as PostgreSQL does', async () => {
      for (const bytes of [[say.query('select 1')], [say.parse('', 'select 1'), S()]]) {
        const later = await login({ application: 'copy-later' });
        later.send(say.query(begin));
        await later.until((heard) => heard.at(-1)?.type === 'G');
        later.send(...bytes);
        await later.until(() => later.closed, 3000);
        assert.equal(later.error.get('C'), '08P01');
        const piped = await login({ application: 'copy-piped' });
        piped.send(say.query(begin), ...bytes, say.query('insert into fuzz.t values (666)'));
        await piped.until(() => piped.closed, 3000);
        assert.equal(piped.error.get('C'), '08P01');
      }
      assert.deepEqual(await bank.server.query('select * from fuzz.t where n = 666', 'bank'), []);
    });

    const S = say.sync;
  });

  it('has recorded every statement that the server ran in any of these sessions', async () => {
    const sessions = await sessionsOf(bank.postern, 'batch');
    const commands = sessions
      .flatMap((session) => session.commands)
      .filter(({ type }) => type === 'command.intent');
    const recorded = Map.groupBy(commands, ({ text }) => text);
    const ran = statementsOf(bank.server).filter(({ application }) =>
      sessions.some((each) => each.application === application),
    );
    for (const [text, times] of Map.groupBy(ran, (each) => each.text)) {
      if (!isEmptyStatement(text)) assert.ok((recorded.get(text)?.length ?? 0) >= times.length, text);
    }
    assert.ok(ran.length > 50);
  });
});
