/** A static secret from the request to its end: two persons, a session by SCRAM, and what the record says. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, it } from 'node:test';
import { nowMicros, rfc3339 } from '../src/core/time.ts';
import { Bank } from './support/bank.ts';
import { until } from './support/processes.ts';

/** As if the person of a token had signed in just before: how they do that is not of here (people-oidc.test.ts). */
function haveShown(dataDir: string, person: string): void {
  const db = new DatabaseSync(join(dataDir, 'state.db'));
  const soon = rfc3339(nowMicros() + 60_000_000);
  db.prepare('UPDATE api_tokens SET fresh_until = ? WHERE person_id = ?').run(soon, person);
  db.close();
}

describe('a static secret', () => {
  let bank: Bank;
  before(async () => {
    bank = await Bank.start();
    await bank.identity('old-box', 'select on ledger.*');
  });
  after(() => bank?.stop());

  it('opens sessions once a second person agreed, until it is removed', async () => {
    const { postern } = bank;
    const approver = await postern.call<{ id: string }>('POST', '/v1/persons', {
      ...{ name: 'Appr', email: 'appr@bank.example', roles: ['approver'] },
    });
    const { token } = await postern.call<{ token: string }>('POST', `/v1/persons/${approver.id}/tokens`, {});
    const made = await postern.call<{ binding: { id: string }; username: string; password: string }>(
      'POST',
      '/v1/principals/old-box/bindings/secret',
      {
        ...{ reason: 'an appliance without TLS keys', approver: approver.id },
        expiresAt: new Date(Date.now() + 3_600_000).toISOString(),
      },
    );
    const login = () => bank.connect({ ...made, grant: '', credential: '' });
    await assert.rejects(login(), /authentication failed for "old-box"/);
    await assert.rejects(
      postern.call('POST', `/v1/bindings/${made.binding.id}/approve`),
      /was asked to approve it/,
    );
    const approve = () => postern.call('POST', `/v1/bindings/${made.binding.id}/approve`, undefined, token);
    await assert.rejects(approve(), { code: 'POSTERN_REAUTHENTICATE' }, 'a token alone does not do');
    haveShown(postern.dataDir, approver.id);
    await approve();
    const client = await login();
    assert.deepEqual((await client.query('select 42 as n')).rows, [{ n: 42 }]);
    await postern.call('POST', `/v1/bindings/${made.binding.id}/remove`, { reason: 'replaced' });
    await until(async () => client.lost.length > 0, 'the session ends', 1000);
    await assert.rejects(login(), /was revoked|authentication failed/);
    const { items } = await postern.call<{ items: { id: string; type: string }[] }>(
      'GET',
      '/v1/activity?principal=old-box&type=session&limit=100',
    );
    const opened = items.find(({ type }) => type === 'session.opened');
    const { record } = await postern.call<{ record: { credential: string } }>(
      'GET',
      `/v1/activity/${opened?.id}`,
    );
    assert.equal(record.credential, made.binding.id);
  });
});
