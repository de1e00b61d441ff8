/** What is at a resource without Postern, on every supported major version: the views that are asked changed between them. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import pg from 'pg';
import { Bank } from '../support/bank.ts';
import { ensureServers, nativeOf, SERVERS } from './servers.ts';

interface Run {
  readonly found: Readonly<Record<string, number>>;
  readonly bounds: readonly string[];
}

before(() => ensureServers());

for (const major of SERVERS) {
  describe(`PostgreSQL ${major}`, () => {
    let bank: Bank;
    const settings = { shared_preload_libraries: 'pg_stat_statements' };
    const reconcile = (): Promise<Run> => bank.postern.call('POST', '/v1/resources/ledger-db/reconcile', {});
    before(async () => {
      bank = await Bank.start({}, { native: nativeOf(major), settings });
      await bank.server.query('create extension pg_stat_statements', bank.ledger.database);
    });
    after(() => bank?.stop());

    it('finds nothing of what ran through Postern, and what ran past it, with what its user may see', async () => {
      const client = await bank.connect(await bank.identity('batch', 'select on ledger.*'));
      const first = await reconcile();
      assert.deepEqual(first.found, { account: 1, connection: 0, statements: 0 });
      assert.ok(first.bounds.some((bound) => /sees the user, the database and the name alone/.test(bound)));
      for (let i = 0; i < 200; i++) await client.query('select count(*) from ledger.accounts; select 2');
      assert.deepEqual((await reconcile()).found, { account: 1, connection: 0, statements: 0 });
      const { user, password, database } = bank.ledger;
      const { host, port, caPem } = bank.server;
      const around = new pg.Client({ host, port, user, password, database, ssl: { ca: caPem } });
      await around.connect();
      for (let i = 0; i < 500; i++) await around.query('select 1');
      assert.deepEqual((await reconcile()).found, { account: 1, connection: 1, statements: 1 });
      await around.end();
      await client.end();
    });
  });
}
