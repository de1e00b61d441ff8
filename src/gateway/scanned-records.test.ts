import assert from 'node:assert/strict';
import { test } from 'node:test';
import { uuidv7 } from '../core/ids.ts';
import { nowMicros } from '../core/time.ts';
import type { CredentialView, GrantView, PrincipalView, ResourceView } from '../core/views.ts';
import { RecordScanner } from '../ledger/record-scan.ts';
import { allowFragment, SessionRecords } from '../protocols/session-records.ts';

test('intents and outcomes as PostgreSQL sessions write them are scanned, which is what makes the log fast', () => {
  const records = new SessionRecords(
    {
      session: uuidv7(),
      principal: { id: uuidv7(), name: 'batch "1"' } as PrincipalView,
      credential: {} as CredentialView,
      resource: { id: uuidv7(), name: 'ledger-db' } as ResourceView,
      source: '127.0.0.1:1',
    },
    'postgres',
  );
  const grant = { id: uuidv7() } as GrantView;
  const what = { verbs: ['select'], objects: ['a.b'], fingerprint: 'f' };
  const id = uuidv7();
  const scanner = new RecordScanner();
  for (const json of [
    records.intent(id, nowMicros(), allowFragment(what, grant)),
    records.outcome(id, nowMicros(), 'ok', 'SELECT 1', 1, 15, 180),
    records.outcome(id, nowMicros(), 'error', '42501', 0, 0, 0),
  ]) {
    const scanned = scanner.scan(Buffer.from(json), 1);
    assert.ok(scanned, json);
    const parsed = JSON.parse(json) as object;
    assert.deepEqual(
      { id: scanned.id, time: scanned.time, ...scanned.common.members, ...scanned.outcome },
      parsed,
    );
  }
});
