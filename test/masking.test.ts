/** Masked values do not leak: not through another format, an expression, an error, COPY, RETURNING, a cursor or a prepared statement. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ATTEMPTS, HARMLESS, PROBES } from './support/mask-attempts.ts';
import { pieces, WAYS } from './support/mask-ways.ts';
import {
  type Bank,
  type Credential,
  leakIn,
  MASKED_COLUMNS,
  mask,
  startShop,
  WIDE,
} from './support/masked-shop.ts';
import { type Door, type Heard, say, WireClient } from './support/wire-client.ts';

function cellsOf(row: Heard): (Buffer | null)[] {
  const values: (Buffer | null)[] = [];
  let at = 7;
  for (let left = row.bytes.readUInt16BE(5); left > 0; left--) {
    const length = row.bytes.readInt32BE(at);
    values.push(length === -1 ? null : row.bytes.subarray(at + 4, at + 4 + length));
    at += 4 + Math.max(0, length);
  }
  return values;
}

const valuesOf = (row: Heard): (string | null)[] =>
  cellsOf(row).map((cell) => cell?.toString('utf8') ?? null);

const rowsOf = (client: WireClient): (string | null)[][] =>
  client.heard.filter(({ type }) => type === 'D').map(valuesOf);

/** What the client heard that may carry data, of everything the server said. */
const heardBytes = (client: WireClient): Buffer => Buffer.concat(client.heard.map(({ bytes }) => bytes));

const codeOf = (client: WireClient): string | undefined => client.error.get('R');

describe('masks on PostgreSQL', () => {
  let bank: Bank;
  before(async () => {
    bank = await startShop();
  });
  after(() => bank?.stop());

  const gateway = (): Door => ({ ...bank.postern.postgres, ca: bank.postern.caPem });
  const login = (who: Credential): Promise<WireClient> => WireClient.login(gateway(), who, 'ledger-db');

  describe('that show nothing', () => {
    let who: Credential;
    before(async () => {
      who = await bank.identity('curious', WIDE);
      await mask(bank, {
        name: 'nothing',
        principal: 'curious',
        columns: MASKED_COLUMNS,
        transform: { kind: 'redact' },
      });
    });

    for (const [way, wordsOf] of Object.entries(WAYS)) {
      it(`leak nothing in ${ATTEMPTS.length} attempts, ${way}`, async (t) => {
        let refused = 0;
        for (const sql of ATTEMPTS) {
          const client = await login(who);
          const words = wordsOf(sql);
          const ready = way === 'as one string' ? 1 : pieces(sql).length;
          await client.ask(words, ready);
          const leak = leakIn(heardBytes(client));
          assert.equal(leak, null, `${sql}: ${leak}`);
          if (codeOf(client) === 'POSTERN_MASKED') refused += 1;
          // What an attempt left behind, in tables or in the session, shows nothing either.
          await client.ask([say.query('rollback')]);
          await client.end();
        }
        t.diagnostic(`${refused} of ${ATTEMPTS.length} refused`);
        assert.ok(refused > 20 && refused < ATTEMPTS.length * 0.75, `${refused} refused`);
        const kept = await bank.server.query(
          'select coalesce(string_agg(t::text, chr(10)), $$$$) as all from (select a, b from shop.dump union all select body, null from shop.notes union all select item, email from shop.orders union all select name, note from shop.customers) t',
          bank.ledger.database,
        );
        assert.equal(leakIn(Buffer.from(JSON.stringify(kept))), null, 'something was kept');
      });
    }

    it(`refuse ${PROBES.length} ways to learn a value by asking about it`, async () => {
      const client = await login(who);
      for (const sql of PROBES) {
        for (const way of ['as one string', 'extended, described'] as const) {
          client.heard.length = 0;
          await client.ask((WAYS[way] as (sql: string) => Buffer[])(sql));
          assert.equal(
            codeOf(client),
            'POSTERN_MASKED',
            `${sql}: ${client.heard.map(({ type }) => type).join('')}`,
          );
          assert.match(client.error.get('C') ?? '', /^42501$/);
        }
      }
      await client.end();
    });

    it('leave everything else as it is', async () => {
      const client = await login(who);
      for (const [sql, rows] of HARMLESS) {
        client.heard.length = 0;
        await client.ask([say.query(sql)]);
        assert.equal(client.error.get('M'), undefined, sql);
        assert.deepEqual(rowsOf(client), rows, sql);
      }
      await client.end();
    });

    it('give what is not masked byte for byte as PostgreSQL gives it', async () => {
      const direct = { host: bank.server.host, port: bank.server.port, ca: bank.postern.caPem };
      const upstream = { username: bank.ledger.user, password: bank.ledger.password };
      const plain = await WireClient.login(
        { ...direct, ca: bank.server.caPem },
        upstream,
        bank.ledger.database,
      );
      const client = await login(who);
      for (const sql of [
        'select id, name, note, active from shop.customers order by id',
        'select * from shop.orders order by id',
        'select * from shop.names',
        "select 1, 'x', null, array[1, 2], now()::date, '{}'::jsonb",
        'select c.id, o.* from shop.customers c join shop.orders o on o.customer = c.id order by o.id',
        'copy shop.orders to stdout',
        'copy shop.orders to stdout csv header',
        'copy shop.orders to stdout binary',
        'copy (select id, name, note from shop.customers order by id) to stdout',
      ]) {
        for (const way of ['as one string', 'extended, described', 'extended, not described, in binary']) {
          plain.heard.length = 0;
          client.heard.length = 0;
          const words = (WAYS[way] as (sql: string) => Buffer[])(sql);
          await plain.ask(words);
          await client.ask(words);
          assert.deepEqual(heardBytes(client), heardBytes(plain), `${sql}, ${way}`);
        }
      }
      await plain.end();
      await client.end();
    });

    it('mask COPY in every format, and leave its other columns as they are', async () => {
      const client = await login(who);
      const copied = async (sql: string): Promise<string> => {
        client.heard.length = 0;
        await client.ask([say.query(sql)]);
        const parts = client.heard.filter(({ type }) => type === 'd').map(({ bytes }) => bytes.subarray(5));
        return Buffer.concat(parts).toString('latin1');
      };
      assert.equal(
        await copied('copy (select id, email, name from shop.customers order by id) to stdout'),
        '1\t[masked]\tZoe\n2\t[masked]\tYan\n3\t\\N\tXia\n',
      );
      assert.equal(
        await copied(
          'copy (select id, email, name, salary from shop.customers order by id) to stdout (format csv, header)',
        ),
        'id,email,name,salary\n1,"[masked]",Zoe,"0"\n2,"[masked]",Yan,"0"\n3,,Xia,\n',
      );
      const whole = await copied('copy shop.customers to stdout');
      assert.equal(whole.split('\n').length, 4);
      assert.match(whole, /^1\tZoe\t\[masked\]\t\[masked\]\t0\t1900-01-01\tcalls on mondays\tt\t0{8}-/);
      const binary = await copied(
        'copy (select id, email from shop.customers where id = 1) to stdout binary',
      );
      assert.equal(
        Buffer.from(binary, 'latin1').subarray(19).toString('hex'),
        `0002${'00000004'}00000001${'00000008'}${Buffer.from('[masked]').toString('hex')}ffff`,
      );
      await client.end();
    });

    it('withhold texts of errors that may quote a value, and keep the code', async () => {
      const client = await login(who);
      const fail = async (sql: string): Promise<Map<string, string>> => {
        client.heard.length = 0;
        await client.ask([say.query(sql)]);
        return client.error;
      };
      const unique = await fail(
        "insert into shop.customers (id, name, email) values (77, 'n', 'zoe.quill@hidden.example')",
      );
      assert.equal(unique.get('C'), '23505');
      assert.equal(unique.get('D'), undefined);
      assert.equal(unique.get('n'), 'customers_email_key');
      const check = await fail('update shop.customers set salary = -1 where id = 1');
      assert.deepEqual([check.get('C'), check.get('D')], ['23514', undefined]);
      const raised = await fail('update shop.guarded set id = 3');
      assert.match(raised.get('M') ?? '', /withheld/);
      const own = await fail("select 'abc'::int");
      assert.match(own.get('M') ?? '', /invalid input syntax for type integer: "abc"/);
      await client.end();
    });

    it('answer a pipeline whose middle fails as PostgreSQL does, with the questions of Postern unheard', async () => {
      const piped = await bank.identity('piped', WIDE);
      await mask(bank, {
        ...{ name: 'piped', principal: 'piped' },
        ...{ columns: ['shop.customers.email'], transform: { kind: 'redact' } },
      });
      const client = await login(piped);
      const run = (sql: string): Buffer[] => [say.parse('', sql), say.bind('', ''), say.execute('')];
      const heard = await client.ask([
        ...run('select email from shop.customers where id = 1'),
        ...run('select email, 1 / (id - id) from shop.customers'),
        ...run('select email from shop.customers where id = 2'),
        say.sync(),
      ]);
      assert.deepEqual(heard, ['1', '2', 'D', 'C SELECT 1', '1', '2', 'E 22012', 'Z I']);
      await client.end();
      const ran = (await bank.commands('piped')).filter(({ type }) => type === 'command.intent');
      assert.deepEqual(
        ran.map(({ status, code }) => [status, code]),
        [
          ['ok', 'SELECT 1'],
          ['error', '22012'],
          ['skipped', ''],
        ],
      );
    });

    it('are in the record: which columns, under which rule and revision, in how many rows', async () => {
      const recorded = await bank.identity('recorded', WIDE);
      const rule = await mask(bank, {
        name: 'of-record',
        principal: 'recorded',
        columns: ['shop.customers.email'],
        transform: { kind: 'redact' },
      });
      const client = await login(recorded);
      await client.ask([say.query('select id, email, upper(email) from shop.customers')]);
      await client.ask([say.query('copy shop.customers to stdout')]);
      await client.ask([say.query('select id from shop.customers')]);
      await client.end();
      const outcomes = (await bank.commands('recorded')).filter(({ type }) => type === 'command.intent');
      const masked = [];
      for (const { id } of outcomes) {
        const { outcome } = (await bank.statement(id)) as unknown as { outcome?: { masked?: unknown } };
        masked.push(outcome?.masked ?? null);
      }
      const entry = (rows: number) => ({ column: 'shop.customers.email', rule: rule.id, revision: 1, rows });
      assert.deepEqual(masked, [[entry(4)], [entry(2)], null]);
    });
  });

  describe('with other transforms', () => {
    it('give the same masked value in text, in binary and in COPY', async () => {
      const who = await bank.identity('typed', WIDE);
      await mask(bank, {
        name: 'typed-hash',
        principal: 'typed',
        columns: ['shop.customers.*'],
        transform: { kind: 'tokenise' },
      });
      const client = await login(who);
      const sql = 'select email, salary, points, uid from shop.customers where 1 = 1';
      await client.ask([say.query(sql)]);
      const [text] = rowsOf(client);
      client.heard.length = 0;
      await client.ask(WAYS['extended, not described, in binary']?.(sql) ?? []);
      const row = client.heard.find(({ type }) => type === 'D') as Heard;
      const [email, , points, uid] = cellsOf(row);
      assert.equal(email?.toString('utf8'), text?.[0]);
      assert.notEqual(text?.[0], 'zoe.quill@hidden.example');
      assert.equal(String(points?.readInt32BE(0)), text?.[2]);
      assert.equal(uid?.toString('hex'), text?.[3]?.replaceAll('-', ''));
      client.heard.length = 0;
      await client.ask([say.query(`copy (${sql}) to stdout`)]);
      const line = client.heard.find(({ type }) => type === 'd') as Heard;
      assert.equal(line.bytes.toString('utf8', 5), `${text?.join('\t')}\n`);
      await client.end();
    });

    it('let predicates through where the rule says so, and still show and keep nothing', async () => {
      const who = await bank.identity('analyst', WIDE);
      await mask(bank, {
        name: 'joinable',
        principal: 'analyst',
        columns: MASKED_COLUMNS,
        transform: { kind: 'redact' },
        probes: 'allow',
      });
      const client = await login(who);
      await client.ask([
        say.query("select id, email from shop.customers where email like 'z%' order by salary"),
      ]);
      assert.deepEqual(rowsOf(client), [['1', '[masked]']]);
      for (const sql of [
        'insert into shop.dump select email, ssn from shop.customers',
        'create table shop.thief as select email from shop.customers',
        'update shop.customers set note = email',
        "select set_config('app.x', email, false) from shop.customers",
        'alter table shop.customers rename column email to mail',
      ]) {
        await client.ask([say.query(sql)]);
        assert.equal(codeOf(client), 'POSTERN_MASKED', sql);
      }
      for (const sql of ATTEMPTS) {
        client.heard.length = 0;
        await client.ask([say.query(sql)]);
        assert.equal(leakIn(heardBytes(client)), null, sql);
        await client.ask([say.query('rollback'), say.query('discard temp')], 2);
      }
      await client.end();
    });

    it('let nobody shift what is shown by writing a part of a value to its own column', async () => {
      const who = await bank.identity('shifter', WIDE);
      await mask(bank, {
        ...{ name: 'tail', principal: 'shifter', columns: MASKED_COLUMNS },
        transform: { kind: 'partial', keep: 4 },
      });
      const client = await login(who);
      for (const sql of [
        'update shop.customers set email = left(email, 10) returning email',
        "update shop.customers set email = email || '' returning email",
        "insert into shop.customers (id, name) values (1, 'n') on conflict (id) do update set email = left(customers.email, 9) returning email",
        'merge into shop.customers c using shop.notes n on c.id = n.id when matched then update set email = reverse(c.email) returning c.email',
      ]) {
        await client.ask([say.query(sql)]);
        assert.equal(codeOf(client), 'POSTERN_MASKED', sql);
      }
      client.heard.length = 0;
      await client.ask([
        say.query(
          "begin; insert into shop.customers (id, name, email) values (1, 'n', 'new@new.example') on conflict (id) do update set email = coalesce(excluded.email, customers.email); rollback",
        ),
      ]);
      assert.equal(client.error.get('M'), undefined);
      await client.end();
    });

    it('withhold the texts of errors about names that are values', async () => {
      const who = await bank.identity('namer', WIDE);
      await mask(bank, {
        ...{ name: 'named', principal: 'namer', columns: MASKED_COLUMNS, probes: 'allow' },
        transform: { kind: 'redact' },
      });
      const client = await login(who);
      const functions = [
        'regclass',
        'regproc',
        'regtype',
        'regrole',
        'regconfig',
        'regcollation',
        'regnamespace',
      ];
      for (const sql of [
        ...functions.map((type) => `select email::${type} from shop.customers`),
        ...functions.map((type) => `select (meta->>'k')::${type} from shop.customers`),
        'select current_setting(email) from shop.customers',
        "select has_schema_privilege(email, 'usage') from shop.customers",
        "select has_database_privilege(email, 'connect') from shop.customers",
        "select has_column_privilege('shop.customers', email, 'select') from shop.customers",
        'select pg_get_viewdef(email) from shop.customers',
      ]) {
        client.heard.length = 0;
        await client.ask([say.query(sql)]);
        assert.equal(leakIn(heardBytes(client)), null, sql);
      }
      await client.ask([say.query('select nothing from shop.customers')]);
      assert.match(client.error.get('M') ?? '', /column "nothing" does not exist/);
      await client.end();
    });

    it('hold from the next statement on, when a rule comes or changes', async () => {
      const who = await bank.identity('watched', WIDE);
      const client = await login(who);
      const sql = 'select email from shop.customers where id = 1';
      const prepared = [say.bind('', 'p'), say.execute(''), say.sync()];
      await client.ask([say.parse('p', sql), say.sync()]);
      await client.ask(prepared);
      assert.deepEqual(rowsOf(client), [['zoe.quill@hidden.example']]);
      await mask(bank, {
        name: 'later',
        principal: 'watched',
        columns: ['*.*.email'],
        transform: { kind: 'redact' },
      });
      client.heard.length = 0;
      await client.ask(prepared);
      await client.ask([say.query(sql)]);
      assert.deepEqual(rowsOf(client), [['[masked]'], ['[masked]']]);
      await client.end();
    });
  });

  describe('on content', () => {
    it('find values in columns that nobody named, in rows, COPY and messages', async () => {
      const who = await bank.identity('reader', WIDE);
      await mask(bank, {
        name: 'mails',
        principal: 'reader',
        detectors: ['email'],
        transform: { kind: 'redact' },
      });
      const client = await login(who);
      const bytes = async (...words: Buffer[]): Promise<Buffer> => {
        client.heard.length = 0;
        await client.ask(words);
        return heardBytes(client);
      };
      const hidden = Buffer.from('found.me@hidden.example');
      const rows = await bytes(say.query('select * from shop.notes order by id'));
      assert.ok(!rows.includes(hidden));
      assert.deepEqual(rowsOf(client).at(1), ['2', 'mail me at [masked] please']);
      assert.deepEqual(rowsOf(client).at(0), ['1', 'plain']);
      for (const sql of [
        'select json_agg(n) from shop.notes n',
        'copy shop.notes to stdout',
        'copy shop.notes to stdout csv',
        'copy shop.notes to stdout binary',
        'select array_agg(body) from shop.notes',
        'select n from shop.notes n',
        'select body::int from shop.notes where id = 2',
      ]) {
        assert.ok(!(await bytes(say.query(sql))).includes(hidden), sql);
        assert.ok(
          !(await bytes(...(WAYS['extended, not described, in binary']?.(sql) ?? []))).includes(hidden),
          `${sql} in binary`,
        );
      }
      await client.end();
    });
  });
});
