import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { rfc3339 } from '../core/time.ts';
import type { PasswordCredentialView } from '../core/views.ts';
import { personActor } from '../identity/persons.ts';
import { testControl } from './control.fixture.ts';

const soon = (ms = 3_600_000): string => rfc3339((Date.now() + ms) * 1000);

async function bank(context: TestContext) {
  const t = await testControl(context);
  const { control, actor, admin } = t;
  const person = (name: string, roles: readonly ('owner' | 'approver' | 'admin' | 'auditor')[]) =>
    control.persons.create(actor, { name, email: `${name.toLowerCase()}@example.org`, roles });
  const [owner, approver, second] = [
    await person('Owner', ['owner']),
    await person('Appr', ['approver']),
    await person('Second', ['approver']),
  ];
  await control.principals.create(actor, {
    ...{ name: 'old-box', kind: 'service_account', owner: owner.id, backupOwner: admin.id },
    ...{ purpose: 'x', environment: 'test' },
  });
  const ask = (over: object = {}) =>
    control.staticSecrets.request(actor, {
      ...{ principal: 'old-box', reason: 'cannot do better', approver: approver.id, expiresAt: soon() },
      ...over,
    });
  /** What workers were told last. */
  const told = async (): Promise<PasswordCredentialView | undefined> =>
    (await control.snapshot()).credentials.find((each) => each.kind === 'password');
  return { ...t, owner, approver, second, person, ask, told };
}

describe('a static secret', () => {
  it('opens nothing until the person who was named agrees, and nobody else can', async (context) => {
    const { control, approver, second, admin, owner, ask, told, sink } = await bank(context);
    const { binding, password } = await ask();
    assert.equal(binding.status, 'requested');
    assert.equal(await told(), undefined);
    for (const person of [second, admin, owner])
      await assert.rejects(control.staticSecrets.approve(person, binding.id), { code: 'POSTERN_FORBIDDEN' });
    const approved = await control.staticSecrets.approve(approver, binding.id);
    assert.equal(approved.status, 'active');
    assert.equal((await told())?.id, binding.id);
    await assert.rejects(control.staticSecrets.approve(approver, binding.id), { code: 'POSTERN_CONFLICT' });
    const written = JSON.stringify(sink.changes());
    assert.ok(!written.includes(password));
    const record = sink.changes().find(({ type }) => type === 'binding.approved');
    assert.equal(record?.actor.name, 'Appr');
  });

  it('is not approved by who asked, who answers for the principal, or who may approve nothing', async (context) => {
    const { control, actor, admin, owner, approver, person, ask } = await bank(context);
    await assert.rejects(ask({ approver: admin.id }), /does not approve it/);
    await assert.rejects(ask({ approver: owner.id }), /role approver or admin/);
    const other = await person('Other', ['admin']);
    await control.principals.create(actor, {
      ...{
        name: 'theirs',
        kind: 'agent',
        owner: owner.id,
        backupOwner: other.id,
        purpose: 'x',
        environment: 'x',
      },
    });
    const { binding } = await ask({ principal: 'theirs', approver: other.id });
    await assert.rejects(control.staticSecrets.approve(other, binding.id), /answers for theirs/);
    const mine = await ask();
    await control.persons.disable(actor, approver.id, 'left');
    await assert.rejects(control.staticSecrets.approve(approver, mine.binding.id), /cannot approve it/);
  });

  it('has an end of 365 days at most, and at that end opens nothing more', async (context) => {
    const { control, approver, ask, told, deltas } = await bank(context);
    await assert.rejects(ask({ expiresAt: soon(-1) }), /lies in the past/);
    await assert.rejects(ask({ expiresAt: soon(366 * 86_400_000) }), /365 days at most/);
    const waits = await ask({ expiresAt: soon(150) });
    const { binding } = await ask({ expiresAt: soon(200) });
    await control.staticSecrets.approve(approver, binding.id);
    assert.equal(await control.staticSecrets.expire(), 0);
    await new Promise((resolve) => setTimeout(resolve, 250));
    assert.equal(await control.staticSecrets.expire(), 2);
    assert.equal(await told(), undefined);
    assert.equal((await control.bindings.get(binding.id)).status, 'expired');
    assert.equal(deltas.at(-1)?.credentials?.[0]?.status ?? 'revoked', 'revoked');
    await assert.rejects(control.staticSecrets.approve(approver, waits.binding.id), {
      code: 'POSTERN_CONFLICT',
    });
  });

  it('ends by a refusal, a removal, and with its principal', async (context) => {
    const { control, actor, approver, second, ask, told } = await bank(context);
    const { binding } = await ask();
    await assert.rejects(control.staticSecrets.decline(second, binding.id, 'no'), {
      code: 'POSTERN_FORBIDDEN',
    });
    await control.staticSecrets.decline(approver, binding.id, 'use a certificate');
    await assert.rejects(control.staticSecrets.approve(approver, binding.id), { code: 'POSTERN_CONFLICT' });
    const next = await ask();
    await control.staticSecrets.approve(approver, next.binding.id);
    await control.bindings.remove(actor, next.binding.id, 'moved');
    assert.equal(await told(), undefined);
    const last = await ask();
    await control.staticSecrets.approve(approver, last.binding.id);
    await control.principals.retire(
      personActor(await control.persons.get('ada@example.org')),
      'old-box',
      'gone',
    );
    assert.equal((await control.bindings.get(last.binding.id)).status, 'removed');
  });
});
