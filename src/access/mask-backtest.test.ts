import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MaskRuleView } from '../core/views.ts';
import { maskBacktest, type SeenForMasks } from './mask-backtest.ts';

const BATCH = { id: 'p', name: 'batch' };
const RESOURCE = { id: 'r', name: 'ledger-db' };
const TEXTS: Record<string, string> = {
  named: "select c.email, name from ledger.customers c where c.email = 'x'",
  whole: 'select * from ledger.customers',
  joined: 'select email, "Odd Name" from ledger.customers join "Sales".leads using (id)',
  path: 'select email from customers',
};
const seen = (text: string, objects: readonly string[], over: Partial<SeenForMasks> = {}): SeenForMasks => ({
  ...{ principal: BATCH, resource: RESOURCE, objects, allowed: 10, lastAllowed: text },
  ...over,
});
const rule = (name: string, over: Partial<MaskRuleView> = {}): MaskRuleView => ({
  ...{ id: name, name, revision: 1, resourceId: null, principalId: null, grantId: null, status: 'active' },
  match: { columns: [], names: ['email'], detectors: [] },
  ...{ transform: { kind: 'redact' }, probes: 'deny' },
  ...over,
});
const run = (
  classes: readonly SeenForMasks[],
  before: readonly MaskRuleView[],
  after: readonly MaskRuleView[],
) => maskBacktest(classes, before, after, async (record) => TEXTS[record] ?? null);
const CUSTOMERS = ['ledger.customers'];

test('a column that is named comes out as the rules would have it, once for each kind of statement', async () => {
  const classes = [seen('named', CUSTOMERS), seen('path', CUSTOMERS, { allowed: 5 })];
  const done = await run(classes, [], [rule('contact')]);
  assert.deepEqual(
    done.rows.map(({ column, commands, before, after, change }) => [column, commands, before, after, change]),
    [['ledger.customers.email', 15, 'shown', 'redact by contact', 'masked']],
  );
  const partial = rule('contact', { transform: { kind: 'partial', keep: 4 }, probes: 'allow' });
  const [row] = (await run(classes, [rule('contact')], [partial])).rows;
  assert.deepEqual(
    [row?.before, row?.after, row?.change],
    ['redact by contact', 'partial (keep 4) by contact, compared', 'otherwise'],
  );
  // A further rule never makes a mask milder.
  assert.deepEqual((await run(classes, [rule('contact')], [rule('contact'), rule('x', partial)])).rows, []);
});

test('rules of others, of other resources and of single grants change nothing', async () => {
  const classes = [seen('named', CUSTOMERS)];
  for (const over of [
    { principalId: 'other' },
    { resourceId: 'other' },
    { grantId: 'g' },
    { status: 'retired' },
  ] as const) {
    const done = await run(classes, [], [rule('contact', over)]);
    assert.deepEqual([done.rows, done.unread, done.commands], [[], 0, 10]);
  }
});

test('in a join a name that may be of either table counts for both', async () => {
  const done = await run([seen('joined', [...CUSTOMERS, '"Sales".leads'])], [], [rule('contact')]);
  assert.deepEqual(done.rows.map(({ column }) => column).sort(), [
    'Sales.leads.email',
    'ledger.customers.email',
  ]);
});

test('what cannot be known is said: all columns, what detectors find, texts that are gone', async () => {
  const detecting = rule('cards', { match: { columns: [], names: ['email'], detectors: ['card'] } });
  const classes = [
    seen('whole', CUSTOMERS),
    seen('gone', CUSTOMERS, { allowed: 3 }),
    seen('x', CUSTOMERS, { lastAllowed: null }),
  ];
  const { rows, ...sums } = await run(classes, [], [detecting]);
  assert.deepEqual(rows, []);
  assert.deepEqual(sums, { commands: 23, classes: 3, unread: 13, wholeRows: 10, searched: 23 });
});
