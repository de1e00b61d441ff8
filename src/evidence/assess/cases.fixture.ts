/**
 * For tests: a log in which things happen through the product's own operations, and what a query says of it. Sessions and
 * commands are written as a gateway worker writes them, since only their records matter here.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { reviewBank } from '../../access/review/review.fixture.ts';
import { uuidv7 } from '../../core/ids.ts';
import type { RecordBase, Ref } from '../../core/record.ts';
import { nowMicros, rfc3339 } from '../../core/time.ts';
import type { LeafRecord } from '../../ledger/leaf.ts';
import type { Grant } from '../../store/entities.ts';
import { Commands } from '../commands.ts';
import { POPULATIONS } from '../format.ts';
import { Populations } from '../populations.ts';
import { asked, PERIOD } from './assess.fixture.ts';
import { CommandSummary } from './command-summary.ts';
import { buildDatabase, type ReadRows } from './database.ts';
import { builtInLibrary } from './library.ts';
import { recordRow } from './record-rows.ts';
import { addSampling } from './sampling.ts';
import type { AssessmentResult, ParameterValue, Query } from './types.ts';

const DAY_US = 86_400_000_000;
type Bank = Awaited<ReturnType<typeof reviewBank>>;
export type Values = Readonly<Record<string, ParameterValue>>;

/** A bank with its log. `batch` has a grant on `ledger-db`, `reports` one on `hr-db`. */
export interface World extends Bank {
  ref(principal: string): Promise<Ref>;
  /** Writes a record into the log. */
  tell(type: RecordBase['type'], principal: Ref, rest: object): Promise<string>;
  /** Writes a change that Postern itself would not make: what a record said of a thing last, with that changed. */
  amend(entity: string, id: string, type: RecordBase['type'], change: object): void;
  /** A session of a principal under a grant, opened by a credential of it; answers its id. */
  session(grant: Grant, more?: object): Promise<string>;
  close(grant: Grant, session: string): Promise<void>;
  /** A command that is let through and answered. */
  run(grant: Grant, session: string, more?: object): Promise<void>;
  /** What a query says of the log. @param days after now, in which nothing happens */
  ask(query: string | Query, parameters?: Values, days?: number): AssessmentResult;
}

export async function world(context: TestContext): Promise<World> {
  const bank = await reviewBank(context);
  const { sink, control, actor } = bank;
  const tell: World['tell'] = async (type, principal, rest) => {
    const id = uuidv7();
    const who = { kind: 'principal', ...principal };
    const record = { id, time: rfc3339(nowMicros()), type, actor: who, principal, ...rest };
    sink.append(JSON.stringify(record));
    sink.flush();
    return id;
  };
  const base = (grant: Grant, session: string): object => ({
    ...{ session, resource: grant.resource, protocol: 'postgres', source: '10.1.1.7:50412' },
  });
  return {
    ...bank,
    tell,
    amend: (entity, id, type, change) => {
      const last = sink.changes().findLast((each) => each.change.entity === entity && each.change.id === id);
      if (last === undefined) throw new Error(`There is no ${entity} ${id}.`);
      const { after: before } = last.change;
      const after = { ...before, ...change };
      const head = { ...last, id: uuidv7(), time: rfc3339(nowMicros()), type };
      sink.append(JSON.stringify({ ...head, change: { ...last.change, before, after } }));
      sink.flush();
    },
    ref: async (name) => {
      const { id } = await control.principals.get(name);
      return { id, name };
    },
    session: async (grant, more = {}) => {
      const { credential } = await control.credentials.issue(actor, {
        ...{ principal: grant.principal.id, grant: grant.id, ttlSeconds: 3600 },
      });
      const session = uuidv7();
      await tell('session.opened', grant.principal, {
        ...base(grant, session),
        ...{ credential: credential.id, grants: [grant.id], database: 'bank', upstreamUser: 'ledger_app' },
        ...{ tls: { client: 'TLSv1.3', upstream: 'TLSv1.3' }, upstreamIdentity: 'fixed', client: 'psql' },
        ...more,
      });
      return session;
    },
    close: async (grant, session) => {
      const counts = { durationUs: 1, commands: 1, denied: 0 };
      await tell('session.closed', grant.principal, { ...base(grant, session), reason: 'client', ...counts });
    },
    run: async (grant, session, more = {}) => {
      const intent = await tell('command.intent', grant.principal, {
        ...base(grant, session),
        ...{ verbs: ['select'], objects: ['ledger.entries'], fingerprint: 'f', grant: grant.id },
        ...{ decision: { effect: 'allow', rule: 'select on ledger.*' }, ...more },
      });
      const outcome = { intent, status: 'ok', code: 'SELECT 1', rows: 1, bytes: 1, durationUs: 1 };
      await tell('command.outcome', grant.principal, { ...base(grant, session), ...outcome });
    },
    ask: (query, parameters = {}, days = 0) => askOf(sink.written, query, parameters, days),
  };
}

/** What a query says of records as they are in a log. @param days as `World.ask` */
export function askOf(
  written: readonly string[],
  named: string | Query,
  parameters: Values,
  days: number,
): AssessmentResult {
  const query = typeof named === 'string' ? builtInLibrary().queries.get(named) : named;
  if (query === undefined) throw new Error(`There is no query ${String(named)}.`);
  const { read, asOf } = tablesOf(written, days);
  const values = Object.entries(parameters).map(([id, value]) => ({ id, value }));
  const db = buildDatabase(read, PERIOD, asOf, values);
  try {
    addSampling(db.sql, asOf, 'test');
    return asked(db, query, values, asOf);
  } finally {
    db.sql.close();
  }
}

function tablesOf(written: readonly string[], days: number) {
  const populations = new Populations();
  const summary = new CommandSummary();
  const records: object[] = [];
  const all = { principal: null, resource: null, since: null, until: null, statements: 'full' } as const;
  const commands = new Commands({
    populations,
    parameters: all,
    problem: () => undefined,
    emit: ({ row, shared }) => summary.add(row, shared),
  });
  for (const [leaf, json] of written.entries()) {
    const record = { ...(JSON.parse(json) as object), v: 1, leaf } as LeafRecord;
    populations.take(leaf, record);
    commands.take(leaf, { record, shared: null });
    const row = recordRow(leaf, record);
    if (row !== null) records.push(row);
  }
  commands.end();
  const tables = new Map<string, readonly object[]>([
    ['activity/records.ndjson', records],
    ['activity/commands_summary.ndjson', summary.rows()],
    ...POPULATIONS.map((name) => [`populations/${name}.ndjson`, [...populations.rows(name)]] as const),
  ]);
  const time = rfc3339(nowMicros() + days * DAY_US);
  const asOf = { origin: 'test', size: written.length, root: '', time };
  const read: ReadRows = (file) => (tables.get(file) as ReturnType<ReadRows>) ?? null;
  return { read, asOf };
}

/** What makes a query pass, and what then makes it fail. */
export interface Case {
  readonly query: string;
  readonly parameters?: Values;
  /** Days after what happened, at which it is asked. */
  readonly days?: number;
  readonly good: (world: World) => Promise<unknown>;
  readonly bad: (world: World) => Promise<unknown>;
  /** Instead of `days`, for what is bad. */
  readonly badDays?: number;
  /** What the failing rows must name. */
  readonly names: string;
}

/** A test for each case: it passes after what is good, and fails, naming what fails, after what is bad. */
export function testCases(cases: readonly Case[]): void {
  for (const { query, parameters = {}, days = 0, good, bad, badDays = days, names } of cases) {
    test(`${query}: passes, and fails with the rows that fail`, async (context) => {
      const w = await world(context);
      await good(w);
      const passed = w.ask(query, parameters, days);
      assert.equal(passed.outcome, 'pass', JSON.stringify(passed));
      await bad(w);
      const failed = w.ask(query, parameters, badDays);
      assert.equal(failed.outcome, 'fail', JSON.stringify(failed));
      assert.ok(JSON.stringify(failed.failing).includes(names), JSON.stringify(failed.failing));
      assert.ok((failed.examined ?? 0) > 0);
    });
  }
}
