/** Every supported major version of the server: what a session is promised holds on each. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type pg from 'pg';
import { ensureDebianPackages, PGBENCH, PSQL } from '../../scripts/need.ts';
import { type Credential, databaseError } from '../support/bank.ts';
import { run, until } from '../support/processes.ts';
import { CLIENTS, play, psqlSession } from './clients.ts';
import { ensureServers, nativeOf, SERVERS } from './servers.ts';
import { assertSameLines, DUMP_SCOPE, FULL_SCOPE, type Side, Stage } from './stage.ts';

/** They speak the protocol in quite different ways; all clients against all servers would tell little more. */
const DRIVERS = CLIENTS.filter(({ name }) => ['node-postgres', 'psycopg 3', 'JDBC'].includes(name));

before(() => {
  ensureDebianPackages([PSQL, PGBENCH, ...DRIVERS.flatMap(({ needs }) => needs)]);
  ensureServers();
});

for (const major of SERVERS) {
  describe(`PostgreSQL ${major}`, () => {
    let stage: Stage;
    let narrow: Credential;
    before(async () => {
      stage = await Stage.start({ native: nativeOf(major) });
      await stage.bank.server.query(
        `create schema one; create schema two; create table one.t (n int); create table two.t (n int);
         insert into one.t values (1); insert into two.t values (2);
         grant usage on schema one, two to conf_app; grant select on one.t, two.t to conf_app`,
        'conf_template',
      );
      narrow = await stage.credential('narrow', 'select on one.t');
    });
    after(() => stage?.stop());

    const connect = (who: Credential): Promise<pg.Client & { lost: Error[] }> =>
      stage.bank.connect(who, { database: 'conformance' });

    for (const driver of DRIVERS) {
      it(`${driver.name} hears through Postern what it hears directly`, async () => {
        const [direct, through] = await stage.sides(driver.name);
        const expected = await play(driver, direct);
        assertSameLines((await play(driver, through)).stdout, expected.stdout);
        await stage.refusedOnlySecrets(through.principal);
      });
    }

    it('so does psql', async () => {
      const [direct, through] = await stage.sides('psql');
      assertSameLines(await psqlSession(through), await psqlSession(direct));
    });

    it('is logged in to with SCRAM, and is the version that it should be', async () => {
      const client = await connect(narrow);
      const { rows } = await client.query('show server_version');
      assert.equal(Number.parseInt(rows[0].server_version, 10), major);
      await client.end();
      const [stored] = await stage.bank.server.query<{ method: string }>(
        "select split_part(rolpassword, '$', 1) as method from pg_authid where rolname = 'conf_app'",
      );
      assert.equal(stored?.method, 'SCRAM-SHA-256');
    });

    it('a name means what the search path of the moment makes it mean', async () => {
      const client = await connect(narrow);
      const one = async (): Promise<void> => {
        assert.deepEqual((await client.query('select n from t')).rows, [{ n: 1 }]);
      };
      const refused = async (): Promise<void> => {
        const error = await databaseError(client.query('select n from t'));
        assert.deepEqual([error.code, error.routine], ['42501', 'POSTERN_SCOPE_DENIED']);
      };
      await client.query('set search_path to one, two');
      await one();
      await client.query('set search_path to two, one');
      await refused();
      await client.query('begin');
      await client.query('set local search_path to one');
      await one();
      await client.query('savepoint s');
      await client.query("select set_config('search_path', 'two', true)");
      await refused();
      await client.query('rollback to s');
      await one();
      await client.query('commit');
      await refused();
      await client.query('begin');
      await client.query('set search_path to one');
      await one();
      await client.query('rollback');
      await refused();
      await client.query('set search_path to one');
      await one();
      await client.query('discard all');
      await databaseError(client.query('select n from t'));
      await client.end();
    });

    it("a role's own search path is known from the first statement on", async () => {
      const { server } = stage.bank;
      for (const [path, allowed] of [
        ['two, one', false],
        ['one, two', true],
      ] as const) {
        await server.query(`alter role conf_app set search_path to ${path}`);
        const client = await connect(narrow);
        const answer = client.query('select n from t');
        if (allowed) assert.deepEqual((await answer).rows, [{ n: 1 }]);
        else assert.equal((await databaseError(answer)).code, '42501');
        await client.end();
      }
      await server.query('alter role conf_app reset search_path');
    });

    it('statements that follow a change of the path without waiting see it, or are refused', async () => {
      const client = await connect(narrow);
      for (let round = 0; round < 20; round++) {
        const [, first, , second] = await Promise.allSettled([
          client.query('set search_path to one'),
          client.query('select n from t'),
          client.query('set search_path to two'),
          client.query('select n from t where n = $1', [2]),
        ]);
        assert.deepEqual(first?.status === 'fulfilled' && first.value.rows, [{ n: 1 }]);
        assert.equal(second?.status === 'rejected' && second.reason.code, '42501');
      }
      await client.end();
    });

    it('the end of a grant ends its sessions, and what runs in them', async () => {
      const brief = await stage.credential('brief', FULL_SCOPE);
      const client = await connect(brief);
      const asleep = databaseError(client.query('select pg_sleep(60)'));
      const running = async (): Promise<number> => {
        const rows = await stage.bank.server.query<{ n: number }>(
          "select count(*)::int as n from pg_stat_activity where query like 'select pg_sleep(60)%' and state = 'active'",
        );
        return rows[0]?.n ?? 0;
      };
      await until(async () => (await running()) === 1, 'the statement runs');
      await stage.bank.postern.call('POST', `/v1/grants/${brief.grant}/revoke`, { reason: 'enough' });
      assert.equal((await asleep).code, '57P01');
      await until(async () => (await running()) === 0, 'the statement has ended');
    });

    if (major === 15) {
      it('is dumped by the pg_dump of Debian, which is of this version', async () => {
        const [direct, through] = await stage.sides('pg_dump', DUMP_SCOPE);
        const args = ['--schema=conf', '--schema=plain', '--restrict-key=conformance'];
        const dump = async (side: Side): Promise<string> => {
          const ended = await run('pg_dump', args, { env: side.env });
          assert.equal(ended.code, 0, ended.stderr);
          return ended.stdout;
        };
        assertSameLines(await dump(through), await dump(direct));
      });
    }
  });
}
