/** PostgreSQL plans a statement when its portal is bound, and may evaluate functions of it then: the record comes before. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { Bank, type Credential } from './support/bank.ts';
import { sessionsOf } from './support/recorded.ts';
import { say, WireClient } from './support/wire-client.ts';

// Declared immutable, so that the planner calls it with constants: what it says shows when.
const TABLES = `create schema work; create table work.t (n int);
  create function work.telling(text) returns int language plpgsql immutable as
    $$ begin raise notice 'called with %', $1; return 1; end $$;
  grant usage on schema work to ledger_app; grant all on work.t to ledger_app`;

describe('what is evaluated when a portal is bound', () => {
  let bank: Bank;
  let who: Credential;
  before(async () => {
    bank = await Bank.start({ args: ['--workers', '1'] });
    await bank.server.query(TABLES, 'bank');
    who = await bank.identity('planner', 'select, insert on work.t; execute on work.telling');
  });
  after(() => bank?.stop());

  const open = (name: string): Promise<WireClient> => {
    const door = { ...bank.postern.postgres, ca: bank.postern.caPem };
    return WireClient.login(door, who, 'ledger-db', [['application_name', name]]);
  };
  const recordedFor = async (name: string) => {
    const session = (await sessionsOf(bank.postern, 'planner')).find(
      ({ application }) => application === name,
    );
    return session?.commands.map(({ text, status, code }) => [text, status, code]);
  };
  const heardOf = (client: WireClient): string[] => client.heard.map(({ type }) => type);

  it('is recorded although it is never executed', async () => {
    const text = "select work.telling('bind')";
    const client = await open('bound only');
    client.heard.length = 0;
    client.send(say.parse('', text), say.bind('', ''), say.flush());
    await client.until((heard) => heard.at(-1)?.type === '2');
    assert.ok(heardOf(client).includes('N'), 'the server calls the function when it plans');
    await client.ask([say.sync()]);
    await client.end();
    assert.deepEqual(await recordedFor('bound only'), [[text, 'skipped', '']]);
  });

  it('is not evaluated while it cannot be recorded', async () => {
    const client = await open('unwritable');
    const [worker] = readFileSync(`/proc/${bank.postern.pid}/task/${bank.postern.pid}/children`, 'utf8')
      .trim()
      .split(' ')
      .filter((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('worker.ts'));
    const limit = (bytes: string) => execFileSync('prlimit', ['--pid', String(worker), `--fsize=${bytes}:`]);
    limit('1');
    try {
      client.heard.length = 0;
      const text = "select work.telling('unwritable')";
      const heard = await client.ask([
        ...[say.parse('', text), say.bind('', ''), say.execute(''), say.sync()],
      ]);
      assert.deepEqual(heard, ['1', 'E 58030', 'Z I']);
    } finally {
      limit('unlimited');
    }
    await client.end();
    assert.deepEqual(await recordedFor('unwritable'), []);
  });

  it('is one command with its first execution, and each further execution is another', async () => {
    const text = 'select n from generate_series(1, 3) n';
    const client = await open('executed');
    await client.ask([
      say.parse('', text),
      say.bind('', ''),
      say.execute('', 2),
      say.execute(''),
      say.sync(),
    ]);
    await client.ask([say.query('begin')]);
    await client.ask([say.parse('', text), say.bind('p', ''), say.sync()]);
    await client.ask([say.execute('p'), say.sync()]);
    await client.ask([say.query('commit')]);
    await client.end();
    assert.deepEqual(await recordedFor('executed'), [
      [text, 'ok', 'SUSPENDED'],
      [text, 'ok', 'SELECT 1'],
      ['begin', 'ok', 'BEGIN'],
      [text, 'ok', 'SELECT 3'],
      ['commit', 'ok', 'COMMIT'],
    ]);
  });

  it('has the error of the Bind as its outcome, and what follows in the batch none of its own', async () => {
    const text = 'insert into work.t values ($1)';
    const client = await open('failing');
    const heard = await client.ask([
      ...[say.parse('', text, [23]), say.bind('', '', ['x']), say.execute(''), say.sync()],
    ]);
    assert.deepEqual(heard, ['1', 'E 22P02', 'Z I']);
    await client.end();
    assert.deepEqual(await recordedFor('failing'), [[text, 'error', '22P02']]);
  });

  it('keeps no more than a thousand portals waiting for their outcome', async () => {
    const client = await open('many');
    await client.ask([say.query('begin')]);
    await client.ask([say.parse('s', 'select 1'), say.sync()]);
    const binds = Array.from({ length: 1100 }, () => say.bind('', 's'));
    await client.ask([...binds, say.execute(''), say.sync()]);
    await client.ask([say.query('commit')]);
    await client.end();
    const commands = (await recordedFor('many')) ?? [];
    assert.equal(commands.length, 1102);
    assert.equal(commands.filter(([, status]) => status === 'skipped').length, 1099);
    assert.equal(commands.filter(([, status]) => status === 'ok').length, 3);
  });
});
