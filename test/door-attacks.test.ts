/** Mixed and repeated handshakes at the door: none leads anywhere but to a session of who proved itself, within TLS. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { after, afterEach, before, describe, it } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { clientProof, scramKeys } from '../src/core/scram.ts';
import {
  cstring,
  Front,
  int32,
  message,
  SSL_REQUEST_PACKET,
  startup,
} from '../src/protocols/postgres/wire.ts';
import { Arena } from './support/arena.ts';
import { type Bank, type Credential, untilClosed } from './support/bank.ts';
import { statementsOf } from './support/server-log.ts';
import { type Door, errorText, saslInitial, say, WireClient } from './support/wire-client.ts';

const GSSENC_REQUEST = Buffer.concat([int32(8), int32(80877104)]);
const ONE = ['T', 'D', 'C SELECT 1', 'Z I'];

describe('handshakes that are mixed', () => {
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

  const login = (parameters: readonly (readonly [string, string])[] = [], database = 'ledger-db') =>
    WireClient.login(door, who, database, parameters);
  const start = (parameters: readonly (readonly [string, string])[] = []): Buffer =>
    startup([['user', 'batch'], ['database', 'ledger-db'], ...parameters]);
  /** What an open connection is closed with, after `bytes`. */
  const answer = async (client: WireClient, ...bytes: Buffer[]): Promise<string> => {
    client.send(...bytes);
    await client.until((heard) => client.closed || heard.at(-1)?.type === 'E', 5000);
    const last = client.heard.at(-1);
    client.socket.destroy();
    return last === undefined ? 'closed' : errorText(last);
  };

  it('requests to encrypt are answered in any order, but not without end, and end in TLS or nowhere', async () => {
    const asked = async (...requests: Buffer[]): Promise<WireClient['socket']> => {
      const socket = await bank.raw();
      for (const request of requests) {
        socket.write(request);
        await once(socket, 'data');
      }
      return socket;
    };
    const plain = await asked(GSSENC_REQUEST);
    plain.write(start());
    assert.match((await untilClosed(plain, 5000)).toString(), /must be encrypted/);
    const twice = await asked(GSSENC_REQUEST, GSSENC_REQUEST);
    twice.write(GSSENC_REQUEST);
    assert.match((await untilClosed(twice, 5000)).toString(), /too many encryption requests/);
    // No TLS without an answer to a request for it, once something else was said.
    const hello = await asked(GSSENC_REQUEST);
    hello.write(Buffer.from([0x16, 3, 1, 0, 5, 1, 0, 0, 1, 3]));
    assert.match((await untilClosed(hello, 5000)).toString('latin1'), /a startup packet of/);
    // In the clear behind the "S": taken for TLS, which it is not.
    const clear = await asked(SSL_REQUEST_PACKET);
    clear.write(start());
    assert.doesNotMatch((await untilClosed(clear, 5000)).toString('latin1'), /postern|SCRAM/);
    const raw = await asked(GSSENC_REQUEST, SSL_REQUEST_PACKET);
    const secure = connectTls({ socket: raw, ca: bank.postern.caPem, servername: 'localhost' });
    await once(secure, 'secureConnect');
    const client = new WireClient(secure);
    await WireClient.start(client, who, 'ledger-db');
    assert.deepEqual(await client.ask([say.query('select 1')]), ONE);
    await client.end();
    for (const again of [SSL_REQUEST_PACKET, GSSENC_REQUEST])
      assert.match(
        await answer(await WireClient.open(door), again),
        /frontend protocol 1234\.\d+ is not supported/,
      );
  });

  it('TLS for another protocol is refused, asked for or direct', async () => {
    for (const direct of [false, true]) {
      const other = { ...door, direct, tls: { ALPNProtocols: ['http/1.1', 'h2'] } };
      await assert.rejects(
        WireClient.open(other),
        /no application protocol|alert|ECONNRESET|closed|disconnected/,
      );
    }
  });

  it('startup parameters cannot become somebody, replicate or change what texts mean, however they are written', async () => {
    for (const parameters of [
      [['options', '-crole=postgres']],
      [['options', '--role=postgres']],
      [['options', '-c ROLE=postgres']],
      [['options', '-c session-authorization=postgres']],
      [['options', '-c\trole=postgres']],
      [['options', '-c r\\ole=postgres']],
      [['options', '-c search_path=fuzz -c role=postgres']],
      [['options', '-c search_path=fuzz\\ -c\\ x -c role=postgres']],
      [['options', '-c standard_conforming_strings=off']],
      [['options', '-c client_encoding=SJIS']],
      [['options', '-c role']],
      [['options', '--']],
      [['options', 'role=postgres']],
      [['ROLE', 'postgres']],
      [['Session_Authorization', 'postgres']],
      [['USER', 'postgres']],
      [['session_replication_role', 'replica']],
      [['session_preload_libraries', 'x']],
      [['CLIENT_ENCODING', 'latin1']],
      [['replication', 'database']],
      [['replication', 'true']],
      [['replication', '1']],
      [['replication', 't']],
      [['REPLICATION', 'database']],
      [['app.user', '1']],
      [['', 'x']],
    ] as const) {
      const said = await answer(await WireClient.open(door), start(parameters as never));
      assert.match(said, /^FATAL (0A000|08P01|42501)/, JSON.stringify(parameters));
    }
    const client = await login([
      ['options', '-c search_path=fuzz --statement-timeout=5000'],
      ['_pq_.role', 'postgres'],
      ['replication', 'off'],
    ]);
    client.send(say.query('select current_user, session_user'));
    await client.until((heard) => heard.at(-1)?.type === 'Z');
    assert.ok(client.heard.some(({ bytes }) => bytes.includes(bank.ledger.user)));
    await client.end();
  });

  it('names that are empty, odd or cut by the server lead nowhere', async () => {
    for (const [name, value] of [
      ['user', ''],
      ['user', ' batch'],
      ['user', 'BATCH'],
      ['user', '__proto__'],
      ['user', 'b\u0430tch'],
      ['user', 'x'.repeat(9000)],
    ] as const) {
      const client = await WireClient.open(door);
      client.send(
        startup([
          [name, value],
          ['database', 'ledger-db'],
        ]),
      );
      await client.prove(who.password);
      await client.until(() => client.closed, 5000);
      assert.equal(client.error.get('C'), '28P01', value.slice(0, 20));
    }
    for (const database of [
      '',
      '/',
      'ledger-db/',
      `ledger-db/${'b'.repeat(64)}`,
      `ledger-db/${'ü'.repeat(32)}`,
      '/bank',
      'LEDGER-DB',
      'ledger-db ',
      '__proto__',
    ]) {
      await assert.rejects(login([], database), /no grant gives|no database can have/, database);
    }
    await assert.rejects(login([], 'ledger-db/nowhere'), /database "nowhere" does not exist/);
    // Nothing is missing but the room of one byte.
    const fits = startup([
      ['user', 'batch'],
      ['database', 'ledger-db'],
      ['application_name', ''],
    ]).length;
    for (const [more, expected] of [
      [10_000 - fits, 'R'],
      [10_001 - fits, 'E'],
    ] as const) {
      const client = await WireClient.open(door);
      client.send(start([['application_name', 'a'.repeat(more)]]));
      await client.until((heard) => heard.length > 0);
      assert.equal(client.heard[0]?.type, expected);
      client.socket.destroy();
    }
  });

  it('an exchange of SCRAM is good for one connection, in its order, in whatever pieces', async () => {
    /** As {@link WireClient.prove}, but with a nonce of ours, and gives the last message instead of sending it. */
    const proof = async (client: WireClient, nonce: string): Promise<Buffer> => {
      client.send(start(), saslInitial(`n,,n=,r=${nonce}`));
      await client.until((heard) => heard.length === 2);
      const first = client.heard[1]?.bytes.toString('utf8', 9) ?? '';
      const [, both = '', salt = '', count = ''] = /^r=(.*),s=(.*),i=(\d+)$/.exec(first) ?? [];
      const keys = await scramKeys(who.password, Buffer.from(salt, 'base64'), Number(count));
      const bare = `c=biws,r=${both}`;
      const made = clientProof(keys, `n=,r=${nonce},${first},${bare}`).toString('base64');
      return message(Front.password, Buffer.from(`${bare},p=${made}`));
    };
    const nonce = randomBytes(12).toString('base64');
    const honest = await WireClient.open(door);
    const last = await proof(honest, nonce);
    for (const byte of last) honest.send(Buffer.from([byte]));
    await honest.until((heard) => heard.at(-1)?.type === 'Z');
    assert.deepEqual(await honest.ask([say.query('select 1')]), ONE);
    // The same nonce of the client again gets another one of the server: what was heard proves nothing.
    const replay = await WireClient.open(door);
    const other = await proof(replay, nonce);
    assert.notDeepEqual(other, last);
    assert.match(await answer(replay, last), /of another exchange/);
    const bare = await WireClient.open(door);
    await proof(bare, nonce);
    assert.match(await answer(bare, saslInitial(`n,,n=,r=${nonce}`)), /08P01/);
    for (const [before, bytes] of [
      ['start', [say.query('select 1')]],
      ['start', [say.terminate()]],
      ['start', [message(Front.password, last.subarray(5))]],
      ['start', [message(Front.password, cstring('SCRAM-SHA-256'), int32(3), Buffer.from('n,,'))]],
      ['start', [message(Front.password, Buffer.alloc(4092, 0x6e))]],
      ['proof', [say.query('select 1')]],
      ['proof', [startup([['user', 'other']])]],
      ['proof', [message(Front.password, Buffer.alloc(4092, 0x6e))]],
    ] as const) {
      const client = await WireClient.open(door);
      if (before === 'start') client.send(start());
      else await proof(client, nonce);
      await client.until((heard) => heard.length > 0);
      assert.match(
        await answer(client, ...bytes),
        /^(FATAL 08P01|closed)/,
        bytes[0]?.toString('latin1', 0, 60),
      );
    }
    await honest.end();
  });

  it('cancel requests with other keys cancel nothing, however many', async () => {
    const client = await login();
    const running = client.ask([say.query('select pg_sleep(1.5)')]);
    const guesses = Array.from({ length: 300 }, async (_, i) => {
      const socket = await bank.raw();
      const key = Buffer.concat([int32(((i % 3) << 24) | (1 + (i % 20))), randomBytes(4)]);
      socket.end(Buffer.concat([int32(16), int32(80877102), key]));
      await untilClosed(socket, 5000);
    });
    await Promise.all(guesses);
    assert.deepEqual(await running, ONE);
    await client.end();
  });

  it('nothing of all that was heard by the server, but what honest sessions asked', () => {
    const ours = statementsOf(bank.server).filter(({ application }) => /^(hostile|a*)$/.test(application));
    assert.deepEqual(
      new Set(ours.map(({ text }) => text)),
      new Set(['select 1', 'select current_user, session_user', 'select pg_sleep(1.5)']),
    );
  });
});
