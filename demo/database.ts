import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { TestPostgres } from '../test/support/postgres.ts';

const SCHEMA = new URL('./schema.sql', import.meta.url);

export interface LedgerDatabase {
  readonly database: 'bank';
  /** The application's role, as it is in real life: one password, and rights on far more than any one job needs. */
  readonly user: 'ledger_app';
  readonly password: string;
}

/**
 * Makes the database `bank` with the schemas `ledger` (books of some 130,000 rows) and `hr` (salaries), and the
 * role `ledger_app` that may read and change both.
 */
export async function createLedgerDatabase(postgres: TestPostgres): Promise<LedgerDatabase> {
  const password = randomBytes(24).toString('base64url');
  await postgres.query('CREATE DATABASE bank');
  await postgres.query(readFileSync(SCHEMA, 'utf8'), 'bank');
  await postgres.query(
    `CREATE ROLE ledger_app LOGIN PASSWORD '${password}';
     GRANT CONNECT, CREATE, TEMPORARY ON DATABASE bank TO ledger_app;
     GRANT USAGE, CREATE ON SCHEMA ledger, hr TO ledger_app;
     GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA ledger, hr TO ledger_app;
     GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA ledger, hr TO ledger_app;`,
    'bank',
  );
  return { database: 'bank', user: 'ledger_app', password };
}
