/** Pays a day's interest into every savings account, ten accounts to a database transaction. */
import { readFileSync } from 'node:fs';
import pg from 'pg';

const ACCOUNTS_PER_TRANSACTION = 10;
const RATE = '0.02';

interface Due {
  readonly id: string;
  readonly number: string;
  readonly interest: string;
}

const { PGSSLROOTCERT } = process.env;
if (PGSSLROOTCERT === undefined) throw new Error('PGSSLROOTCERT is not set');
// Host, port, user, password and database come from the environment, as with psql; only the file of the certificate
// authority is not one of the variables that node-postgres reads.
const client = new pg.Client({ ssl: { ca: readFileSync(PGSSLROOTCERT, 'utf8') } });
let statements = 0;
const query = <Row extends pg.QueryResultRow>(text: string, values: unknown[] = []) => {
  statements += 1;
  return client.query<Row>(text, values);
};

await client.connect();
try {
  const { rows: due } = await query<Due>(
    `select account_id as id, number, round(abs(balance) * $1 / 365, 2) as interest
       from ledger.balances
      where kind = 'savings' and round(abs(balance) * $1 / 365, 2) > 0
      order by account_id`,
    [RATE],
  );
  const [bank] = (await query<{ id: string }>(`select id from ledger.accounts where kind = 'interest'`)).rows;
  if (bank === undefined) throw new Error('there is no account to pay interest from');
  for (let at = 0; at < due.length; at += ACCOUNTS_PER_TRANSACTION) {
    await query('begin');
    for (const account of due.slice(at, at + ACCOUNTS_PER_TRANSACTION)) await pay(bank.id, account);
    await query('commit');
  }
  process.stdout.write(`interest paid to ${due.length} accounts with ${statements} statements\n\n`);
} finally {
  await client.end();
}

/** Double entry: what the account gains, the bank's interest account loses. */
async function pay(from: string, { id, number, interest }: Due): Promise<void> {
  const { rows } = await query<{ id: string }>(
    'insert into ledger.transactions (description) values ($1) returning id',
    [`Interest ${number}`],
  );
  await query(
    'insert into ledger.entries (transaction_id, account_id, amount) values ($1, $2, $4), ($1, $3, -$4::numeric)',
    [rows[0]?.id, id, from, interest],
  );
}
