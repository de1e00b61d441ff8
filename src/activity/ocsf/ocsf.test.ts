import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { RECORD_TYPES } from '../../core/record.ts';
import type { LeafRecord } from '../../ledger/leaf.ts';
import { leavesOf, Story } from '../story.fixture.ts';
import { type CommandFacts, commandEvent } from './command-event.ts';
import { OcsfContext } from './context.ts';
import { leafEvent } from './leaf-event.ts';
import { OCSF_VERSION } from './shapes.ts';
import { problemsOf } from './validate.fixture.ts';

const REF = { id: '019a0000-0000-7000-8000-000000000001', name: 'nightly' };

describe('records as OCSF events', () => {
  const base = (type: string, more: object = {}): LeafRecord =>
    ({
      v: 1,
      leaf: 7,
      id: '019a0000-0000-7000-8000-00000000000f',
      time: '2026-11-21T19:30:00.123456Z',
      type,
      actor: { kind: 'person', id: 'p', name: 'Ana' },
      ...more,
    }) as LeafRecord;

  test('every type of record has an event that is valid, with or without a principal and a change', () => {
    const after = {
      id: 'x',
      name: 'x',
      scope: 'select on a',
      status: 'active',
      authority: { approvers: [] },
    };
    const shapes = [
      {},
      { principal: REF },
      { change: { entity: 'person', id: 'x', before: null, after } },
      { principal: REF, change: { entity: 'grant', id: 'x', before: null, after }, reason: 'since' },
      { actor: { kind: 'system', id: 'system', name: 'Postern' } },
      {
        actor: { kind: 'directory', id: 'd', name: 'HR' },
        session: 's',
        source: '[::1]:5000',
        resource: REF,
      },
    ];
    for (const type of RECORD_TYPES.filter((name) => !name.startsWith('command.'))) {
      for (const shape of shapes) {
        const record = base(type, shape);
        const context = new OcsfContext({ forgets: true });
        context.take(record);
        const event = leafEvent(record, context);
        assert.deepEqual(problemsOf(event), [], `${type} ${JSON.stringify(shape)} ${JSON.stringify(event)}`);
        assert.equal((event.metadata as { event_code: string }).event_code, type);
      }
    }
  });

  test('an event is valid whatever is in the texts of its record', () => {
    const text = fc.string({ unit: 'binary', maxLength: 40 });
    const list = fc.array(text, { maxLength: 4 });
    const ref = fc.record({ id: text, name: text });
    const nullable = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(of);
    const facts: fc.Arbitrary<CommandFacts> = fc.record({
      record: fc.record({
        id: text,
        time: fc.constant('2026-11-21T19:30:00.123456Z'),
        leaf: fc.nat(),
        type: fc.constantFrom('command.intent', 'command.denied', 'command.outcome'),
      }),
      principal: nullable(ref),
      owner: nullable(ref),
      session: text,
      resource: nullable(ref),
      protocol: fc.constantFrom('postgres', 'http'),
      grant: nullable(text),
      verbs: list,
      objects: list,
      fingerprint: nullable(text),
      refused: nullable(fc.record({ code: text, reason: text })),
      rule: nullable(text),
      delegation: fc.constant([]),
      outcome: nullable(
        fc.record({
          leaf: fc.nat(),
          status: fc.constantFrom('ok', 'error', 'skipped', 'unknown'),
          code: text,
          rows: fc.nat(),
          bytes: fc.nat(),
          durationUs: fc.nat(),
          masked: fc.constant([]),
        }),
      ),
      statement: nullable(text),
    });
    fc.assert(
      fc.property(facts, text, (given, source) => {
        const context = new OcsfContext({ forgets: false });
        context.take(base('session.opened', { session: given.session, source, credential: 'c' }));
        const event = commandEvent(given, context);
        assert.deepEqual(problemsOf(event), []);
        assert.deepEqual(problemsOf(JSON.parse(JSON.stringify(event))), []);
        assert.deepEqual(
          problemsOf(leafEvent(base('session.closed', { session: given.session, source }), context)),
          [],
        );
      }),
      { numRuns: 300 },
    );
  });

  test('a command says who, for whom it is answered, on whose authority, from where, and what came of it', () => {
    const story = new Story().people().resource();
    const batch = story.principal('batch');
    const grant = story.grant(batch);
    const session = story.open(batch, grant, story.credential(batch, grant));
    const context = new OcsfContext({ forgets: true });
    for (const { entry } of leavesOf(story.told))
      context.take(JSON.parse(entry.toString('utf8')) as LeafRecord);
    const event = commandEvent(
      {
        record: { id: 'i', time: story.time, leaf: 9, type: 'command.intent' },
        principal: batch,
        owner: story.olaf,
        session,
        resource: story.database,
        protocol: 'postgres',
        grant,
        verbs: ['select', 'update'],
        objects: ['ledger.accounts'],
        fingerprint: 'f1',
        refused: null,
        rule: 'select on ledger.*',
        delegation: [],
        outcome: {
          leaf: 10,
          status: 'ok',
          code: 'UPDATE 1',
          rows: 1,
          bytes: 0,
          durationUs: 1500,
          masked: [],
        },
        statement: 'update ledger.accounts set a = 0',
      },
      context,
    );
    assert.deepEqual(problemsOf(event), []);
    assert.partialDeepStrictEqual(event, {
      class_uid: 6005,
      activity_id: 2,
      type_uid: 600502,
      status_id: 1,
      duration: 2,
      actor: { user: { name: 'batch', type_id: 4 }, session: { uid: session } },
      src_endpoint: { ip: '10.1.1.7', port: 50412 },
      dst_endpoint: { ip: '10.0.0.5', port: 5432, svc_name: 'ledger-db' },
      table: { name: 'ledger.accounts' },
      query_info: { query_string: 'update ledger.accounts set a = 0', uid: 'f1' },
      action_id: 1,
      metadata: { version: OCSF_VERSION, sequence: 9, correlation_uid: session },
    });
    const data = (event.enrichments as { type: string; data: Record<string, unknown> }[]).find(
      ({ type }) => type === 'grant',
    )?.data;
    assert.equal(data?.ticket, 'CHG-1042');
    assert.deepEqual(data?.approvers, [story.ana]);
  });

  test('what is closed is forgotten after its own event, where that is asked for', () => {
    const context = new OcsfContext({ forgets: true });
    context.take(base('session.opened', { session: 's', source: '10.0.0.1:1' }));
    const closed = base('session.closed', { session: 's', source: '10.0.0.1:1' });
    context.take(closed);
    assert.notEqual(context.session('s'), undefined);
    context.done(closed);
    assert.equal(context.session('s'), undefined);
  });

  test('the validator finds what is wrong', () => {
    const good = leafEvent(base('grant.activated', { principal: REF }), new OcsfContext({ forgets: true }));
    assert.deepEqual(problemsOf(good), []);
    assert.match(problemsOf({ ...good, type_uid: 1 }).join(), /does not follow/);
    assert.match(problemsOf({ ...good, user: {} }).join(), /has none of/);
    assert.match(problemsOf({ ...good, privileges: undefined }).join(), /is missing/);
    assert.match(problemsOf({ ...good, more: 1 }).join(), /is unknown/);
    assert.match(problemsOf({ ...good, activity_id: 50 }).join(), /is 50/);
  });
});
