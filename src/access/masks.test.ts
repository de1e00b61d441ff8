import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PosternError } from '../core/errors.ts';
import { RESOURCE, type TestControl, testControl } from './control.fixture.ts';

const refused = (code: string) => (error: unknown) => error instanceof PosternError && error.code === code;

async function bank(t: TestControl): Promise<{ readonly grant: string; readonly other: string }> {
  await t.control.resources.create(t.actor, RESOURCE);
  const ids: string[] = [];
  for (const name of ['batch', 'report']) {
    await t.control.principals.create(t.actor, {
      name,
      kind: 'workload',
      owner: 'ada@example.org',
      backupOwner: 'bea@example.org',
      purpose: 'x',
      environment: 'test',
    });
    const grant = { principal: name, resource: 'ledger-db', scope: 'select on a.*', ttlSeconds: 600 };
    ids.push((await t.control.grants.create(t.actor, grant)).id);
  }
  return { grant: ids[0] as string, other: ids[1] as string };
}

test('a rule reaches the workers whole when it is made, changed and retired, and the log says what was before', async (context) => {
  const t = await testControl(context);
  await bank(t);
  const made = await t.control.masks.create(t.actor, {
    name: 'mail',
    resource: 'ledger-db',
    principal: 'batch',
    classes: ['contact'],
    transform: { kind: 'partial' },
  });
  assert.deepEqual(made.transform, { kind: 'partial', keep: 4 });
  assert.ok(made.match.names.includes('*email*') && made.match.detectors.includes('email'));
  const view = t.deltas.at(-1)?.masks?.[0];
  assert.equal(view?.resourceId, made.resource?.id);
  assert.equal(view?.probes, 'deny');
  assert.deepEqual((await t.control.snapshot()).masks, [view]);
  const changed = await t.control.masks.update(
    t.actor,
    'mail',
    { transform: { kind: 'null' } },
    'still too much',
  );
  assert.equal(changed.revision, 2);
  assert.deepEqual(changed.match, made.match);
  assert.equal(t.deltas.at(-1)?.masks?.[0]?.revision, 2);
  await t.control.masks.retire(t.actor, 'mail', 'table gone');
  assert.equal(t.deltas.at(-1)?.masks?.[0]?.status, 'retired');
  assert.deepEqual((await t.control.snapshot()).masks, []);
  const records = t.sink.changes().filter(({ change }) => change.entity === 'mask');
  assert.deepEqual(
    records.map(({ type, reason, principal }) => [type, reason, principal?.name]),
    [
      ['mask.created', undefined, 'batch'],
      ['mask.updated', 'still too much', 'batch'],
      ['mask.retired', 'table gone', 'batch'],
    ],
  );
  assert.deepEqual(records[1]?.change.before, made);
});

test('the name of a retired rule is never used again, and a retired rule is not changed', async (context) => {
  const t = await testControl(context);
  await t.control.masks.create(t.actor, { name: 'mail', classes: ['contact'] });
  await assert.rejects(
    t.control.masks.create(t.actor, { name: 'mail', classes: ['name'] }),
    refused('POSTERN_CONFLICT'),
  );
  await t.control.masks.retire(t.actor, 'mail', 'x');
  await assert.rejects(
    t.control.masks.create(t.actor, { name: 'mail', classes: ['name'] }),
    refused('POSTERN_CONFLICT'),
  );
  await assert.rejects(t.control.masks.retire(t.actor, 'mail', 'x'), refused('POSTERN_CONFLICT'));
  await assert.rejects(
    t.control.masks.update(t.actor, 'mail', { classes: ['name'] }, 'x'),
    refused('POSTERN_CONFLICT'),
  );
});

test('a rule for a grant holds for its principal and resource, and for no other', async (context) => {
  const t = await testControl(context);
  const { grant, other } = await bank(t);
  const made = await t.control.masks.create(t.actor, { grant, detectors: ['iban'] });
  assert.equal(made.principal?.name, 'batch');
  assert.equal(made.resource?.name, 'ledger-db');
  await assert.rejects(
    t.control.masks.create(t.actor, { grant: other, principal: 'batch', detectors: ['iban'] }),
    refused('POSTERN_INVALID'),
  );
  await t.control.grants.revoke(t.actor, other, 'x');
  await assert.rejects(
    t.control.masks.create(t.actor, { grant: other, detectors: ['iban'] }),
    refused('POSTERN_CONFLICT'),
  );
});

test('a rule that masks nothing, or only seems to, is refused', async (context) => {
  const t = await testControl(context);
  const make = async (input: object): Promise<unknown> => t.control.masks.create(t.actor, input);
  const numbers = { columns: ['a.b.c'], names: [], detectors: [] };
  for (const input of [
    {},
    { columns: [] },
    { columns: ['salaries.amount'] },
    { columns: ['hr.salaries.amount.x'] },
    { columns: ['hr.salaries.'] },
    { columns: ['hr."salaries.amount'] },
    { names: ['__'] },
    { names: ['a;b'] },
    { ...numbers, transform: { kind: 'generalise', bucket: 1 } },
    { ...numbers, transform: { kind: 'partial', keep: 0 } },
    { ...numbers, transform: { kind: 'partial', keep: 1000 } },
    { ...numbers, transform: { kind: 'redact', keep: 4 } },
    { ...numbers, transform: { kind: 'generalise', prefix: 1.5 } },
    { columns: Array.from({ length: 201 }, (_, i) => `a.b.c${i}`) },
    { ...numbers, name: 'Not A Name' },
  ]) {
    await assert.rejects(make(input), refused('POSTERN_INVALID'), JSON.stringify(input));
  }
  await assert.rejects(make({ ...numbers, resource: 'nowhere' }), refused('POSTERN_NOT_FOUND'));
  await assert.rejects(make({ ...numbers, principal: 'nobody' }), refused('POSTERN_NOT_FOUND'));
  const { name } = await t.control.masks.create(t.actor, numbers);
  await assert.rejects(t.control.masks.update(t.actor, name, numbers, 'x'), refused('POSTERN_CONFLICT'));
  await assert.rejects(
    async () => t.control.masks.update(t.actor, name, { columns: [] }, 'x'),
    refused('POSTERN_INVALID'),
  );
});

test('the key of keyed masks is one for the installation, and is in no record and in no snapshot', async (context) => {
  const t = await testControl(context);
  await t.control.masks.create(t.actor, { classes: ['secret'], transform: { kind: 'hash' } });
  const key = t.control.maskKey;
  assert.equal(key.length, 32);
  assert.notDeepEqual(key, t.control.scramSaltSecret);
  const everything = JSON.stringify([t.sink.changes(), t.deltas, await t.control.snapshot()]);
  for (const encoding of ['hex', 'base64'] as const) assert.ok(!everything.includes(key.toString(encoding)));
  const { control } = t;
  await control.close();
  const again = await testControl(context, { dataDir: t.dataDir });
  assert.deepEqual(again.control.maskKey, key);
});
