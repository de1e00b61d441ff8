import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import type { PosternError } from '../../core/errors.ts';
import { nowMicros } from '../../core/time.ts';
import type { AccountSeen, OwnTraces, UpstreamFacts } from '../../core/upstream-facts.ts';
import { RESOURCE, testControl } from '../control.fixture.ts';
import type { ReconcileWorld } from './reconciliations.ts';
import { StatementTotals } from './statement-totals.ts';

const ACCOUNT: AccountSeen = {
  ...{ name: 'dba', oid: '16400', login: true, superuser: false, createRole: false, createDb: false },
  ...{ replication: false, bypassRls: false, password: 'scram', validUntil: null, memberOf: [], mark: null },
};
const FACTS: UpstreamFacts = {
  ...{ at: '2026-01-01T00:00:00.000000Z', version: '18.0', user: 'ledger_app' },
  accounts: [{ ...ACCOUNT, name: 'ledger_app', oid: '16384' }, ACCOUNT],
  connections: [],
  statements: { calls: [], resetAt: null, evicted: 0, nested: false },
  ...{ statementsWhy: null, seesConnections: true, pooled: false, cut: false },
};
const TRACES: OwnTraces = { boot: 'one', pids: [10], roles: [], asked: { admin: 0, others: 5 } };
const HOUR = 3_600_000;

const code = (expected: string, text = /./) => {
  return (error: unknown) =>
    (error as PosternError).code === expected && text.test((error as PosternError).message);
};

async function bank(context: TestContext) {
  let offset = 0;
  const clock = () => nowMicros() + offset;
  const test = await testControl(context, { clock });
  const { control, actor } = test;
  await control.resources.create(actor, RESOURCE);
  const said = {
    facts: FACTS,
    traces: [TRACES] as readonly OwnTraces[] | null,
    statements: 0,
    unresolved: 0,
  };
  const world: ReconcileWorld = {
    survey: async () => ({
      survey: { outcome: 'seen', facts: said.facts },
      before: said.traces,
      after: said.traces,
    }),
    recorded: async () => ({ statements: said.statements, unresolved: said.unresolved }),
  };
  const calls = (count: number) => ({
    ...said.facts,
    statements: {
      ...{ resetAt: null, evicted: 0, nested: false },
      calls: [{ oid: '16384', user: 'ledger_app', calls: count }],
    },
  });
  return {
    ...test,
    said,
    world,
    calls,
    run: () => control.reconciliations.run(actor, 'ledger-db', world),
    open: () => control.reconciliations.unmanaged({ status: 'open' }),
    later: (ms: number) => {
      offset += ms * 1000;
    },
    until: (ms: number) => new Date(clock() / 1000 + ms).toISOString(),
  };
}

describe('a reconciliation', () => {
  test('is a record with what it found, and tells of the same once', async (context) => {
    const { run, sink, open } = await bank(context);
    const { found } = await run();
    assert.deepEqual(found, { account: 1, connection: 0, statements: 0 });
    const types = () => sink.changes().map(({ type }) => type);
    assert.deepEqual(types().slice(-2), ['resource.reconciled', 'unmanaged.found']);
    await run();
    assert.deepEqual(types().slice(-1), ['resource.reconciled']);
    assert.equal((await open()).length, 1);
  });

  test('that two ask for at once is one', async (context) => {
    const { run } = await bank(context);
    const [one, two] = await Promise.all([run(), run()]);
    assert.equal(one.id, two.id);
  });

  test('that cannot be recorded found nothing, for anybody', async (context) => {
    const { run, sink, control, open } = await bank(context);
    sink.failing = true;
    await assert.rejects(run(), code('POSTERN_AUDIT_UNAVAILABLE'));
    sink.failing = false;
    assert.deepEqual(await control.reconciliations.list({}, { limit: 5 }), []);
    assert.deepEqual(await open(), []);
  });

  test('opens again what was accepted until now, whose owner left, or that can do more', async (context) => {
    const { run, open, control, actor, later, until, said } = await bank(context);
    const { reconciliations } = control;
    await run();
    const [{ id } = { id: '' }] = await open();
    const reopened = async (): Promise<string | null | undefined> => {
      await run();
      return (await open())[0]?.reopened;
    };
    await reconciliations.dispose(actor, id, { kind: 'accepted', reason: 'x', until: until(HOUR) });
    assert.equal(await reopened(), undefined);
    later(HOUR);
    assert.equal(await reopened(), 'it was accepted until now');
    await reconciliations.dispose(actor, id, { kind: 'adopted', reason: 'x', owner: 'bea@example.org' });
    assert.equal(await reopened(), undefined);
    await control.persons.disable(actor, 'bea@example.org', 'left');
    assert.equal(await reopened(), 'Bea Backup, who answers for it, is disabled');
    await reconciliations.dispose(actor, id, { kind: 'accepted', reason: 'x', until: until(HOUR) });
    said.facts = { ...FACTS, accounts: [{ ...ACCOUNT, superuser: true }] };
    assert.equal(await reopened(), 'it has changed: superuser');
    await reconciliations.dispose(actor, id, { kind: 'remediated', reason: 'x' });
    assert.equal(await reopened(), 'it is there again');
  });

  test('takes nothing for gone that it may not have seen', async (context) => {
    const { run, open, said } = await bank(context);
    await run();
    said.facts = { ...FACTS, accounts: [], cut: true };
    await run();
    assert.equal((await open()).length, 1);
    said.facts = { ...FACTS, accounts: [] };
    await run();
    assert.deepEqual(await open(), []);
  });

  test('compares no connections that it cannot tell apart, and says so', async (context) => {
    const { run, said } = await bank(context);
    const connection = {
      ...{ pid: 99, user: 'x', database: null, application: '', client: null, startedAt: null, active: true },
    };
    const connections = [connection, { ...connection, pid: 10 }];
    said.facts = { ...FACTS, connections };
    assert.equal((await run()).found.connection, 1);
    said.facts = { ...FACTS, connections, pooled: true };
    const pooled = await run();
    assert.deepEqual([pooled.found.connection, pooled.bounds[0]?.includes('a pooler')], [0, true]);
    said.facts = { ...FACTS, connections };
    said.traces = null;
    const silent = await run();
    assert.deepEqual([silent.found.connection, silent.counts], [0, null]);
  });
});

describe('statements are compared', () => {
  test('from one reconciliation to the next, with what Postern asked itself, and a slack', async (context) => {
    const { run, said, calls } = await bank(context);
    said.facts = calls(1000);
    assert.deepEqual((await run()).bounds, ['Statements are counted from now on.']);
    said.facts = calls(1300);
    said.statements = 280;
    said.traces = [{ ...TRACES, asked: { admin: 0, others: 15 } }];
    const [balance] = (await run()).balances;
    assert.deepEqual([balance?.ran, balance?.recorded, balance?.own, balance?.slack], [300, 280, 10, 10]);
    said.facts = calls(1311);
    assert.equal((await run()).found.statements, 1);
    // Commands of which it cannot be told how many statements they were have room for many.
    said.facts = calls(1400);
    said.unresolved = 1;
    assert.equal((await run()).found.statements, 0);
  });

  test('and not where that says nothing: nested ones, others that make roles, workers that ended, a reset', async (context) => {
    const { run, said, calls } = await bank(context);
    said.facts = calls(100);
    await run();
    const many = calls(100_000);
    said.facts = { ...many, statements: { ...many.statements, nested: true } };
    assert.equal((await run()).counts, null);
    await run();
    said.facts = { ...many, accounts: [{ ...ACCOUNT, mark: 'other' }] };
    assert.match((await run()).bounds.join(), /another Postern makes roles/);
    said.facts = calls(100);
    await run();
    said.facts = many;
    said.traces = [{ ...TRACES, boot: 'two' }];
    assert.match((await run()).bounds.join(), /a gateway worker has ended since/);
    said.statements = 40;
    said.facts = { ...calls(50), statements: { ...calls(50).statements, resetAt: FACTS.at } };
    const after = await run();
    assert.deepEqual([after.balances[0]?.ran, after.found.statements], [50, 0]);
  });

  test('by how many statements each kind of command is, however its text goes away', async () => {
    const totals = new StatementTotals();
    let text: string | null = 'select 1; select 2';
    const seen = [{ fingerprint: 'a', allowed: 10, text: async () => text }];
    assert.deepEqual(await totals.of(seen), { statements: 20, unresolved: 0 });
    text = null;
    assert.deepEqual(await totals.of(seen), { statements: 20, unresolved: 0 });
    const other = [{ fingerprint: 'b', allowed: 3, text: async () => text }];
    assert.deepEqual(await totals.of(other), { statements: 0, unresolved: 3 });
  });
});

describe('who says what becomes of something', () => {
  test('gives an end, or an owner who can answer, and not for what is gone', async (context) => {
    const { run, open, control, actor, until, said } = await bank(context);
    await run();
    const [{ id } = { id: '' }] = await open();
    const dispose = (input: object) =>
      control.reconciliations.dispose(actor, id, { kind: 'accepted', reason: 'x', ...input });
    await assert.rejects(dispose({}), code('POSTERN_INVALID', /until a time/));
    await assert.rejects(dispose({ until: until(-1) }), code('POSTERN_INVALID', /to come/));
    await assert.rejects(dispose({ until: until(367 * 24 * HOUR) }), code('POSTERN_INVALID', /366/));
    await assert.rejects(dispose({ until: until(HOUR), owner: 'x' }), code('POSTERN_INVALID'));
    const adopt = (owner?: string) => dispose({ kind: 'adopted', ...(owner !== undefined && { owner }) });
    await assert.rejects(adopt(), code('POSTERN_INVALID'));
    await assert.rejects(adopt('nobody@example.org'), code('POSTERN_NOT_FOUND'));
    const anna = { name: 'Anna', email: 'anna@example.org', roles: ['auditor'] } as const;
    await control.persons.create(actor, anna);
    await assert.rejects(adopt('anna@example.org'), code('POSTERN_INVALID', /has not the role/));
    await control.persons.disable(actor, 'bea@example.org', 'left');
    await assert.rejects(adopt('bea@example.org'), code('POSTERN_CONFLICT', /disabled/));
    said.facts = { ...FACTS, accounts: [] };
    await run();
    await assert.rejects(dispose({ until: until(HOUR) }), code('POSTERN_CONFLICT', /not there any more/));
  });

  test('is asked of resources by and by, and of none that is retired', async (context) => {
    const { run, control, actor, later, world } = await bank(context);
    const due = async () => (await control.reconciliations.due(HOUR)).map(({ name }) => name);
    assert.deepEqual(await due(), []);
    later(HOUR + 1000);
    assert.deepEqual(await due(), ['ledger-db']);
    await run();
    assert.deepEqual(await due(), []);
    later(HOUR + 1000);
    await control.resources.retire(actor, 'ledger-db', 'gone');
    assert.deepEqual(await due(), []);
    await assert.rejects(
      control.reconciliations.run(actor, 'ledger-db', world),
      code('POSTERN_CONFLICT', /retired/),
    );
  });
});
