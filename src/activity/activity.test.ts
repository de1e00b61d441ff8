import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { globMatches } from '../core/glob.ts';
import { uuidv7 } from '../core/ids.ts';
import type { Ref } from '../core/record.ts';
import { rfc3339 } from '../core/time.ts';
import { ActivityIndex } from './activity-index.ts';
import type { ActivityFilter } from './filter.ts';
import { ActivityQuery } from './query.ts';
import { leavesOf, STORY_START, Story } from './story.fixture.ts';
import { verbObjects } from './summary.ts';
import { microsOf } from './times.ts';

interface Scene {
  readonly story: Story;
  readonly batch: Ref;
  readonly other: Ref;
  readonly grant: string;
  readonly session: string;
  readonly denied: string;
  readonly unanswered: string;
}

function scene(): Scene {
  const story = new Story().people().resource();
  const batch = story.principal('nightly-ledger-batch');
  const other = story.principal('reporting');
  const grant = story.grant(batch);
  const otherGrant = story.grant(other, 'CHG-7');
  const session = story.open(batch, grant, story.credential(batch, grant));
  const otherSession = story.open(other, otherGrant, story.credential(other, otherGrant));
  for (let i = 0; i < 30; i++) {
    story.run(batch, session, grant, i % 3 === 0 ? 'insert' : 'select', `ledger.t${i % 4}`, `statement ${i}`);
    story.run(other, otherSession, otherGrant, 'select', 'ledger.accounts', 'select 1');
  }
  const denied = story.deny(batch, session, 'select', 'hr.salaries', 'select * from hr.salaries');
  const unanswered = story.intent(batch, session, grant, 'select', 'ledger.accounts', 'select pg_sleep(9)');
  story.wait(3_600_000_000);
  story.handOver(batch, story.ana);
  story.run(batch, session, grant, 'select', 'ledger.late', 'select 2');
  story.close(batch, session, 32, 1);
  story.revoke(batch, grant, 'run ended');
  return { story, batch, other, grant, session, denied, unanswered };
}

describe('activity index and query', () => {
  const dir = mkdtempSync(join(tmpdir(), 'postern-activity-'));
  const file = join(dir, 'index.db');
  const s = scene();
  let index: ActivityIndex;
  let query: ActivityQuery;
  before(() => {
    index = ActivityIndex.open(file);
    const leaves = leavesOf(s.story.told);
    index.consume(leaves.slice(0, 7));
    index.consume(leaves.slice(7));
    query = ActivityQuery.open(file);
  });
  after(() => {
    query.close();
    index.close();
    rmSync(dir, { recursive: true });
  });
  const all = (filter: ActivityFilter, order: 'asc' | 'desc' = 'asc', limit = 7) => {
    const items = [];
    let cursor: string | undefined;
    do {
      const page = query.query(filter, { order, limit, cursor });
      items.push(...page.items);
      cursor = page.next ?? undefined;
    } while (cursor !== undefined);
    return items;
  };

  test('an item says who, under which owner, grant, approval and ticket, what, and how it ended', () => {
    const item = all({ principal: 'nightly-ledger-batch' })[0];
    assert.ok(item);
    assert.deepEqual(item.principal, s.batch);
    assert.deepEqual(item.owner, s.story.olaf);
    assert.deepEqual(item.resource, s.story.database);
    assert.equal(item.grant, s.grant);
    assert.equal(item.ticket, 'CHG-1042');
    assert.deepEqual(item.authority?.approvers, [s.story.ana]);
    assert.deepEqual([item.verbs, item.objects], [['insert'], ['ledger.t0']]);
    assert.deepEqual([item.decision, item.status, item.code, item.rows], ['allow', 'ok', 'SELECT 1', 1]);
    assert.equal(item.outcomeLeaf, item.leaf + 1);
    const record = s.story.told[item.leaf]?.record;
    assert.deepEqual([item.id, item.time, item.type], [record?.id, record?.time, record?.type]);
  });

  test('a denial carries its code and reason, an intent without outcome has none', () => {
    const denial = query.item(s.denied);
    assert.deepEqual(
      [denial?.decision, denial?.code, denial?.reason, denial?.grant],
      ['deny', 'POSTERN_SCOPE_DENIED', 'No grant covers select on hr.salaries.', null],
    );
    const open = query.item(s.unanswered);
    assert.deepEqual([open?.status, open?.code, open?.outcomeLeaf], [null, null, null]);
  });

  test('pages in either order give every match once, in the order of the leaves', () => {
    const wanted = s.story.told.flatMap(({ record }, leaf) =>
      record.type === 'command.intent' || record.type === 'command.denied' ? [leaf] : [],
    );
    for (const limit of [1, 2, 7, 63, 64, 1000]) {
      assert.deepEqual(
        all({}, 'asc', limit).map((item) => item.leaf),
        wanted,
      );
      assert.deepEqual(
        all({}, 'desc', limit).map((item) => item.leaf),
        wanted.toReversed(),
      );
    }
  });

  test('every filter gives exactly what reading all records gives', () => {
    const times = s.story.told.map(({ record }) => record.time);
    const ownerAt = (principal: string | undefined, leaf: number): string | undefined => {
      let owner: string | undefined;
      for (const { record } of s.story.told.slice(0, leaf + 1)) {
        const change = record.change as { entity: string; id: string; after: { owner?: Ref } } | undefined;
        if (change?.entity === 'principal' && change.id === principal) owner = change.after.owner?.id;
      }
      return owner;
    };
    const field = <T>(values: readonly T[]): fc.Arbitrary<T | undefined> =>
      fc.option(fc.constantFrom(...values), { nil: undefined });
    fc.assert(
      fc.property(
        fc.record({
          principal: field(['nightly-ledger-batch', s.other.id]),
          owner: field([s.story.olaf.name, 'ana@bank.example']),
          resource: field(['ledger-db']),
          grant: field([s.grant]),
          session: field([s.session]),
          verb: field(['select', 'insert', 'drop']),
          object: field(['ledger.*', '*.t?', 'hr.salaries', '*', 'x']),
          decision: field(['allow', 'deny'] as const),
          type: field(['command', 'session', 'change', 'all'] as const),
          since: field(times),
          until: field(times),
        }),
        fc.constantFrom('asc' as const, 'desc' as const),
        fc.integer({ min: 1, max: 20 }),
        (filter, order, limit) => {
          const wanted = s.story.told.flatMap(({ record }, leaf) => {
            const kind = record.type.split('.')[0];
            const group = kind === 'command' ? 'command' : kind === 'session' ? 'session' : 'change';
            const change = record.change as { entity: string; id: string } | undefined;
            const resource = (record.resource as Ref | undefined)?.id;
            const verbs = (record.verbs ?? []) as string[];
            const objects = (record.objects ?? []) as string[];
            const effect = (record.decision as { effect: string } | undefined)?.effect;
            const fits =
              record.type !== 'command.outcome' &&
              ((filter.type ?? 'command') === 'all' || group === (filter.type ?? 'command')) &&
              (filter.principal === undefined ||
                [record.principal?.id, record.principal?.name].includes(filter.principal)) &&
              (filter.owner === undefined ||
                ownerAt(record.principal?.id, leaf) ===
                  (filter.owner === 'ana@bank.example' ? s.story.ana.id : s.story.olaf.id)) &&
              (filter.resource === undefined ||
                resource === s.story.database.id ||
                change?.id === s.story.database.id) &&
              (filter.grant === undefined || record.grant === s.grant || change?.id === s.grant) &&
              (filter.session === undefined || record.session === s.session) &&
              (filter.verb === undefined || verbs.includes(filter.verb)) &&
              (filter.object === undefined || objects.some((o) => globMatches(filter.object as string, o))) &&
              (filter.decision === undefined || effect === filter.decision) &&
              (filter.since === undefined || record.time >= filter.since) &&
              (filter.until === undefined || record.time < filter.until);
            return fits ? [leaf] : [];
          });
          const found = all(filter, order, limit).map((item) => item.leaf);
          assert.deepEqual(found, order === 'asc' ? wanted : wanted.toReversed());
        },
      ),
      { numRuns: 400 },
    );
  });

  test('the summary answers what a job did and on whose authority', () => {
    const sum = query.summary({ principal: 'nightly-ledger-batch' });
    assert.deepEqual([sum.commands, sum.denied, sum.sessions], [32, 1, 1]);
    assert.deepEqual(
      sum.principals.map((p) => [p.name, p.owner?.name]),
      [['nightly-ledger-batch', 'Ana Admin']],
    );
    const salaries = sum.byVerbObject.find((row) => row.object === 'hr.salaries');
    assert.deepEqual(salaries, { verb: 'select', object: 'hr.salaries', allowed: 0, denied: 1, rows: 0 });
    assert.equal(
      sum.byVerbObject.reduce((n, row) => n + row.allowed, 0),
      32,
    );
    const [grant, ...none] = sum.grants;
    assert.deepEqual(none, []);
    assert.deepEqual(
      [grant?.id, grant?.status, grant?.endReason, grant?.authority?.ticket, grant?.resource?.name],
      [s.grant, 'revoked', 'run ended', 'CHG-1042', 'ledger-db'],
    );
  });

  test('a summary of nothing is empty, not an error', () => {
    const sum = query.summary({ verb: 'drop' });
    assert.deepEqual([sum.commands, sum.firstAt, sum.byVerbObject, sum.grants], [0, null, [], []]);
  });

  test('unknown names, times, limits and foreign cursors are refused by name', () => {
    const code = (expected: string) => (error: unknown) => (error as { code: string }).code === expected;
    assert.throws(() => query.query({ principal: 'nobody' }), code('POSTERN_NOT_FOUND'));
    assert.throws(() => query.query({ owner: "' OR 1=1 --" }), code('POSTERN_NOT_FOUND'));
    assert.throws(() => query.query({ since: 'yesterday' }), code('POSTERN_INVALID'));
    for (const limit of [0, -1, 1.5, 1001, Number.NaN]) {
      assert.throws(() => query.query({}, { limit }), code('POSTERN_INVALID'));
    }
    const cursor = query.query({}, { limit: 1 }).next ?? '';
    assert.throws(() => query.query({ verb: 'select' }, { cursor }), code('POSTERN_INVALID'));
    assert.throws(() => query.query({}, { cursor, order: 'asc' }), code('POSTERN_INVALID'));
    fc.assert(
      fc.property(fc.string(), (text) => {
        assert.throws(() => query.query({}, { cursor: text }), code('POSTERN_INVALID'));
      }),
    );
  });

  test('leaves given twice count once, and a gap is refused', () => {
    const size = index.indexedSize();
    index.consume(leavesOf(s.story.told));
    assert.equal(index.indexedSize(), size);
    assert.equal(all({}).length, 63);
    assert.throws(() => index.consume(leavesOf(s.story.told.slice(0, 1), size + 1)), /given leaf/);
  });

  test('a batch that fails leaves nothing behind and can be given again', () => {
    const copy = join(dir, 'again.db');
    const fresh = ActivityIndex.open(copy);
    const leaves = leavesOf(s.story.told);
    const broken = leaves.map((leaf) => (leaf.index === 40 ? { ...leaf, entry: Buffer.from('{') } : leaf));
    assert.throws(() => fresh.consume(broken));
    assert.equal(fresh.indexedSize(), 0);
    fresh.consume(leaves);
    const reader = ActivityQuery.open(copy);
    assert.deepEqual(reader.summary({}), query.summary({}));
    reader.close();
    fresh.close();
  });

  test('a record that was too large for its leaf, or is not well-formed, does not stop the index', () => {
    const odd = ActivityIndex.open(join(dir, 'odd.db'));
    const types = ['command.intent', 'command.denied', 'command.outcome', 'session.refused', 'grant.revoked'];
    const records = types.flatMap((type) => [
      { id: uuidv7(), time: 'never', type, actor: s.batch, recordOmitted: true },
      { id: 'x', time: s.story.time, type, actor: s.batch, principal: s.batch, recordOmitted: true },
    ]);
    odd.consume(leavesOf(records.map((record) => ({ record: record as never, payloads: [] }))));
    assert.equal(odd.indexedSize(), records.length);
    odd.close();
  });

  test('an index that was reopened finds the intents of outcomes that come later', () => {
    const copy = join(dir, 'reopened.db');
    const leaves = leavesOf(s.story.told);
    for (let i = 0; i < leaves.length; i += 3) {
      const part = ActivityIndex.open(copy);
      part.consume(leaves.slice(0, i + 3));
      part.close();
    }
    const reader = ActivityQuery.open(copy);
    assert.deepEqual(reader.query({}, { limit: 1000 }), query.query({}, { limit: 1000 }));
    reader.close();
  });

  test('a file that is no index is replaced by an empty one', () => {
    const junk = join(dir, 'junk.db');
    writeFileSync(junk, 'this is not a database, but it is long enough to be read as one'.repeat(100));
    const fresh = ActivityIndex.open(junk);
    assert.equal(fresh.indexedSize(), 0);
    fresh.close();
  });
});

test('globs match as the equal regular expression does, and hostile ones end', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', '.', '*', '?') });
  fc.assert(
    fc.property(letters, letters, (glob, text) => {
      const source = glob.replaceAll('.', '\\.').replaceAll('*', '.*').replaceAll('?', '.');
      assert.equal(globMatches(glob, text), new RegExp(`^${source}$`, 's').test(text));
    }),
  );
  assert.equal(globMatches(`${'a*'.repeat(2000)}b`, 'a'.repeat(2000)), false);
});

test('record times become microseconds and back', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4_000_000_000_000_000 }), (micros) => {
      assert.equal(microsOf(rfc3339(micros)), micros);
    }),
  );
  assert.equal(microsOf('2026-11-21T20:30:00.5+01:00'), STORY_START + 500_000);
  for (const text of ['', '2026-11-21', '2026-13-21T00:00:00Z', '2026-11-21T19:30:00.12x456Z', uuidv7()]) {
    assert.throws(() => microsOf(text), { code: 'POSTERN_INVALID' });
  }
});

test('verbs and objects are paired only where the record says which went with which', () => {
  assert.deepEqual(verbObjects(['select'], ['a', 'b']), [
    ['select', 'a'],
    ['select', 'b'],
  ]);
  assert.deepEqual(verbObjects(['select', 'update'], ['a']), [
    ['select', 'a'],
    ['update', 'a'],
  ]);
  assert.deepEqual(verbObjects(['insert', 'select'], ['a', 'b']), [['insert, select', 'a, b']]);
  assert.deepEqual(verbObjects(['begin'], []), [['begin', '']]);
});
