/** A resource that lies about what it sends while masks, limits and roles hold: the session ends or shows nothing, and nobody else notices. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Back, cstring, int16, int32, message } from '../src/protocols/postgres/wire.ts';
import { Bank, type Credential } from './support/bank.ts';
import { HostileServer, NOTHING, type Peer } from './support/hostile-server.ts';
import { generator, mutated } from './support/random-script.ts';
import { brief, type Door, say, WireClient } from './support/wire-client.ts';

const SEED = Number(process.env.HOSTILE_SEED ?? (process.env.CI ? 1 : Date.now() % 1_000_000));
const PASSWORD = 'upstream-secret-never-to-be-seen';
const SECRET = 'zoe.quill@hidden.example';
const UPSTREAM_SECONDS = 2;

const PEOPLE = 5001;
const OPEN = 5002;
const TEXT = 25;
const Z = message(Back.readyForQuery, Buffer.from('I'));
const PARSED = message(Back.parseComplete);
const BOUND = message(Back.bindComplete);
const done = (tag: string): Buffer => message(Back.commandComplete, cstring(tag));

/** RowDescription. @param columns table, number, type, format */
const rows = (...columns: readonly (readonly [number, number, number, number])[]): Buffer =>
  message(
    Back.rowDescription,
    int16(columns.length),
    ...columns.flatMap(([table, number, type, format]) => [
      cstring('c'),
      ...[int32(table), int16(number), int32(type), int16(-1), int32(-1), int16(format)],
    ]),
  );
const row = (...values: readonly (string | null)[]): Buffer =>
  message(
    Back.dataRow,
    int16(values.length),
    ...values.flatMap((value) => {
      return value === null ? [int32(-1)] : [int32(Buffer.byteLength(value)), Buffer.from(value)];
    }),
  );
/** A row of two columns whose values claim these lengths. */
const lying = (first: number, second: number): Buffer =>
  message(Back.dataRow, int16(2), int32(first), Buffer.from('1'), int32(second), Buffer.from(SECRET));
const copyOut = (format: number, ...columns: readonly number[]): Buffer =>
  message(Back.copyOutResponse, Buffer.from([format]), int16(columns.length), ...columns.map(int16));
const data = (text: string | Buffer): Buffer => message(Back.copyData, Buffer.from(text));
const failure = (code: string, ...more: readonly string[]): Buffer =>
  message(
    Back.errorResponse,
    ...['SERROR', 'VERROR', `C${code}`, `M${SECRET}`, ...more].map(cstring),
    int16(0).subarray(1),
  );

const HONEST = rows([PEOPLE, 1, 23, 0], [PEOPLE, 2, TEXT, 0]);
const ASKED = 'select id, email from people';

/** What the server holds: `people (id, email)`, whose e-mail is masked, and `open (id, note)`. */
async function names(peer: Peer): Promise<void> {
  const held = [
    ['s', 'public', '', null, null, null],
    ['r', 'public', 'people', String(PEOPLE), 'r', '[[1,"id",23],[2,"email",25]]'],
    ['r', 'public', 'open', String(OPEN), 'r', '[[1,"id",23],[2,"note",25]]'],
  ];
  peer.socket.write(Buffer.concat([...held.map((each) => row(...each)), NOTHING]));
  await peer.message();
  peer.socket.write(NOTHING);
}

describe('a hostile resource with masks', () => {
  let bank: Bank;
  let who: Credential;
  let limited: Credential;
  let door: Door;
  let server: HostileServer;
  let bystander: WireClient;
  let directory: string;

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'postern-upstream-'));
    const config = join(directory, 'postern.json');
    writeFileSync(config, JSON.stringify({ limits: { upstreamSeconds: UPSTREAM_SECONDS } }));
    bank = await Bank.start({ args: ['--config', config, '--workers', '1'] });
    server = await HostileServer.start(PASSWORD);
    const at = { host: '127.0.0.1', port: server.port, upstream: { user: 'app', password: PASSWORD } };
    await bank.resource('liar', { ...at, database: 'liar', tls: { mode: 'disable' } });
    await bank.resource('maker', { ...at, database: 'maker', tls: { mode: 'disable' } });
    await bank.postern.call('POST', '/v1/resources/maker/admin', {
      admin: { user: 'app', password: PASSWORD },
      reason: 'least privilege',
    });
    await bank.principal('batch');
    for (const resource of ['liar', 'maker', 'ledger-db'])
      await bank.grant('batch', 'select, copy on *.*', { resource });
    who = await bank.credential('batch');
    await bank.principal('limited');
    await bank.grant('limited', 'select, copy on *.*', { resource: 'liar', conditions: { maxRows: 2 } });
    limited = await bank.credential('limited');
    await bank.postern.call('POST', '/v1/masks', {
      ...{ name: 'mail', resource: 'liar', columns: ['public.people.email'] },
      transform: { kind: 'redact' },
    });
    door = { ...bank.postern.postgres, ca: bank.postern.caPem };
    server.behaviour = { names };
    bystander = await WireClient.login(door, who, 'ledger-db');
  });
  after(async () => {
    await bystander?.end();
    await server?.stop();
    await bank?.stop();
    rmSync(directory, { recursive: true, force: true });
  });
  afterEach(async () => {
    assert.deepEqual(await bystander.ask([say.query('select 1')]), ['T', 'D', 'C SELECT 1', 'Z I']);
    const { stdout, stderr } = bank.postern.running;
    assert.doesNotMatch(
      stderr,
      /a fault of the gateway|postern: session|postern: worker|could not be set up|ended with/,
    );
    assert.ok(!`${stdout}${stderr}`.includes(SECRET) && !`${stdout}${stderr}`.includes(PASSWORD));
  });

  const EXTENDED = [say.parse('', ASKED), say.bind('', ''), say.execute(''), say.sync()];

  /** A session in which the resource answers with these pieces, one after the other; gives what the client heard until nothing more came. */
  const answered = async (
    asked: readonly Buffer[],
    pieces: readonly Buffer[],
    as = who,
  ): Promise<WireClient> => {
    const answer = async ({ socket }: Peer): Promise<void> => {
      for (const piece of pieces) {
        socket.write(piece);
        await sleep(pieces.length > 1 ? 10 : 0);
      }
    };
    server.behaviour = { names, session: answer };
    const client = await WireClient.login(door, as, 'liar');
    client.send(...asked);
    await client.until((heard) => client.closed || heard.at(-1)?.type === 'Z', 5000);
    if (!client.closed && pieces.length === 1) await sleep(20);
    client.socket.destroy();
    const heard = Buffer.concat(client.heard.map(({ bytes }) => bytes));
    assert.ok(
      !heard.includes(SECRET),
      `${client.heard.map(brief).join(', ')}: ${heard.toString('latin1', 0, 1000)}`,
    );
    return client;
  };
  const ends = async (asked: readonly Buffer[], ...bytes: Buffer[]): Promise<void> => {
    const client = await answered(asked, [Buffer.concat(bytes)]);
    const heard = client.heard.map(brief);
    assert.equal(
      heard.at(-1),
      'E 08006',
      `${heard.join(', ')} after ${Buffer.concat(bytes).toString('latin1', 0, 300)}`,
    );
    assert.match(client.error.get('M') ?? '', /^postern: the resource sent/);
  };
  /** It goes on, and the values of the second column are these. */
  const shows = async (asked: readonly Buffer[], values: readonly (string | null)[], ...pieces: Buffer[]) => {
    const client = await answered(asked, pieces);
    assert.equal(client.heard.map(brief).at(-1), 'Z I');
    const seen = client.heard.filter(({ type }) => type === 'D').map(({ bytes }) => secondOf(bytes));
    assert.deepEqual(seen, values);
  };
  const secondOf = (bytes: Buffer): string | null => {
    const at = 11 + Math.max(0, bytes.readInt32BE(7));
    const length = bytes.readInt32BE(at);
    return length === -1 ? null : bytes.toString('utf8', at + 4, at + 4 + length);
  };

  it('shows what is masked in no other way when it says that it is of another table, of none or in another format', async () => {
    const asked = [say.query(ASKED)];
    const end = [done('SELECT 1'), Z];
    await shows(asked, ['[masked]'], Buffer.concat([HONEST, row('1', SECRET), ...end]));
    for (const table of [OPEN, 0, 9999]) {
      for (const format of [0, 1, 7]) {
        const lie = rows([table, 1, 23, 0], [table, 2, TEXT, format]);
        await shows(asked, ['[masked]'], Buffer.concat([lie, row('1', SECRET), ...end]));
        await shows(EXTENDED, ['[masked]'], Buffer.concat([PARSED, BOUND, lie, row('1', SECRET), ...end]));
      }
    }
    // Described twice, in another way.
    const twice = [HONEST, rows([OPEN, 1, 23, 0], [OPEN, 2, TEXT, 0]), row('1', SECRET), ...end];
    await shows(asked, ['[masked]'], Buffer.concat(twice));
    const whole = Buffer.concat([HONEST, row('1', SECRET), row('2', null), ...end]);
    const bytes = Array.from({ length: whole.length }, (_, i) => whole.subarray(i, i + 1));
    await shows(asked, ['[masked]', null], ...bytes);
  });

  it('ends the session for rows that are not those that were described', async () => {
    const asked = [say.query(ASKED)];
    for (const bad of [
      row(SECRET),
      row('1', SECRET, SECRET),
      row(),
      lying(1000, SECRET.length),
      lying(-2, SECRET.length),
      lying(1, SECRET.length + 1),
      lying(1, SECRET.length - 1),
      lying(0x7fffffff, 0x7fffffff),
      lying(1, -1),
      message(Back.dataRow),
      Buffer.concat([Buffer.from([Back.dataRow]), int32(100 << 20), Buffer.from(SECRET)]),
    ]) {
      await ends(asked, HONEST, bad);
      await ends(EXTENDED, PARSED, BOUND, HONEST, bad);
    }
    for (const bad of [
      // Fewer or more columns than the text has, and a description of none.
      [rows([OPEN, 1, 23, 0]), row('1', SECRET)],
      [rows([OPEN, 2, TEXT, 0], [OPEN, 2, TEXT, 0]), row('1', '2', SECRET)],
      [message(Back.rowDescription, int16(2), cstring('c')), row('1', SECRET)],
      [message(Back.rowDescription), row('1', SECRET)],
      [row('1', SECRET)],
      [HONEST, done('SELECT 0'), row('1', SECRET)],
      [HONEST, done('SELECT 0'), Z, row('1', SECRET)],
    ]) {
      await ends(asked, ...bad);
    }
  });

  it('ends the session for rows in place of other answers, also of what the client did not ask itself', async () => {
    const secret = row('1', SECRET);
    for (const bad of [
      [secret],
      [PARSED, secret],
      [PARSED, BOUND, secret],
      [PARSED, BOUND, message(Back.noData), secret],
      [PARSED, BOUND, HONEST, HONEST, secret],
      [PARSED, BOUND, HONEST, rows([OPEN, 2, TEXT, 0]), secret],
      [PARSED, BOUND, HONEST, done('SELECT 0'), secret],
      [PARSED, BOUND, HONEST, done('SELECT 0'), Z, secret],
      [PARSED, BOUND, done('SELECT 1'), secret],
    ]) {
      await ends(EXTENDED, ...bad);
    }
    // The description fails that Postern asked for: the client's Execute fails with it.
    const failed = [PARSED, BOUND, failure('22P02', `D${SECRET}`), Z];
    const client = await answered(EXTENDED, [Buffer.concat(failed)]);
    assert.deepEqual(client.heard.map(brief), ['1', '2', 'E 22P02', 'Z I']);
  });

  it('ends the session for COPY data of another kind, and where nothing was copied', async () => {
    const secret = data(`1\t${SECRET}\n`);
    const end = [message(Back.copyDone), done('COPY 1'), Z];
    for (const asked of [[say.query(ASKED)], EXTENDED]) {
      const before = asked === EXTENDED ? [PARSED, BOUND, HONEST] : [];
      await ends(asked, ...before, copyOut(0, 0, 0), secret, ...end);
      await ends(asked, ...before, secret, ...end);
      await ends(asked, ...before, copyOut(0), secret, ...end);
    }
    const copy = [say.query('copy people (id, email) to stdout')];
    const text = copyOut(0, 0, 0);
    const good = await answered(copy, [Buffer.concat([text, secret, ...end])]);
    assert.deepEqual(good.heard.map(brief), ['H', 'd', 'c', 'C COPY 1', 'Z I']);
    for (const bad of [
      [secret],
      [copyOut(1, 1, 1), secret],
      [copyOut(0, 0), secret],
      [copyOut(0, 0, 0, 0), data(`1\t${SECRET}\t2\n`)],
      [message(Back.copyOutResponse), secret],
      [text, data(`${SECRET}\n`)],
      [text, data(`1\t2\t${SECRET}\n`)],
      [text, data(`1\t${SECRET}`), ...end],
      [text, data(`1\\\t${SECRET}\n`)],
      [text, data(SECRET.repeat(1_000_000))],
      [text, row('1', SECRET)],
      [text, secret, ...end, secret],
    ]) {
      await ends(copy, ...bad);
    }
    const binary = [say.query('copy people (id, email) to stdout (format binary)')];
    const start = Buffer.concat([Buffer.from('PGCOPY\n\u00ff\r\n\0', 'latin1'), int32(0), int32(0)]);
    const fields = (first: number, second: number): Buffer =>
      data(Buffer.concat([int16(2), int32(first), Buffer.from('1'), int32(second), Buffer.from(SECRET)]));
    for (const bad of [
      [text, secret],
      [copyOut(1, 1, 1), secret],
      [
        copyOut(1, 1, 1),
        data(start),
        data(Buffer.concat([int16(1), int32(SECRET.length), Buffer.from(SECRET)])),
      ],
      [copyOut(1, 1, 1), data(start), fields(-2, SECRET.length)],
      [copyOut(1, 1, 1), data(start), fields(1, 1 << 30), ...end],
    ]) {
      await ends(binary, ...bad);
    }
    const csv = [say.query('copy people (id, email) to stdout (format csv)')];
    for (const bad of [
      [text, data(`1,"${SECRET}\n`), ...end],
      [text, data(`1,2,${SECRET}\n`)],
      [text, data(`"1,${SECRET}"\n`)],
    ]) {
      await ends(csv, ...bad);
    }
  });

  it('shows no value in messages, whatever their kind and fields', async () => {
    const asked = [say.query(ASKED)];
    for (const code of ['22P02', '42501', '23505', 'P0001', 'XX000', '']) {
      const fields = [`D${SECRET}`, `H${SECRET}`, `W${SECRET}`, `q${SECRET}`, 'Rexec_stmt_raise'];
      const client = await answered(asked, [Buffer.concat([HONEST, failure(code, ...fields), Z])]);
      assert.equal(client.error.get('C'), code);
      const notice = failure(code, ...fields);
      notice[0] = Back.noticeResponse;
      await answered(asked, [Buffer.concat([HONEST, notice, row('1', SECRET), done('SELECT 1'), Z])]);
    }
  });

  it('gives no more rows than the grant allows, whatever it sends behind them', async () => {
    const many = Array.from({ length: 50 }, () => row('1', SECRET));
    const asked = [say.query(ASKED)];
    for (const end of [[done('SELECT 50'), Z], [Z], [failure('57014'), Z]]) {
      const client = await answered(asked, [Buffer.concat([HONEST, ...many, ...end])], limited);
      assert.ok(client.heard.filter(({ type }) => type === 'D').length <= 2);
    }
    const copy = [say.query('copy people (id, email) to stdout')];
    const lines = Array.from({ length: 50 }, () => data(`1\t${SECRET}\n`));
    const end = [message(Back.copyDone), done('COPY 50'), Z];
    const client = await answered(copy, [Buffer.concat([copyOut(0, 0, 0), ...lines, ...end])], limited);
    assert.ok(client.heard.filter(({ type }) => type === 'd').length <= 2);
  });

  it('does not bring the gateway down with any bytes', async (t) => {
    t.diagnostic(`seed ${SEED}`);
    const random = generator(SEED);
    const text = copyOut(0, 0, 0);
    const simple = Buffer.concat([HONEST, row('1', 'x'), row('2', null), done('SELECT 2'), Z]);
    const copied = Buffer.concat([text, data('1\tx\n'), message(Back.copyDone), done('COPY 1'), Z]);
    for (let round = 0; round < 90; round++) {
      const [asked, honest] = [
        [[say.query(ASKED)], simple] as const,
        [EXTENDED, Buffer.concat([PARSED, BOUND, simple])] as const,
        [[say.query('copy people (id, email) to stdout')], copied] as const,
      ][round % 3] as readonly [Buffer[], Buffer];
      server.behaviour = { names, session: ({ socket }) => void socket.end(mutated(honest, random)) };
      const client = await WireClient.login(door, who, 'liar');
      client.send(...asked);
      await client.until(() => client.closed, 5000);
    }
  });

  it('gets no session where it answers the making of its role with lies or not at all', async () => {
    for (const bytes of [
      failure('42501'),
      Buffer.concat([failure('XX000'), Z]),
      row('1'),
      Buffer.concat([HONEST, lying(1000, 1)]),
      Buffer.concat([Buffer.from('D'), int32(-1)]),
      Buffer.concat([Buffer.from('Z'), int32(100 << 20)]),
      message(Back.copyInResponse, Buffer.from([0, 0, 0])),
      Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'),
      Buffer.alloc(0),
    ]) {
      server.behaviour = { names, session: ({ socket }) => void socket.write(bytes) };
      await assert.rejects(WireClient.login(door, who, 'maker'), (error: Error) => {
        assert.match(
          error.message,
          /^FATAL 08006 postern: resource "maker": no role could be made for the session/,
        );
        assert.ok(!error.message.includes(PASSWORD));
        return true;
      });
    }
  });
});
