/** Hostile and broken clients with a session: nothing runs unseen, the record is true, and no other client notices. */
import assert from 'node:assert/strict';
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
import { Arena, refusal } from './support/arena.ts';
import type { Bank } from './support/bank.ts';
import { generator, mutated, randomScript } from './support/random-script.ts';
import { isEmptyStatement, sessionsOf } from './support/recorded.ts';
import { statementsOf } from './support/server-log.ts';
import { brief, say } from './support/wire-client.ts';

const SEED = Number(process.env.HOSTILE_SEED ?? (process.env.CI ? 1 : Date.now() % 1_000_000));

describe('hostile clients in a session', () => {
  let arena: Arena;
  let bank: Bank;
  before(async () => {
    arena = await Arena.start();
    ({ bank } = arena);
  });
  after(() => arena?.stop());
  afterEach(() => arena.assertWell());

  const login = (over: Parameters<Arena['login']>[0] = {}) => arena.login(over);

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
