import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LoginRefused, RecordBase } from '../core/record.ts';
import { Refusals } from './refusals.ts';

function counted() {
  const records: LoginRefused[] = [];
  let full = false;
  const refusals = new Refusals(async (record: RecordBase) => {
    if (full) throw new Error('disk full');
    records.push(record as LoginRefused);
  });
  return { records, refusals, fill: (yes: boolean) => (full = yes) };
}

test('equal refusals of a minute are one record with their number', async () => {
  const { records, refusals } = counted();
  for (let i = 0; i < 1000; i++) refusals.note('passkey', 'not accepted', '192.0.2.1');
  refusals.note('oidc', 'unknown', '192.0.2.1');
  const now = Date.now();
  assert.equal(await refusals.flush(now), 2);
  refusals.note('oidc', 'unknown', '192.0.2.1');
  assert.equal(await refusals.flush(now + 59_000), 0);
  assert.equal(await refusals.flush(now + 60_000), 1);
  assert.deepEqual(
    records.map(({ refused: { method, count } }) => [method, count]),
    [
      ['passkey', 1000],
      ['oidc', 1],
      ['oidc', 1],
    ],
  );
});

test('many different ones do not fill the log: beyond a number they are one sum', async () => {
  const { records, refusals } = counted();
  for (let i = 0; i < 100_000; i++) refusals.note('recovery_code', 'wrong', `2001:db8::${i.toString(16)}`);
  await refusals.flush(Date.now(), true);
  assert.ok(records.length <= 201, String(records.length));
  assert.equal(
    records.reduce((sum, { refused }) => sum + refused.count, 0),
    100_000,
  );
});

test('what cannot be written is counted on', async () => {
  const { records, refusals, fill } = counted();
  refusals.note('scim', 'unknown', '192.0.2.1');
  fill(true);
  await assert.rejects(refusals.flush(Date.now(), true));
  refusals.note('scim', 'unknown', '192.0.2.1');
  fill(false);
  await refusals.flush(Date.now(), true);
  assert.deepEqual(
    records.map(({ refused }) => refused.count),
    [2],
  );
});
