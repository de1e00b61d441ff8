/** Hostile and broken clients before they have a session: each gets a clear error or a timely close, and no other notices. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, afterEach, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  cstring,
  Front,
  int32,
  message,
  SSL_REQUEST_PACKET,
  startup,
} from '../src/protocols/postgres/wire.ts';
import { Arena, HANDSHAKE_SECONDS, refusal } from './support/arena.ts';
import { type Bank, type Credential, untilClosed } from './support/bank.ts';
import { until } from './support/processes.ts';
import { type Door, saslInitial, say, WireClient } from './support/wire-client.ts';

describe('hostile clients at the door', () => {
  let arena: Arena;
  let bank: Bank;
  let who: Credential;
  let door: Door;
  before(async () => {
    arena = await Arena.start();
    ({ bank, who, door } = arena);
  });
  after(() => arena?.stop());
  afterEach(() => arena.assertWell());

  const login = (over: Parameters<Arena['login']>[0] = {}) => arena.login(over);
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

    it('negotiates a version newer than any and unknown protocol options, and goes on', async () => {
      const client = await WireClient.open(door);
      client.send(
        packet(
          196608 + 9999,
          ...['user', 'batch', 'database', 'ledger-db', '_pq_.command_tag', 'on', ''].map(cstring),
        ),
      );
      await client.prove(who.password);
      await client.until((heard) => heard.at(-1)?.type === 'Z');
      const negotiated = client.heard[0];
      assert.equal(negotiated?.type, 'v');
      assert.equal(negotiated?.bytes.readInt32BE(5), 196610);
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
});
