import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { createLedgerDatabase, type LedgerDatabase } from '../demo/database.ts';
import { startPostgres, type TestPostgres } from './support/postgres.ts';

let postgres: TestPostgres;
let ledger: LedgerDatabase;
let app: pg.Client;

before(async () => {
  postgres = await startPostgres();
  ledger = await createLedgerDatabase(postgres);
  app = new pg.Client({ host: postgres.host, port: postgres.port, ...ledger, ssl: { ca: postgres.caPem } });
  await app.connect();
});

after(async () => {
  await app?.end();
  await postgres?.stop();
});

const one = async (sql: string): Promise<unknown> => Object.values((await app.query(sql)).rows[0])[0];

test('the books hold at least 100,000 rows, and every transaction sums to zero', async () => {
  assert.ok(Number(await one('select count(*) from ledger.entries')) >= 100_000);
  const unbalanced =
    'select transaction_id from ledger.entries group by 1 having sum(amount) <> 0 or count(*) < 2';
  assert.equal((await app.query(unbalanced)).rowCount, 0);
  assert.equal(await one('select sum(balance) from ledger.balances'), '0.00');
});

test('the books cannot be put out of balance', async () => {
  await assert.rejects(
    app.query(`with t as (insert into ledger.transactions (description) values ('one-sided') returning id)
      insert into ledger.entries (transaction_id, account_id, amount) select id, 1, 5 from t`),
    { code: '23514', message: /does not balance/ },
  );
});

test('customers have Luhn-valid card numbers and distinct e-mail addresses and tax ids', async () => {
  const { rows } = await app.query<{ name: string; email: string; card_number: string; tax_id: string }>(
    'select name, email, card_number, tax_id from ledger.customers',
  );
  assert.ok(rows.length >= 1000);
  for (const row of rows) {
    assert.ok(satisfiesLuhn(row.card_number), row.card_number);
    assert.match(row.tax_id, /^9\d\d-\d\d-\d{4}$/);
    assert.match(row.email, /^[a-z.0-9]+@example\.com$/);
  }
  assert.equal(new Set(rows.map((row) => row.email)).size, rows.length);
  assert.equal(new Set(rows.map((row) => row.tax_id)).size, rows.length);
});

test('the application role may read and change the payroll too, as in real life, but is no superuser', async () => {
  assert.ok(Number(await one('select count(*) from hr.salaries')) > 100);
  assert.equal(await one('select rolsuper from pg_roles where rolname = current_user'), false);
});

test('every run makes the same rows', async () => {
  assert.equal(
    await one("select md5(string_agg(name || card_number || since, ',' order by id)) from ledger.customers"),
    '7f4de536a1e2c161be00dc2d045b8f82',
  );
});

function satisfiesLuhn(digits: string): boolean {
  const sum = [...digits].reverse().reduce((total, digit, i) => {
    const value = Number(digit) * (i % 2 === 1 ? 2 : 1);
    return total + (value > 9 ? value - 9 : value);
  }, 0);
  return digits.length === 16 && sum % 10 === 0;
}
