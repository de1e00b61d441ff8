/** Recorded before it runs, or it does not run: full disks, killed processes, restarts and shutdowns under load. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { verifyLog } from '../src/ledger/verify.ts';
import { Bank, type Credential, databaseError } from './support/bank.ts';
import { startPostern, type TestPostern } from './support/postern.ts';
import { run, until } from './support/processes.ts';
import { contradiction, type RecordedSession, readSessions, sessionsOf } from './support/recorded.ts';
import { LOG_EVERYTHING, statementsOf } from './support/server-log.ts';
import { say, WireClient } from './support/wire-client.ts';

const TABLES = `create schema work; create table work.t (n int, who text);
  grant usage on schema work to ledger_app; grant all on all tables in schema work to ledger_app`;
const SCOPE = 'select, insert, update, copy on work.t';

/** Process ids of the gateway workers, as the operating system knows them. */
function workersOf(postern: TestPostern): number[] {
  return readFileSync(`/proc/${postern.pid}/task/${postern.pid}/children`, 'utf8')
    .trim()
    .split(' ')
    .map(Number)
    .filter((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('worker.ts'));
}

function health(postern: TestPostern): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const call = request(
      { ...postern.api, path: '/healthz', ca: postern.caPem, agent: false },
      (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (piece: string) => {
          body += piece;
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
      },
    );
    call.on('error', reject).end();
  });
}

function assertLogHolds(dataDir: string): number {
  const dir = join(dataDir, 'log');
  const findings = verifyLog({ dir, vkey: readFileSync(join(dir, 'log.vkey'), 'utf8').trim() });
  for (;;) {
    const { value, done } = findings.next();
    if (done) return value.size;
    assert.notEqual(value.severity, 'error', `${value.file}: ${value.message}`);
  }
}

/** Every statement the server ran for an application is in the records of the session that called itself that. */
function assertAllRecorded(bank: Bank, sessions: readonly RecordedSession[]): number {
  const ran = Map.groupBy(statementsOf(bank.server), ({ application }) => application);
  let statements = 0;
  for (const { application, commands } of sessions) {
    assert.equal(contradiction(ran.get(application) ?? [], commands), null, application);
    statements += ran.get(application)?.length ?? 0;
  }
  return statements;
}

describe('a journal that cannot be written', () => {
  let bank: Bank;
  let who: Credential;
  before(async () => {
    bank = await Bank.start({ args: ['--workers', '1'] }, { settings: LOG_EVERYTHING });
    await bank.server.query(TABLES, 'bank');
    who = await bank.identity('batch', SCOPE);
  });
  after(() => bank?.stop());

  const full = (): void => limit('1');
  const space = (): void => limit('unlimited');
  const limit = (bytes: string): void => {
    for (const pid of workersOf(bank.postern)) {
      execFileSync('prlimit', ['--pid', String(pid), `--fsize=${bytes}:`]);
    }
  };
  const connect = (application: string) => bank.connect(who, { application_name: application });
  const refused = async (promise: Promise<unknown>): Promise<void> => {
    const error = await databaseError(promise);
    assert.deepEqual([error.code, error.routine], ['58030', 'POSTERN_AUDIT_UNAVAILABLE']);
    assert.match(error.message, /cannot be written, so it was not forwarded/);
  };
  const ran = (application: string): string[] =>
    statementsOf(bank.server)
      .filter((each) => each.application === application)
      .map(({ text }) => text);

  it('refuses every statement with 58030, forwards none, says so on /healthz and resumes by itself', async () => {
    const client = await connect('full');
    assert.equal((await health(bank.postern)).status, 200);
    full();
    try {
      await refused(client.query('insert into work.t values (1)'));
      await refused(client.query('insert into work.t values ($1)', [2]));
      await refused(client.query({ name: 'kept', text: 'select n from work.t where n = $1', values: [1] }));
      await refused(client.query('select 1; select 2'));
      const many = Array.from({ length: 20 }, (_, i) => client.query('insert into work.t values ($1)', [i]));
      for (const each of many) await refused(each);
      const bad = await health(bank.postern);
      assert.equal(bad.status, 503);
      assert.match(bad.body, /worker 0 forwards nothing: .*journal cannot be written \(EFBIG\)/);
      const newcomer = await databaseError(connect('newcomer'));
      assert.equal(newcomer.code, '58030');
    } finally {
      space();
    }
    assert.deepEqual(ran('full'), []);
    await until(async () => (await health(bank.postern)).status === 200, 'healthy without a client', 5000);
    const again = await client.query({
      name: 'kept',
      text: 'select n from work.t where n = $1',
      values: [1],
    });
    assert.deepEqual(again.rows, []);
    await client.query('insert into work.t values (3)');
    await client.end();
    assert.deepEqual(ran('full'), ['select n from work.t where n = $1', 'insert into work.t values (3)']);
    assert.ok(assertAllRecorded(bank, await sessionsOf(bank.postern, 'batch')) > 0);
  });

  it('leaves a transaction undone whose statements or whose COMMIT cannot be recorded', async () => {
    for (const last of ['insert into work.t values (11)', 'commit']) {
      const client = await connect(`tx ${last}`);
      await client.query('begin');
      await client.query('insert into work.t values (10)');
      full();
      try {
        await refused(client.query(last));
        await refused(client.query('rollback'));
      } finally {
        space();
      }
      assert.equal((await databaseError(client.query('select 1'))).code, '25P02');
      assert.equal((await client.query('commit')).command, 'ROLLBACK');
      assert.deepEqual((await client.query('select n from work.t where n in (10, 11)')).rows, []);
      await client.end();
    }
  });

  it('lets a COPY under way end, and refuses the next', async () => {
    const door = { ...bank.postern.postgres, ca: bank.postern.caPem };
    const client = await WireClient.login(door, who, 'ledger-db', [['application_name', 'copy']]);
    client.send(say.query('copy work.t from stdin'));
    await client.until((heard) => heard.at(-1)?.type === 'G');
    full();
    try {
      client.heard.length = 0;
      assert.deepEqual(await client.ask([say.copyData('30\tx\n'), say.copyDone()]), ['C COPY 1', 'Z I']);
      assert.deepEqual(await client.ask([say.query('copy work.t to stdout')]), ['E 58030', 'Z I']);
      assert.deepEqual(await client.ask([say.query('copy work.t from stdin')]), ['E 58030', 'Z I']);
    } finally {
      space();
    }
    assert.deepEqual(await client.ask([say.query('select n from work.t where n = 30')]), [
      ...['T', 'D', 'C SELECT 1', 'Z I'],
    ]);
    await client.end();
  });
});

describe('killed processes', () => {
  let bank: Bank;
  let who: Credential;
  before(async () => {
    bank = await Bank.start({ args: ['--workers', '2'] }, { settings: LOG_EVERYTHING });
    await bank.server.query(TABLES, 'bank');
    who = await bank.identity('batch', SCOPE);
  });
  after(() => bank?.stop());

  /** Many short statements on `count` connections until they fail or `stop` is called. */
  function load(bank: Bank, credential: Credential, name: string, count: number) {
    let stopped = false;
    let done = 0;
    const client = async (n: number): Promise<void> => {
      let connection: pg.Client;
      try {
        connection = await bank.connect(credential, { application_name: `${name}-${n}` });
      } catch {
        return;
      }
      try {
        for (let i = 0; !stopped; i++, done++) {
          if (i % 3 === 0) await connection.query('insert into work.t values ($1, $2)', [i, `${name}-${n}`]);
          else if (i % 3 === 1) await connection.query(`update work.t set n = ${i} where n = -1`);
          else
            await connection.query({ name: 'read', text: 'select n from work.t where n = $1', values: [i] });
        }
        await connection.end();
      } catch {
        // What the killed process held is gone; that is what is being tried.
      }
    };
    const clients = Promise.all(Array.from({ length: count }, (_, n) => client(n)));
    return {
      done: () => done,
      stop: async (): Promise<void> => {
        stopped = true;
        await clients;
      },
    };
  }

  it('replaces a worker that is killed under load; nothing ran that is not recorded; the log holds', async () => {
    for (let round = 0; round < 3; round++) {
      const work = load(bank, who, `worker-killed-${round}`, 6);
      const before = workersOf(bank.postern);
      await until(() => work.done() > 300, 'load is on');
      process.kill(before[round % 2] as number, 'SIGKILL');
      await until(
        () => workersOf(bank.postern).filter((pid) => !before.includes(pid)).length === 1,
        'there is a new worker',
        10_000,
      );
      await work.stop();
      await until(async () => (await health(bank.postern)).status === 200, 'healthy again', 10_000);
    }
    for (let i = 0; i < 8; i++) await (await bank.connect(who)).end();
    const sessions = await sessionsOf(bank.postern, 'batch');
    assert.ok(assertAllRecorded(bank, sessions) > 500);
    assert.ok(assertLogHolds(bank.postern.dataDir) > 1000);
  });

  it('keeps a data directory to one Postern', async () => {
    const second = await run(
      process.execPath,
      ['src/cli/main.ts', 'serve', '--data', bank.postern.dataDir, '--api-port', '0', '--postgres-port', '0'],
      { cwd: new URL('..', import.meta.url).pathname, timeoutMs: 20_000 },
    );
    assert.notEqual(second.code, 0);
    assert.match(second.stderr, /in use|another/i);
    await (await bank.connect(who)).end();
  });

  it('ends the workers when the control process is killed, and a restart loses nothing', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'postern-killed-'));
    try {
      const first = await startPostern({ dataDir, args: ['--workers', '2'] });
      const doomed = new Bank(bank.server, bank.ledger, first);
      await doomed.resource('ledger-db');
      const credential = await doomed.identity('survivor', SCOPE);
      const work = load(doomed, credential, 'control-killed', 6);
      await until(() => work.done() > 300, 'load is on');
      const workers = workersOf(first);
      await first.stop('SIGKILL');
      await until(() => workers.every((pid) => !alive(pid)), 'the workers are gone', 5000);
      await work.stop();
      const second = await startPostern({ dataDir, token: first.token, args: ['--workers', '2'] });
      const reborn = new Bank(bank.server, bank.ledger, second);
      try {
        const client = await reborn.connect(credential, { application_name: 'afterwards' });
        await client.query('select n from work.t limit 1');
        await client.end();
        const ran = assertAllRecorded(bank, await sessionsOf(second, 'survivor'));
        assert.ok(ran > 300);
        assertLogHolds(dataDir);
      } finally {
        await second.stop();
      }
      // What the log says does not depend on a running Postern.
      assert.ok(assertAllRecorded(bank, await readSessions(dataDir, 'survivor')) > 300);
    } finally {
      rmSync(dataDir, { recursive: true, force: true });
    }
  });
});

describe('a shutdown', () => {
  it('lets a running statement finish, tells idle sessions 57P01, and ends with 0', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'postern-shutdown-'));
    const config = join(directory, 'postern.json');
    writeFileSync(config, JSON.stringify({ graceSeconds: 5 }));
    const bank = await Bank.start({ args: ['--config', config] });
    try {
      const who = await bank.identity('batch', 'select on ledger.*');
      const [busy, idle, open] = await Promise.all([bank.connect(who), bank.connect(who), bank.connect(who)]);
      await open.query('begin');
      const running = busy.query('select pg_sleep(1), 7 as seven');
      await sleep(200);
      const exit = bank.postern.running.stop('SIGTERM', 20_000);
      assert.equal((await running).rows[0].seven, 7);
      assert.deepEqual((await open.query('select 8 as eight')).rows, [{ eight: 8 }]);
      await until(() => idle.lost.length > 0 && busy.lost.length > 0, 'idle sessions are closed', 3000);
      assert.match(String(idle.lost[0]), /shutting down/);
      assert.equal((idle.lost[0] as pg.DatabaseError).code, '57P01');
      assert.deepEqual(await exit, { code: 0, signal: null });
      await until(() => open.lost.length > 0, 'the open transaction is closed when the grace is over');
      assert.equal((open.lost[0] as pg.DatabaseError).code, '57P01');
    } finally {
      await bank.stop();
      rmSync(directory, { recursive: true, force: true });
    }
  });
});

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
