/** Clients that try to make one name mean two statements: what is recorded is what runs, and what is decided is what is read. */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Arena } from './support/arena.ts';
import type { Bank } from './support/bank.ts';
import { contradiction, sessionsOf } from './support/recorded.ts';
import { statementsOf } from './support/server-log.ts';
import { say } from './support/wire-client.ts';

describe('confusion about names', () => {
  let arena: Arena;
  let bank: Bank;
  before(async () => {
    arena = await Arena.start();
    ({ bank } = arena);
  });
  after(() => arena?.stop());
  afterEach(() => arena.assertWell());

  const login = (over: Parameters<Arena['login']>[0] = {}) => arena.login(over);

  /** Runs the script on a session of its own; everything that the server ran must be recorded as what it was. */
  const script = async (application: string, batches: readonly (readonly Buffer[])[], readies?: number) => {
    const client = await login({ application });
    const heard: string[] = [];
    if (readies === undefined) for (const batch of batches) heard.push(...(await client.ask(batch)));
    else heard.push(...(await client.ask(batches.flat(), readies)));
    await client.end();
    await sleep(100);
    const ran = statementsOf(bank.server).filter((each) => each.application === application);
    const session = (await sessionsOf(bank.postern, 'batch')).find(
      (each) => each.application === application,
    );
    assert.ok(session !== undefined);
    assert.equal(contradiction(ran, session.commands), null);
    return { heard, ran: ran.map(({ text }) => text) };
  };
  const A = say.parse('s', 'select 1');
  const run = [say.bind('', 's'), say.execute('')];
  const S = say.sync();

  it('does not take a name for what a failing or skipped Parse would have made it', async () => {
    await script('parse-fails', [
      [A, S],
      [say.parse('s', 'select 2 from nothing'), S],
      [...run, S],
    ]);
    await script('parse-twice', [
      [A, S],
      [say.parse('s', 'select 2'), S],
      [...run, S],
    ]);
    await script('parse-skipped', [
      [A, S],
      [say.parse('', 'selec'), say.close('S', 's'), say.parse('s', 'select 2'), S],
      [...run, S],
    ]);
    await script('pipelined', [[A, S, say.parse('s', 'select 2'), S, ...run, S]], 3);
    await script(
      'pipelined-close',
      [[A, S, say.close('S', 's'), say.parse('s', 'select 2'), S, ...run, S]],
      3,
    );
    await script(
      'pipelined-fails',
      [[A, S, say.close('S', 's'), say.parse('s', 'select 2 from nothing'), S, ...run, S]],
      3,
    );
    await script(
      'pipelined-skipped',
      [[A, S, say.parse('', 'selec'), say.close('S', 's'), say.parse('s', 'select 2'), S, ...run, S]],
      3,
    );
  });

  it('does not take a name for what a refused statement would have made it', async () => {
    const secret = 'select n from fuzz.secret';
    await script('refused', [
      [A, S],
      [say.close('S', 's'), say.parse('s', secret), S],
      [...run, S],
    ]);
    await script('refused-piped', [[A, S, say.close('S', 's'), say.parse('s', secret), S, ...run, S]], 3);
    await script('refused-sql', [
      [say.query('prepare s as select 1')],
      [say.query(`deallocate s; prepare s as ${secret}`)],
      [say.query('execute s')],
      [...run, S],
    ]);
  });

  it('follows names through SQL and protocol, transactions and savepoints', async () => {
    await script('sql', [[say.query('prepare s as select 11')], [...run, S], [say.query('execute s')]]);
    await script('both', [
      [A, S],
      [say.query('deallocate s')],
      [say.query('prepare s as select 12')],
      [...run, S],
    ]);
    await script('discard', [
      [A, S],
      [say.query('discard all')],
      [...run, S],
      [say.parse('s', 'select 13'), ...run, S],
    ]);
    await script('rolled-back', [
      [say.query('begin')],
      [say.query('savepoint x')],
      [say.query('prepare s as select 14')],
      [say.query('rollback to x')],
      [...run, S],
      [say.query('rollback')],
      [...run, S],
    ]);
    await script('in-doubt', [
      [A, S],
      [say.query('deallocate s; prepare s as select 15; select 1/0')],
      [...run, S],
      [say.query('execute s')],
    ]);
    await script('cursor', [
      [say.query('begin')],
      [say.query('declare p cursor for select 16')],
      [say.execute('p'), S],
      [say.query('savepoint x; close p; declare p cursor for select 17')],
      [say.execute('p'), S],
      [say.query('rollback to x')],
      [say.execute('p'), S],
      [say.query('rollback')],
    ]);
    await script('portal', [
      [say.query('begin')],
      [A, say.bind('p', 's'), S],
      [say.parse('u', 'select 18'), say.bind('p', 'u'), S],
      [say.execute('p'), S],
      [say.query('rollback')],
    ]);
  });

  it('does not let EXECUTE or FETCH do unseen what changes a name or the search path', async () => {
    // SQL's EXECUTE runs whatever the protocol prepared, also what SQL's PREPARE would not take.
    const name = await script('execute-prepare', [
      [
        say.parse('s', 'select 1'),
        say.parse('d', 'deallocate s'),
        say.parse('y', 'prepare s as select 2'),
        S,
      ],
      [say.query('execute d')],
      [say.query('execute y')],
      [...run, S],
    ]);
    assert.deepEqual(name.heard.slice(-4), ['2', 'D', 'C SELECT 1', 'Z I']);
    const secret = 'select n from secret';
    const set = `select set_config('search_path', 'fuzz', false)`;
    for (const [application, ...steps] of [
      ['path-util', [say.parse('x', 'set search_path = fuzz'), S], [say.query('execute x')]],
      ['path-prepare', [say.query(`prepare x as ${set}`)], [say.query('execute x')]],
      ['path-explain', [say.query(`prepare x as ${set}`)], [say.query('explain analyze execute x')]],
      [
        'path-nested',
        [say.query(`prepare x as ${set}`), say.parse('z', 'execute x'), S],
        [say.query('execute z')],
      ],
      [
        'path-cursor',
        [say.query('begin')],
        [say.query(`declare x cursor for ${set}`)],
        [say.query('fetch x')],
      ],
    ] as const) {
      const last = steps.at(-1) ?? [];
      const client = await login({ application });
      for (const step of steps.slice(0, -1)) client.send(...step);
      await sleep(50);
      client.send(...last, say.query(secret), say.parse('', secret), say.bind('', ''), say.execute(''), S);
      await sleep(200);
      await client.end();
      assert.ok(!client.heard.some((heard) => heard.bytes.includes('4711')), application);
    }
    const client = await login({ application: 'path-string' });
    await client.ask([say.query(`prepare x as ${set}`)]);
    assert.deepEqual(await client.ask([say.query(`execute x; ${secret}`)]), ['E 42501', 'Z I']);
    assert.deepEqual(await client.ask([say.query('execute x')]), ['T', 'D', 'C SELECT 1', 'S', 'Z I']);
    assert.deepEqual(await client.ask([say.query(secret)]), ['E 42501', 'Z I']);
    await client.end();
  });

  it('does not take a name in a portal for what it means later: it is settled by Bind', async () => {
    for (const read of [[say.execute('p'), S], [say.query('fetch all from p')]]) {
      const client = await login({ application: 'bound-names' });
      await client.ask([say.query('begin')]);
      await client.ask([say.parse('x', 'select n from secret'), S]);
      await client.ask([say.query('set search_path = fuzz')]);
      assert.equal((await client.ask([say.bind('p', 'x'), S]))[0], 'E 42501');
      await client.ask([say.query('rollback; begin; set search_path = open')]);
      await client.ask(read);
      await client.end();
      assert.ok(!client.heard.some((heard) => heard.bytes.includes('4711')));
    }
    const client = await login({ application: 'bound-names' });
    await client.ask([say.query('begin')]);
    await client.ask([say.parse('x', 'select n from secret'), say.bind('p', 'x'), S]);
    await client.ask([say.query('set search_path = fuzz')]);
    assert.equal((await client.ask([say.execute('p'), S]))[0], 'E 42501');
    await client.end();
  });

  it('does not take two names that PostgreSQL cuts to one for two', async () => {
    const [x, y] = ['X', 'Y'].map((end) => `${'n'.repeat(63)}${end}`) as [string, string];
    const client = await login({ application: 'cut' });
    client.send(
      say.parse(x, 'select 1'),
      S,
      say.close('S', y),
      S,
      say.parse(y, 'select 2'),
      S,
      say.bind('', x),
      say.execute(''),
      S,
    );
    await client.until(() => client.closed, 3000);
    assert.match(client.error.get('M') ?? '', /a name of over 63 bytes/);
    const sql = await script('cut-sql', [
      [say.parse('n'.repeat(62), 'select 1'), S],
      [say.query(`deallocate "${'n'.repeat(62)}é"`)],
      [say.query(`prepare "${'n'.repeat(62)}é" as select 2`)],
      [say.bind('', 'n'.repeat(62)), say.execute(''), S],
    ]);
    assert.deepEqual(sql.heard, [
      '1',
      'Z I',
      'E 0A000',
      'Z I',
      'E 0A000',
      'Z I',
      '2',
      'D',
      'C SELECT 1',
      'Z I',
    ]);
  });
});
