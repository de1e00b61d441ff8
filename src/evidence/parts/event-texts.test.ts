import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { commandEvent } from '../../activity/ocsf/command-event.ts';
import { OcsfContext } from '../../activity/ocsf/context.ts';
import type { LeafRecord } from '../../ledger/leaf.ts';
import type { PayloadShown, ShownCommandRow } from '../format.ts';
import { factsOf } from './event-facts.ts';
import { EventTexts } from './event-texts.ts';
import { RowScan } from './row-scan.ts';

const record = (leaf: number, more: object): LeafRecord =>
  ({ v: 1, leaf, time: '2026-11-21T19:30:00.008000Z', ...more }) as unknown as LeafRecord;

/** What is known of sessions, grants and resources: a second version of each changes what its events say. */
function take(context: OcsfContext, version: number): void {
  const authority = { kind: 'approval', approvers: [], ticket: `T-${version}`, justification: 'é' };
  for (const nth of [0, 1]) {
    context.take(
      record(1, {
        type: 'session.opened',
        session: `s${nth}`,
        source: `10.0.0.${version}:${5000 + nth}`,
        protocol: nth === 0 ? 'postgres' : 'http',
        client: version === 2 ? '181818181818181' : 'psql',
      }),
    );
    const grant = { scope: 'select on *', end: '2027-01-01T00:00:00Z', authority };
    context.take(record(2, { type: 'x', change: { entity: 'grant', id: `g${nth}`, after: grant } }));
  }
  const after = { host: `db${version}.bank.example`, port: 5432, environment: 'production' };
  context.take(record(3, { type: 'x', change: { entity: 'resource', id: 'r', after } }));
}

/** Mostly a value of the form in which Postern writes it. */
const mostly = <T>(usual: fc.Arbitrary<T>, odd: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ weight: 15, arbitrary: usual }, { weight: 1, arbitrary: odd });
const text = mostly(
  fc.constantFrom('select 1', '"}}', '\\', '","status":"ok', '', 'line\nline'),
  fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('\u0001 statement', '181818181818181', 'é', '\ud800'),
  ),
);
const number = mostly<number | null>(
  fc.oneof(fc.nat(), fc.constantFrom(0, 499, 500, 1500)),
  fc.constantFrom(181818181818181, 363636363636363, 2 ** 53 - 1, 1.5, -1, null),
);
const committed = { commitment: fc.constant('0a'.repeat(32)), bytes: fc.nat() };
const payload = mostly<unknown>(
  fc.record({ ...committed, salt: fc.constant('0b'.repeat(16)), text }),
  fc.oneof(
    fc.record({ ...committed, masked: text }),
    fc.record({ ...committed, absent: fc.constant('erased') }),
  ),
) as fc.Arbitrary<PayloadShown>;
const ref = { id: '01a201f7-4cfc-7006-978e-930fea1c95d8', name: 'bätch' };
const row: fc.Arbitrary<ShownCommandRow> = fc
  .record({
    leaf: number,
    outcomeLeaf: number,
    id: mostly(
      fc.constant('01a201f7-4d0b-7000-899b-b19a8ddd20f6'),
      fc.constant('01a201f7-4d0b-7000-899b-b19a8ddd20"6'),
    ),
    time: mostly(fc.constant('2026-11-21T19:30:00.008000Z'), fc.constant('2222-02-22T22:22:22.222222Z')),
    decision: mostly(fc.constant('allow'), fc.constant('deny')),
    principal: fc.constantFrom(ref, null),
    owner: fc.constantFrom(ref, null),
    session: fc.constantFrom('s0', 's1', 's2'),
    resource: fc.constantFrom({ id: 'r', name: 'ledger-db' }, null),
    grant: fc.constantFrom('g0', 'g1', null),
    approvers: fc.constant([]),
    ticket: fc.constant(null),
    justification: fc.constant(null),
    verbs: fc.constantFrom<string[]>(['select'], ['insert', 'select'], []),
    objects: fc.constantFrom<string[]>(['ledger.t'], ['ledger.a', 'ledger.b'], []),
    fingerprint: fc.constantFrom('f', null),
    why: fc.constantFrom('rule', 'CODE: reason', '272727272727272'),
    status: mostly<string | null>(fc.constantFrom('ok', 'error', 'cancelled'), fc.constant(null)),
    code: mostly<string | null>(text, fc.constant(null)),
    rows: number,
    bytes: number,
    durationUs: number,
    payloads: mostly<unknown>(
      fc.record({ statement: payload, parameters: payload }, { requiredKeys: ['statement'] }),
      fc.constant({}),
    ),
  })
  .map((made) => made as unknown as ShownCommandRow);

describe('events written from what those of their kind have in common', () => {
  test('are the same as those that are made one by one, whatever is in them and whatever changes meanwhile', () => {
    let short = 0;
    fc.assert(
      fc.property(
        fc.array(fc.tuple(row, fc.constantFrom(0, 0, 0, 1, 2)), { maxLength: 40, size: 'max' }),
        (all) => {
          const context = new OcsfContext({ forgets: false });
          const texts = new EventTexts(context);
          const scan = new RowScan();
          for (const [one, version] of all) {
            if (version > 0) take(context, version);
            const line = JSON.stringify(one);
            // What stands in the file is read back: a text of half a pair of surrogates is one there, too.
            const event = commandEvent(factsOf(JSON.parse(line) as ShownCommandRow, context), context);
            const said = scan.read(Buffer.from(line)) ? texts.line(scan) : null;
            if (said === null) continue;
            short += 1;
            assert.equal(said, Buffer.from(`${JSON.stringify(event)}\n`).toString('latin1'));
          }
        },
      ),
      { numRuns: 400 },
    );
    assert.equal(short > 1000, true, `some go the short way: ${short}`);
  });

  test('are not written from a row that is not in the form of Postern: it is read as a whole', () => {
    const plain =
      '{"leaf":8,"outcomeLeaf":9,"id":"01a201f7-4d0b-7000-899b-b19a8ddd20f6","time":"2026-11-21T19:30:00.008000Z","decision":"allow",' +
      '"principal":null,"owner":null,"session":"s0","resource":null,"grant":"g0","approvers":[],"ticket":null,"justification":null,' +
      '"verbs":["select"],"objects":[],"fingerprint":null,"why":"rule","status":"ok","code":"SELECT 1","rows":1,"bytes":20,' +
      `"durationUs":420,"payloads":{"statement":{"commitment":"${'0a'.repeat(32)}","bytes":8,"salt":"${'0b'.repeat(16)}","text":"select 1"}}}`;
    const context = new OcsfContext({ forgets: false });
    const texts = new EventTexts(context);
    const scan = new RowScan();
    const short = (line: string): boolean => scan.read(Buffer.from(line)) && texts.line(scan) !== null;
    assert.equal(short(plain), true);
    for (const [what, by] of [
      ['"decision":"allow"', '"decision": "allow"'],
      ['"decision":"allow"', '"leaf":77,"decision":"allow"'],
      ['"ticket":null', '"ticket":"\\u0041"'],
      ['"leaf":8', '"leaf":08'],
      ['"leaf":8', '"leaf":8.0'],
      ['"rows":1', '"rows":1e2'],
      ['select 1"}', 'select \\u0031"}'],
      ['select 1"}', 'select \\/"}'],
      ['select 1"}', 'select é"}'],
      ['select 1"}', 'select \t"}'],
      ['select 1"}}}', 'select 1"},"record":{}}}'],
      ['select 1"}}}', 'select 1"}}} '],
      ['"status":"ok"', '"status":"ok","status":"ok"'],
    ] as const) {
      assert.equal(short(plain.replace(what, by)), false, by);
    }
    assert.equal(short(plain), true);
  });
});
